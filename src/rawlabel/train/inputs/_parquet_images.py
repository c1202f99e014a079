"""The image column of Parquet files: in memory where it fits, else a few row groups of it at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel import processes
from rawlabel.errors import DataError
from rawlabel.train.image_source import ImageSource, StoredImage

MEMORY_SHARE = 0.25
"""Share of the free memory that encoded images may take; of a larger set, row groups are read when asked for."""
GROUPS_KEPT = 8
"""Row groups kept of such a set."""


class ParquetImages(ImageSource):
    """Encoded images of a column in Parquet files.

    A row group is the smallest part that can be read, so reading at random from a set that does not fit into memory
    reads a whole group for nearly each image: it works, in bounded memory, but slowly unless groups are small
    (the hub's image sets have 100 rows in a group).
    """

    def __init__(self, files: Sequence[Path], column: str, names: Sequence[str] | None) -> None:
        self._files, self._column, self._names = files, column, names
        counts, places, size = [], [], 0
        for number, path in enumerate(files):
            metadata = pq.read_metadata(path)
            for group in range(metadata.num_row_groups):
                about = metadata.row_group(group)
                counts.append(about.num_rows)
                places.append((number, group))
                size += sum(
                    about.column(i).total_uncompressed_size
                    for i in range(metadata.num_columns)
                    if about.column(i).path_in_schema.split(".")[0] == column
                )
        self._places = places
        self._ends = np.cumsum(counts, dtype=np.int64)
        free = MEMORY_SHARE * psutil.virtual_memory().available / processes.local_count()
        self._groups_kept = len(places) if size <= free else GROUPS_KEPT
        self._groups: OrderedDict[int, pa.Array] = OrderedDict()
        self._lock = threading.Lock()
        if size <= free:
            for group in range(len(places)):
                self._groups[group] = self._load(group)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def read(self, index: int) -> StoredImage:
        """The image as it is stored."""
        group = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[group - 1]) if group else 0
        value = self._group(group)[index - start]
        if not value.is_valid:
            raise DataError(f"{self.where(index)}: has no image bytes; leave the row out, or embed the images")
        return np.frombuffer(value.as_buffer(), dtype=np.uint8)

    def name(self, index: int) -> str:
        """What the image is called."""
        return self._names[index] if self._names is not None else f"{index:07d}"

    def where(self, index: int) -> str:
        """Where a person finds it."""
        group = int(np.searchsorted(self._ends, index, side="right"))
        return f"{self._files[self._places[group][0]]}: image '{self.name(index)}' (row {index} of the set)"

    def missing(self) -> int:
        """How many rows have no image, as far as this is known without reading the images."""
        return sum(array.null_count for array in self._groups.values())

    def _group(self, group: int) -> pa.Array:
        with self._lock:
            if group in self._groups:
                if self._groups_kept < len(self._places):
                    self._groups.move_to_end(group)
                return self._groups[group]
        array = self._load(group)
        with self._lock:
            self._groups[group] = array
            while len(self._groups) > self._groups_kept:
                self._groups.popitem(last=False)
        return array

    def _load(self, group: int) -> pa.Array:
        number, own = self._places[group]
        path = self._files[number]
        try:
            # Opened anew each time: a file's reader must not be shared by threads.
            with pq.ParquetFile(path) as file:
                is_struct = pa.types.is_struct(file.schema_arrow.field(self._column).type)
                leaf = f"{self._column}.bytes" if is_struct else self._column
                column = file.read_row_group(own, columns=[leaf], use_threads=False).column(self._column)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: cannot be read ({_first_line(error)}); download it again") from error
        array = column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        # `flatten` also carries the nulls of the struct into its field.
        return array.flatten()[0] if is_struct else array


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

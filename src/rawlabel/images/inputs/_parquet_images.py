"""The image column of Parquet files: whole in memory, or some parts of it at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from math import ceil
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.errors import DataError
from rawlabel.images.decoding import free_memory
from rawlabel.images.image_source import NumberedImages, StoredImage, locate

_KEPT_SHARE = 0.1
"""Share of the free memory that the parts which stay in memory may take."""
_FEWEST_KEPT = 2
_STREAMS = 4
"""Row groups that are gone through at a time: threads side by side are in two where one ends."""
_PIECE_BYTES = 32 * 2**20
"""Row groups of more than twice that are read in pieces of about that size [bytes]."""
_BATCH_ROWS = 256
_BUFFER_BYTES = 2**20
_COSTLY = 10.0
"""Bytes read for a byte of an image from which on reading costs several times what decoding does: measured were 6
nanoseconds a byte to read, and 12 to decode a JPEG of 500 x 375 pixels."""


class ParquetImages(NumberedImages):
    """Chunks of encoded images, found by position."""

    item = "row"

    def __init__(self, column: pa.ChunkedArray, place: str) -> None:
        self._chunks = [_bytes_of(chunk) for chunk in column.chunks]
        self._ends = list(accumulate(map(len, self._chunks)))
        self.place = place

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def read(self, index: int) -> StoredImage:
        """The encoded bytes [n] of the row, a view of the file that is mapped into memory."""
        number, position = locate(self._ends, index)
        value = self._chunks[number][position]
        return np.frombuffer(value.as_buffer(), dtype=np.uint8)


class RowGroupImages(NumberedImages):
    """The image column of a set larger than memory, some parts of it at a time.

    A part is a row group, or a piece of a large one: Parquet's pages cannot be asked for one by one, but a row
    group can be gone through from its beginning. So this is made for reading in order, as `rawlabel pack` does; at
    random, every image costs the reading of its row group.
    """

    item = "row"

    def __init__(self, files: Sequence[Path], column: str, place: str) -> None:
        self._column, self.place = column, place
        self._parts = [part for one in files for part in _parts(one, column)]
        self._ends = list(accumulate(part.num_rows for part in self._parts))
        largest = max((part.num_bytes for part in self._parts), default=0)
        # Enough for threads that go through the images side by side, a few dozen each, as those of `pack` do.
        self._kept = max(_FEWEST_KEPT, int(_KEPT_SHARE * free_memory() / max(largest, 1)))
        self._lock = Lock()
        self._images: OrderedDict[int, ParquetImages] = OrderedDict()
        self._streams: OrderedDict[tuple[Path, int], _RowGroupStream] = OrderedDict()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def cost_at_random(self) -> float:
        """Bytes that are read for a byte of an image, where images are asked for at random."""
        rows: dict[tuple[Path, int], int] = {}
        sizes: dict[tuple[Path, int], int] = {}
        for part in self._parts:
            key = part.path, part.group
            rows[key] = rows.get(key, 0) + part.num_rows
            sizes[key] = sizes.get(key, 0) + part.num_bytes
        # A group of n images is read n times in an epoch, unless it is among those that stay.
        read = sum(rows[key] * sizes[key] for key in rows)
        missed = 1 - min(self._kept / max(len(self._parts), 1), 1)
        return missed * read / max(sum(sizes.values()), 1)

    @property
    def advice_at_random(self) -> str | None:
        """To pack the set, where reading an image costs several times its decoding."""
        cost = self.cost_at_random
        if cost <= _COSTLY:
            return None
        return (
            f"{self.place}: is larger than what memory is free, and to read one of its images at random is to "
            f"read a row group, {cost:.0f} times as much; `rawlabel pack {self.place} --out PACK` makes a faster "
            "folder"
        )

    def read(self, index: int) -> StoredImage:
        """The encoded bytes. Raises `DataError` for a row without an image, and when the file is damaged."""
        number, position = locate(self._ends, index)
        with self._lock:
            if number not in self._images:
                self._read_part(number)
            self._images.move_to_end(number)
            images = self._images[number]
        return images.read(position)

    def _read_part(self, number: int) -> None:
        part = self._parts[number]
        try:
            if part.is_piece:
                self._go_through(number)
            else:
                self._keep(number, _whole_group(part, self._column))
        except (pa.ArrowInvalid, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(
                f"{part.path}: row group {part.group} cannot be read ({reason}); get the file again"
            ) from error

    def _go_through(self, number: int) -> None:
        """Keep a piece of a row group, and those on the way to it: another thread may be about to ask for them."""
        part = self._parts[number]
        key = part.path, part.group
        if key not in self._streams or self._streams[key].row > part.first_row:
            if key in self._streams:
                self._streams.pop(key).close()
            self._streams[key] = _RowGroupStream(part.path, part.group, self._column, part.num_rows)
        stream, first = self._streams[key], number
        while self._parts[first].first_row > stream.row:
            first -= 1
        for one in range(first, number + 1):
            self._keep(one, pa.chunked_array(list(stream.rows(self._parts[one].num_rows))))
        if len(self._streams) > _STREAMS:
            self._streams.popitem(last=False)[1].close()

    def _keep(self, number: int, column: pa.ChunkedArray) -> None:
        part = self._parts[number]
        refuse_nulls(null_images(column), self._column, part.path)
        self._images[number] = ParquetImages(column, f"{part.path}: row group {part.group}")
        if len(self._images) > self._kept:
            self._images.popitem(last=False)


class _Part(NamedTuple):
    """Rows of one row group."""

    path: Path
    group: int
    first_row: int
    """In the row group."""
    num_rows: int
    num_bytes: int
    """Of the image column, decompressed."""
    is_piece: bool
    """Whether the row group has other parts."""


def _parts(path: Path, column: str) -> Iterator[_Part]:
    """The row groups of a file, large ones in pieces."""
    metadata = pq.read_metadata(path)
    for group in range(metadata.num_row_groups):
        facts = metadata.row_group(group)
        rows = facts.num_rows
        size = sum(
            leaf.total_uncompressed_size
            for leaf in map(facts.column, range(facts.num_columns))
            if leaf.path_in_schema == column or leaf.path_in_schema.startswith(f"{column}.")
        )
        count = min(ceil(size / _PIECE_BYTES), rows) if size > 2 * _PIECE_BYTES else 1
        ends = [rows * number // count for number in range(count + 1)]
        for first, end in pairwise(ends):
            yield _Part(path, group, first, end - first, size * (end - first) // max(rows, 1), count > 1)


def _whole_group(part: _Part, column: str) -> pa.ChunkedArray:
    with pq.ParquetFile(part.path) as file:
        return file.read_row_group(part.group, columns=[column])[column]


class _RowGroupStream:
    """One row group from its beginning, some pages at a time."""

    def __init__(self, path: Path, group: int, column: str, batch_size: int) -> None:
        self.path, self.group, self.row = path, group, 0
        # With a buffer, and without reading ahead, some pages are in memory, of up to about a thousand rows each.
        self._file = pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        self._batches = self._file.iter_batches(min(batch_size, _BATCH_ROWS), row_groups=[group], columns=[column])
        self._rest: pa.Array | None = None

    def rows(self, count: int) -> Iterator[pa.Array]:
        """The next `count` rows. Raises `pyarrow.ArrowInvalid` where the row group ends before."""
        while count:
            chunk, self._rest = self._rest, None
            if chunk is None:
                batch = next(self._batches, None)
                if batch is None:
                    raise pa.ArrowInvalid("it ends too early")
                chunk = batch.column(0)
            if len(chunk) > count:
                chunk, self._rest = chunk.slice(0, count), chunk.slice(count)
            count -= len(chunk)
            self.row += len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def null_images(column: pa.ChunkedArray) -> int:
    """How many rows of an image column have no image, whether the column holds bytes or records with bytes."""
    return sum(_bytes_of(chunk).null_count for chunk in column.chunks)


def refuse_nulls(count: int, name: str, path: Path) -> None:
    """A row without an image or a label is no photo with a raw label; it is not left out in silence."""
    if count:
        raise DataError(f"{path}: {count} rows have no {name}; remove these rows and write the file again")


def _bytes_of(chunk: pa.Array) -> pa.Array:
    return chunk.field("bytes") if pa.types.is_struct(chunk.type) else chunk

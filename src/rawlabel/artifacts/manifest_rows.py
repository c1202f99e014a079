"""Rows of a manifest from its file, a few at a time, for whoever needs not all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.errors import DataError

_AT_ONCE = 32_768
"""Rows that are in memory together."""


class ManifestRows:
    """The rows of a manifest's file, by their places in it; each call reads the file again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """All rows in their order, in the named columns. Raises `DataError` for a damaged file."""
        for _, batch in self._parts(columns):
            yield batch

    def take(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """The named columns of some rows, in the order in which `rows` has their places.

        Groups of rows in the file of which none is wanted are passed over. Raises `DataError`.
        """
        wanted, back = np.unique(rows, return_inverse=True)
        taken: list[pa.RecordBatch] = []
        schema = None
        for start, batch in self._parts(columns, wanted):
            schema = batch.schema
            first, end = np.searchsorted(wanted, (start, start + batch.num_rows))
            if end > first:
                taken.append(batch.take(pa.array(wanted[first:end] - start)))
        if not taken:
            return pa.table({name: pa.array([], pa.string()) for name in columns}) if schema is None else (
                schema.empty_table()
            )  # fmt: skip
        return pa.Table.from_batches(taken).combine_chunks().take(pa.array(back.reshape(-1)))

    def _parts(
        self, columns: Sequence[str], wanted: npt.NDArray[np.int64] | None = None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches, each with the place of its first row; of groups that have a wanted row where some are."""
        try:
            with pq.ParquetFile(self._path, memory_map=True) as file:
                start = 0
                for group in range(file.num_row_groups):
                    end = start + file.metadata.row_group(group).num_rows
                    if wanted is None or np.searchsorted(wanted, end) > np.searchsorted(wanted, start):
                        place = start
                        for batch in file.iter_batches(_AT_ONCE, row_groups=[group], columns=list(columns)):
                            yield place, batch
                            place += batch.num_rows
                    start = end
        except (OSError, KeyError, pa.ArrowException) as error:
            raise DataError(f"{self._path}: is not a manifest of rawlabel; run `rawlabel curate` again") from error

"""What the newest evidence about labels says of each photo: read for whoever orders or exports photos by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.project import runs_path
from rawlabel.errors import DataError

SUSPICION = "suspicion.parquet"
_AT_ONCE = 5000


class Doubt(NamedTuple):
    """A row of `suspicion.parquet`."""

    photo: str
    """Its file in the project folder."""
    label: str
    preferred_class: str
    """Likeliest class; the label itself where nothing contradicts it."""
    suspicion: float
    """From 0 to 1; comparable within a file."""

    @property
    def is_doubted(self) -> bool:
        """Whether the photo looks more like another class than like its label."""
        return self.label != self.preferred_class


def newest_of_runs(project: Path, name: str) -> Path | None:
    """The file of that name in the run of a project that has the newest; None where none has it."""
    found = [(path.stat().st_mtime_ns, path) for path in runs_path(project).glob(f"*/{name}")]
    return max(found)[1] if found else None


def read_doubts(path: Path) -> Iterator[Doubt]:
    """The rows of a file, most suspicious first, a few at a time. Raises `DataError` where it is damaged."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_AT_ONCE, columns=list(Doubt._fields)):
                columns = (batch[name].to_pylist() for name in Doubt._fields)
                yield from map(Doubt._make, zip(*columns, strict=True))
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{path}: is no evidence about labels; run `rawlabel labels` again") from error


def count_doubts(path: Path) -> tuple[int, int]:
    """How many photos of a file are doubted, and how many there are. Raises `DataError` where it is damaged."""
    counts = Counter(one.is_doubted for one in read_doubts(path))
    return counts[True], counts.total()

"""`copies.parquet` beside a manifest: which photos show one picture, pair by pair, for whoever wants to look.

The columns of the file are the fields of `ListedCopy`, and each carries its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.errors import DataError

FILE = "copies.parquet"
EQUAL = "equal pixels"
"""The kind of copies that need no fingerprint."""
LOOK_ALIKE = "look-alike"
"""The kind of pairs that are no copies as far as their pixels say, and that a person should look at."""


def _column(meaning: str, kind: pa.DataType | None = None) -> Any:
    return field(metadata={"description": meaning, "kind": kind or pa.string()})


@dataclass(frozen=True, slots=True)
class ListedCopy:
    """Two photos that show one picture, or may, and what became of both."""

    group: str = _column("The best of the copies, <source>:<photo id>; column copy_group of the manifest.")
    kind: str = _column(
        "equal pixels, near copy, without borders, mirror image, or crop or edit; look-alike where hashes take "
        "them for copies and pixels do not, so that both are kept."
    )
    bits: int | None = _column(
        "In how many of 256 bits the hashes differ; null where another stage found them.", pa.int32()
    )
    likeness: float = _column(
        "How well they lie on each other after small shifts and scales, from -1 to 1.", pa.float64()
    )
    best: str = _column("One photo, <source>:<photo id>: the best of its copies.")
    best_class: str = _column("Class whose keyword found it.")
    best_path: str | None = _column("Its file in the project folder.")
    best_reason: str | None = _column("Why it is not kept; null when it is kept.")
    copy: str = _column("The other photo, <source>:<photo id>.")
    copy_class: str = _column("Class whose keyword found that.")
    copy_path: str | None = _column("Its file in the project folder.")
    copy_reason: str | None = _column("Why it is not kept; null when it is kept.")

    @property
    def is_conflict(self) -> bool:
        """Whether the picture is under two classes, so that at least one label is wrong."""
        return self.best_class != self.copy_class and self.kind != LOOK_ALIKE


_SCHEMA = pa.schema(
    [
        pa.field(one.name, one.metadata["kind"], metadata={"description": one.metadata["description"]})
        for one in fields(ListedCopy)
    ]
)


def table_of_copies(copies: Sequence[ListedCopy]) -> pa.Table:
    """The table that the file of copies holds, one row a pair."""
    columns = zip(*map(astuple, copies), strict=True) if copies else ((),) * len(_SCHEMA)
    return pa.table([pa.array(column, one.type) for column, one in zip(columns, _SCHEMA, strict=True)], _SCHEMA)


def listed_copies(manifest: Path) -> list[ListedCopy]:
    """The pairs listed beside a manifest file; none beside one that was made without the list.

    Raises `DataError` that names a file which cannot be read.
    """
    path = manifest.with_name(FILE)
    if not path.is_file():
        return []
    try:
        table = pq.read_table(path)
        return [ListedCopy(**row) for row in table.select(_SCHEMA.names).to_pylist()]
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: is not a list of copies; run `rawlabel curate` again") from error

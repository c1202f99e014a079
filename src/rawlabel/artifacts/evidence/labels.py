"""What `label_evidence.json` of a run directory holds: what held-out predictions say of the raw labels.

Shares are from 0 to 1; one that is not defined is None.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from rawlabel.base.checked import Count, Measured, Record, check_record
from rawlabel.base.files import read_json

EVIDENCE = "label_evidence.json"
_REMEDY = "run `rawlabel labels` again"


class Confusion(Record):
    """How many photos of a raw label held-out predictions give to another class."""

    given: str
    preferred: str
    photos: Count = 0
    of: Count = 0
    """Held-out photos with this raw label."""


class AmbiguousClass(Record):
    """How far a class stands out by photos that look like no class, or like another one."""

    class_id: str = Field(alias="class")
    expected_damage: Measured = 0.0
    signature: str
    """What is striking; `none` where nothing is."""
    sibling: str | None
    """The class that its photos look like."""
    lost: Measured
    """Share of its held-out photos that are taken for others."""
    to_sibling: Measured = 0.0
    held_out_photos: Count = 0


class LabelEvidence(Record):
    """The evidence of a pool of held-out predictions."""

    classes: tuple[str, ...] = ()
    held_out_photos: Count
    runs: Count
    """Whose held-out predictions were pooled."""
    ambiguous_classes: tuple[AmbiguousClass, ...]
    caution: str = ""
    """Why no share of wrong labels stands here."""
    confusions: tuple[Confusion, ...] = ()


def read_label_evidence(run: Path) -> LabelEvidence | None:
    """The evidence in a run directory; None before `rawlabel labels`. Raises `DataError` for a damaged file."""
    path = run / EVIDENCE
    if not path.is_file():
        return None
    return check_record(LabelEvidence, read_json(path, "evidence about labels"), path, _REMEDY)

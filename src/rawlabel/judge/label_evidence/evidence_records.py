"""What `label_evidence.json` holds, key by key; shares are from 0 to 1."""

from __future__ import annotations

from typing import TypedDict


class ConfusionRow(TypedDict):
    """How many photos of a raw label held-out predictions give to another class."""

    given: str
    preferred: str
    photos: int
    of: int
    """Held-out photos with this raw label."""


# A key that is a word of Python needs this form.
AmbiguousClass = TypedDict(
    "AmbiguousClass",
    {
        "class": str,
        "expected_damage": float,
        "signature": str,
        "sibling": str | None,
        "lost": float,
        "to_sibling": float,
        "mass_deficit": float,
        "second_mode": float,
        "bimodality": float,
        "shared": float,
        "held_out_photos": int,
    },
)


class Described(TypedDict):
    """The evidence of a pool of held-out predictions."""

    classes: list[str]
    held_out_photos: int
    runs: int
    caution: str
    confusions: list[ConfusionRow]
    ambiguous_classes: list[AmbiguousClass]


class FoundTogether(TypedDict):
    """Two classes that the searches mix up, as `class_overlap.json` of the manifest has them."""

    classes: list[str]
    shared_photos: int
    copies: int
    share: float
    says: str


class LabelEvidence(Described):
    """The same with the runs that it is of."""

    run_directories: list[str]
    shared_photos_known: bool
    found_together: list[FoundTogether]
    """Classes whose searches find the same pictures, largest share first; empty where that is not known."""

"""`responsible.json` of a run: for each confusion on a test set, the training photos nearest to it."""

from __future__ import annotations

from pathlib import Path

from rawlabel.base.checked import Count, Measured, Record, check_record
from rawlabel.base.files import read_json

FILE = "responsible.json"


class ResponsiblePhoto(Record):
    """A training photo of the class that test photos were taken for."""

    photo: str
    test_photos: Count
    """For how many of the confused test photos it is one of the nearest."""
    likeness: Measured
    """Its mean cosine with these."""


class Responsible(Record):
    """One confusion, the test photos to which it happened, and the training photos that are nearest to them."""

    true_class: str
    predicted_class: str
    test_photos: tuple[str, ...]
    training_photos: tuple[ResponsiblePhoto, ...]
    """The ones that are near most test photos first."""


class ResponsiblePhotos(Record):
    """`responsible.json`: the most frequent confusions on a test set."""

    confusions: tuple[Responsible, ...]

    @classmethod
    def read(cls, run: Path) -> ResponsiblePhotos | None:
        """Those of a run; None where its evaluation wrote none. Raises `DataError` for a damaged file."""
        path = run / FILE
        if not path.exists():
            return None
        return check_record(cls, read_json(path, "responsible photos"), path, "run `rawlabel evaluate` again")

"""`label_groups.json` of a run: suspected photos inside a class that a person can judge at a glance, together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rawlabel.base.checked import Count, Measured, Record, check_record
from rawlabel.base.files import read_json, write_json

FILE = "label_groups.json"


class PhotoGroup(Record):
    """Photos of one raw label that are suspected for the same reason."""

    label: str
    """The raw label that all have."""
    looks_like: str | None
    """The class that they look like; None where it is none of the classes."""
    suspicion: Measured
    """Mean over its photos [0 to 1]."""
    photos: tuple[str, ...]
    """Names, the most suspicious first."""
    keywords: Mapping[str, int]
    """How many photos each keyword brought, the most first; empty where the data do not say."""

    def describe(self) -> str:
        """The group in one line: how many photos, of which label, and what they look like."""
        what = "no class" if self.looks_like is None else f"'{self.looks_like}'"
        brought = ", ".join(f"'{word}' {count}" for word, count in self.keywords.items())
        found_by = f" (keywords: {brought})" if brought else ""
        return f"{len(self.photos)} photos labeled '{self.label}' look like {what}{found_by}, as {self.photos[0]}"


class PhotoGroups(Record):
    """`label_groups.json`: the groups of a run's photos, the largest first."""

    photos: Count
    """All photos that were looked at."""
    suspected: Count
    """Those whose suspicion is one half or more."""
    scattered: Count
    """Suspected photos that are in no group."""
    groups: tuple[PhotoGroup, ...]

    def write(self, folder: Path) -> None:
        """Put them into a folder, by default the run's. Raises `DiskError`."""
        write_json(folder / FILE, self.as_json())

    @classmethod
    def read(cls, folder: Path) -> PhotoGroups | None:
        """Those in a folder; None where `rawlabel labels` wrote none. Raises `DataError` for a damaged file."""
        path = folder / FILE
        if not path.exists():
            return None
        return check_record(cls, read_json(path, "groups of photos"), path, "run `rawlabel labels` again")

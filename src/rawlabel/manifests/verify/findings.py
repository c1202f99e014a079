"""What `verify` finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypedDict


class Kind(StrEnum):
    """What is wrong."""

    MISSING = "missing"
    DAMAGED = "damaged"
    PIXELS = "pixels"
    LINK = "link"
    STRAY = "stray"
    UNFINISHED = "unfinished"
    TAKEN_DOWN = "taken_down"
    MANIFEST = "manifest"
    CATALOGUE = "catalogue"

    def describe(self) -> str:
        """The kind of finding in one phrase for people, as the summary prints it behind the count."""
        return _TEXT[self]

    @property
    def remedy(self) -> str:
        """What a person does about findings of this kind: the command, or the choice."""
        return _REMEDY[self]

    @property
    def is_mended_by_download(self) -> bool:
        """Whether asking for the photo again puts it right."""
        return self in (Kind.MISSING, Kind.DAMAGED, Kind.PIXELS, Kind.LINK)


_TEXT = {
    Kind.MISSING: "photos' files are missing",
    Kind.DAMAGED: "files hold other bytes than their names say",
    Kind.PIXELS: "files do not show the pixels that are recorded",
    Kind.LINK: "links stand where files should",
    Kind.STRAY: "files belong to no photo",
    Kind.UNFINISHED: "files are unfinished",
    Kind.TAKEN_DOWN: "files of photos that were taken down are still there",
    Kind.MANIFEST: "faults of the manifest",
    Kind.CATALOGUE: "faults of the catalogue",
}
_ASK_AGAIN = "`rawlabel verify --forget`, then `rawlabel collect` (or `rebuild`) asks for them again"
_REMEDY = {
    Kind.MISSING: _ASK_AGAIN,
    Kind.DAMAGED: _ASK_AGAIN,
    Kind.PIXELS: _ASK_AGAIN,
    Kind.LINK: _ASK_AGAIN,
    Kind.STRAY: "delete them, or move what is yours elsewhere",
    Kind.UNFINISHED: "delete them; those in the store go with the next `rawlabel collect`",
    Kind.TAKEN_DOWN: "`rawlabel prune` deletes them",
    Kind.MANIFEST: "`rawlabel curate` writes a new one",
    Kind.CATALOGUE: "put back a copy of catalogue.sqlite, or collect again",
}


class PhotoRow(TypedDict):
    """A photo by its site and its id there."""

    source: str
    photo_id: str


class FindingRow(TypedDict):
    """A finding as `--out` writes it."""

    kind: str
    path: str
    detail: str
    sha256: str | None
    photos: list[PhotoRow]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    kind: Kind
    path: Path
    detail: str
    sha256: str | None = None
    """The stored object that should be at `path`; None when none should."""
    photos: tuple[tuple[str, str], ...] = ()
    """Source and id of the photos that it belongs to."""

    def as_json(self) -> FindingRow:
        """The finding as plain values, as `--out` writes it: kind, path, detail, hash, and its photos."""
        return {
            "kind": self.kind.value, "path": str(self.path), "detail": self.detail, "sha256": self.sha256,
            "photos": [{"source": source, "photo_id": photo_id} for source, photo_id in self.photos],
        }  # fmt: skip

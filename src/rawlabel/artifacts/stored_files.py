"""The image store against the catalogue: which files should be there, and which are.

Both sides are walked in the order of their names and compared piece by piece, so that memory stays flat.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import StoredObject
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos

_HEX = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One place in the store: what should be there, what is, or both."""

    path: Path
    wanted: StoredObject | None
    """None for a file that nothing in the catalogue asks for."""
    is_present: bool
    """Something has this name, be it a file or not."""


def stored_files(project: Path, catalogue: Catalogue) -> Iterator[StoredFile]:
    """Every file that should be in the project's store or is, each once. Raises `DataError` for a remote store."""
    store = ProjectPhotos(project).files
    prefixes = [one + other for one in _HEX for other in _HEX]
    for prefix in prefixes:
        wanted = {store.path(one.sha256, one.media_type): one for one in catalogue.stored_objects(prefix)}
        present = set(_names_below(store.folder / prefix))
        for path in sorted(wanted.keys() | present):
            yield StoredFile(path, wanted.get(path), path in present)
    if store.folder.is_dir():
        for folder in sorted(store.folder.iterdir()):
            if folder.name not in prefixes:
                yield from (StoredFile(path, None, True) for path in sorted(_names_below(folder)))


def _names_below(folder: Path) -> Iterator[Path]:
    """Everything below a folder that is no folder itself; a link is not followed but named."""
    if folder.is_symlink() or folder.is_file():
        yield folder
        return
    for place, folders, names in os.walk(folder):
        yield from (Path(place, name) for name in names)
        yield from (path for name in folders if (path := Path(place, name)).is_symlink())

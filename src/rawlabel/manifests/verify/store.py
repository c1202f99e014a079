"""Check the image store: each file is there, is no link, hashes to its name and shows the recorded pixels."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import StoredObject
from rawlabel.artifacts.image_check import decode_image
from rawlabel.artifacts.stored_files import StoredFile, stored_files
from rawlabel.base.progress import progress
from rawlabel.config import VerifyConfig
from rawlabel.manifests.verify.findings import Finding, Kind

_AT_ONCE = 512
"""Files handed to the threads together; what bounds the memory."""


def check_store(config: VerifyConfig, catalogue: Catalogue) -> Iterator[Finding]:
    """Everything that is wrong with the stored files, in the order of their names."""
    files = stored_files(config.project, catalogue)
    title, total = "checking stored photos", catalogue.num_stored_objects()
    with ThreadPoolExecutor(config.workers) as pool, progress(title, total) as task:
        while some := list(islice(files, _AT_ONCE)):
            for file, finding in zip(some, pool.map(lambda one: _check(one, config), some), strict=True):
                task.advance(file.wanted is not None)
                if finding is None:
                    continue
                photos = catalogue.photos_of_object(finding.sha256) if finding.sha256 else ()
                yield replace(finding, photos=tuple(photos))


def _check(file: StoredFile, config: VerifyConfig) -> Finding | None:
    """What is wrong with one file; None when nothing is."""
    wanted = file.wanted
    if wanted is None:
        if file.path.is_symlink():
            return Finding(Kind.LINK, file.path, "belongs to no photo")
        if file.path.suffix == ".part":
            return Finding(Kind.UNFINISHED, file.path, "half written by a process that was killed")
        return Finding(Kind.STRAY, file.path, "belongs to no photo")
    if wanted.is_taken_down:
        return Finding(Kind.TAKEN_DOWN, file.path, "the photo was taken down") if file.is_present else None
    if not file.is_present:
        return Finding(Kind.MISSING, file.path, "is not there", wanted.sha256)
    problem = _problem(file.path, wanted, config)
    return None if problem is None else Finding(problem[0], file.path, problem[1], wanted.sha256)


def _problem(path: Path, wanted: StoredObject, config: VerifyConfig) -> tuple[Kind, str] | None:
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            return Kind.LINK, "is a link" if stat.S_ISLNK(mode) else "is no file"
        data = path.read_bytes()
    except OSError as error:
        return Kind.DAMAGED, f"cannot be read ({error.strerror})"
    digest = hashlib.sha256(data).hexdigest()
    if digest != wanted.sha256:
        return Kind.DAMAGED, f"holds the bytes of {digest} ({len(data)} bytes)"
    if not config.decode:
        return None
    found, _ = decode_image(data, config.max_megapixels)
    if found.reason is not None:
        return Kind.PIXELS, found.reason.describe()
    if wanted.pixels - {found.pixel_sha256}:
        return Kind.PIXELS, "decodes to other pixels than the catalogue says"
    return None

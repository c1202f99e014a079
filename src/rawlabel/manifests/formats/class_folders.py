"""Class folders, as torchvision's ImageFolder and the published trainer read them."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from rawlabel.artifacts.decision import decisions_of
from rawlabel.artifacts.manifest import Manifest
from rawlabel.artifacts.photo_names import export_name
from rawlabel.base.files import disk_errors, write_json
from rawlabel.base.image_files import EXTENSION_OF_MEDIA_TYPE, sniff_media_type
from rawlabel.base.progress import progress
from rawlabel.config import ExportConfig
from rawlabel.errors import DataError
from rawlabel.manifests.formats._folder import MARK, read_marks
from rawlabel.manifests.formats._photos import PhotoBytes

_NAME = "class_folders"
_COLUMNS = ["class_id", "source", "photo_id", "stored_sha256", "media_type", "keyword", "rank"]


class ClassFolders:
    """Class folders (`candidate/<class>/<photo>.jpg`), by hard link where the disk allows, else by copy.

    The folder is built beside its place and then renamed, so a reader never meets half of it.
    """

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write the kept photos to `out`, replacing an older export but nothing else."""
        rows = manifest.kept().select(_COLUMNS)
        made_from = {"manifest": manifest.fingerprint, "metadata": config.metadata, "complete": True}
        if out.exists() and _is_there(out, made_from):
            return int(rows.num_rows)
        part, photos = out.with_name(f".{out.name}.part"), PhotoBytes(config)
        with disk_errors(out), progress("linking photos", rows.num_rows) as task:
            shutil.rmtree(part, ignore_errors=True)
            for class_id in manifest.class_ids:
                (part / class_id).mkdir(parents=True)
            for photo in decisions_of(rows):
                target = part / export_name(photo)
                # A hard link is the stored file itself, so "auto" keeps its bytes.
                if config.metadata == "strip":
                    data = photos.read(photo)
                    # Stripping writes some formats anew, as PNG.
                    extension = EXTENSION_OF_MEDIA_TYPE[sniff_media_type(data)]
                    target.with_suffix(extension).write_bytes(data)
                elif photos.is_remote:
                    target.write_bytes(photos.stored(photo))
                else:
                    _link(photos.path(photo), target)
                task.advance()
            write_json(part / MARK, {_NAME: made_from})
            _swap(part, out)
        return int(rows.num_rows)


def _is_there(out: Path, made_from: dict[str, object]) -> bool:
    """Whether the wanted export is there; raises `DataError` when something else is that must not be replaced."""
    marks = read_marks(out)
    if _NAME not in marks:
        raise DataError(f"{out}: exists and is not an export of rawlabel; choose another --out")
    if len(marks) > 1:
        raise DataError(f"{out}: holds exports in other formats too, which would be lost; choose another --out")
    return bool(marks[_NAME] == made_from)


def _link(origin: Path, target: Path) -> None:
    try:
        os.link(origin, target)
    except FileNotFoundError as error:
        raise DataError(f"{origin}: the photo has vanished; run `rawlabel collect` again") from error
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copyfile(origin, target)


def _swap(part: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)


PLUGIN = ClassFolders

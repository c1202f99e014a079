"""Class folders, as torchvision's ImageFolder and the published trainer read them."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

from rawlabel.errors import DataError
from rawlabel.files import disk_errors, read_json, write_json
from rawlabel.manifest import Manifest
from rawlabel.progress import progress

_MARK = "rawlabel-export.json"


class ClassFolders:
    """Class folders (`candidate/<class>/<photo>.jpg`), by hard link where the disk allows, else by copy.

    The folder is built beside its place and then renamed, so a reader never meets half of it.
    """

    def export(self, manifest: Manifest, out: Path) -> int:
        """Write the kept photos to `out`, replacing an older export but nothing else."""
        rows = manifest.kept().select(["class_id", "photo_id", "sha256", "path"]).to_pylist()
        if out.exists():
            if not (out / _MARK).is_file():
                raise DataError(f"{out}: exists and is not an export of rawlabel; choose another --out")
            if read_json(out / _MARK, "the mark of an export").get("manifest") == manifest.fingerprint:
                return len(rows)
        part = out.with_name(f".{out.name}.part")
        with disk_errors(out), progress("linking photos", len(rows)) as task:
            shutil.rmtree(part, ignore_errors=True)
            for class_id in manifest.class_ids:
                (part / class_id).mkdir(parents=True)
            for row in rows:
                origin = manifest.project / row["path"]
                safe_id = re.sub(r"[^\w-]", "_", row["photo_id"])[:80]
                _link(origin, part / row["class_id"] / f"{safe_id}_{row['sha256'][:8]}{origin.suffix}")
                task.advance()
            write_json(part / _MARK, {"manifest": manifest.fingerprint, "photos": len(rows)})
            _swap(part, out)
        return len(rows)


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

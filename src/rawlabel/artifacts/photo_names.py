"""Names of kept photos in exports, from which a photo is found again."""

from __future__ import annotations

import hashlib
import re

from rawlabel.artifacts.decision import Decision
from rawlabel.base.image_files import EXTENSION_OF_MEDIA_TYPE


def export_name(photo: Decision) -> str:
    """Name of a kept photo in every format, safe anywhere: `<class id>/<photo id>_<8 hex digits>.jpg`."""
    return f"{photo.class_id}/{export_stem(photo)}{EXTENSION_OF_MEDIA_TYPE[photo.media_type or '']}"


def export_stem(photo: Decision) -> str:
    """The last part of `export_name` without its extension, which stripping may change."""
    safe_id = re.sub(r"[^\w-]", "_", photo.photo_id, flags=re.ASCII)[:80]
    digest = hashlib.sha256(f"{photo.source}:{photo.photo_id}:{photo.stored_sha256}".encode()).hexdigest()
    return f"{safe_id}_{digest[:8]}"

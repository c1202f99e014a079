"""A table for Embedding Atlas: each kept photo as a point, with its thumbnail."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from rawlabel.artifacts.decision import Decision, decisions_of
from rawlabel.artifacts.feature_files import kept_features
from rawlabel.artifacts.image_check import decode_image
from rawlabel.artifacts.manifest import Manifest
from rawlabel.artifacts.photo_names import export_name
from rawlabel.base.files import atomic_write
from rawlabel.base.progress import progress
from rawlabel.base.untrusted_text import plain_text, web_address
from rawlabel.config import ExportConfig
from rawlabel.config.declaring import MAX_MEGAPIXELS
from rawlabel.errors import DataError
from rawlabel.manifests.formats._doubts import Doubts
from rawlabel.manifests.formats._folder import export_folder
from rawlabel.manifests.formats._photos import PhotoBytes, count_kept
from rawlabel.manifests.formats._projection import Points, projected

FILE = "atlas.parquet"
SIDE = 128
"""Longest side of a thumbnail [pixels]."""
_TINY = (8, 8)
_ROWS_IN_GROUP = 500
_SCHEMA = pa.schema(
    [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("x", pa.float32()), ("y", pa.float32()), ("class", pa.string()), ("preferred_class", pa.string()),
        ("suspicion", pa.float64()), ("split", pa.string()), ("keyword", pa.string()), ("title", pa.string()),
        ("author", pa.string()), ("license", pa.string()), ("page_url", pa.string()), ("source", pa.string()),
        ("photo_id", pa.string()), ("class_id", pa.string()), ("stored_sha256", pa.string()),
    ]
)  # fmt: skip


class Atlas:
    """One Parquet file for Embedding Atlas: thumbnail, place on a plane, class, and how its label is doubted.

    `embedding-atlas atlas.parquet --x x --y y --image image` shows it. The place is made of features that a run
    kept, where these are of all photos, else of the photos' colours; t-SNE up to 2,000 photos, PCA above. What
    somebody selects there and exports is a list for `rawlabel curate --drop`.

    Source: https://apple.github.io/embedding-atlas/tool.html
    """

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write `atlas.parquet`; returns how many photos it shows."""
        doubts, photos, count = Doubts(config.project), PhotoBytes(config), count_kept(manifest)
        rows = manifest.kept().sort_by([("class_id", "ascending"), ("stored_sha256", "ascending")])
        features = kept_features(config.project, rows["stored_sha256"].to_pylist())
        basis = features[0] if features else "colours"
        made_from = {"manifest": manifest.fingerprint, "suspicion": doubts.digest, "features": basis}
        with export_folder(out, "atlas", made_from, [FILE]):
            if (out / FILE).exists():
                return count
            method, points = projected(features[1] if features else _colours(rows, photos))
            schema = _SCHEMA.with_metadata({"rawlabel": json.dumps({"x, y": f"{method} of {basis}", **made_from})})
            names = {spec.class_id: spec.name for spec in manifest.classes}
            with (
                progress("making thumbnails", count) as task,
                atomic_write(out / FILE) as stream,
                pq.ParquetWriter(stream, schema) as writer,
            ):
                for start in range(0, rows.num_rows, _ROWS_IN_GROUP):
                    group: list[dict[str, object]] = []
                    for photo in decisions_of(rows.slice(start, _ROWS_IN_GROUP)):
                        group.append(_row(photo, photos, points, start + len(group), doubts, names))
                        task.advance()
                    writer.write_table(pa.Table.from_pylist(group, schema=schema))
        return count


def _row(
    photo: Decision, photos: PhotoBytes, points: Points, place: int, doubts: Doubts, names: dict[str, str]
) -> dict[str, object]:
    doubt = doubts.of(photo)
    preferred = None if doubt is None else names.get(doubt.preferred_class, doubt.preferred_class)
    return {
        "image": {"bytes": _thumbnail(_picture(photo, photos)), "path": export_name(photo)},
        "x": points[place, 0], "y": points[place, 1], "class": names.get(photo.class_id, photo.class_id),
        "preferred_class": preferred, "suspicion": None if doubt is None else doubt.suspicion,
        "split": str(photo.split), "keyword": plain_text(photo.keyword), "title": plain_text(photo.title),
        "author": plain_text(photo.author), "license": plain_text(photo.license_name),
        "page_url": web_address(photo.page_url), "source": photo.source, "photo_id": photo.photo_id,
        "class_id": photo.class_id, "stored_sha256": photo.stored_sha256,
    }  # fmt: skip


def _picture(photo: Decision, photos: PhotoBytes) -> Image.Image:
    decoded, picture = decode_image(photos.stored(photo), MAX_MEGAPIXELS)
    if picture is None:
        raise DataError(f"{photo.path}: cannot be decoded ({decoded.reason}); run `rawlabel curate` again")
    return picture


def _thumbnail(picture: Image.Image) -> bytes:
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    # Pillow would write the comment of the original again.
    picture.info = {}
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _colours(rows: pa.Table, photos: PhotoBytes) -> npt.NDArray[np.float32]:
    tiny: list[npt.NDArray[np.float32]] = []
    with progress("comparing colours", rows.num_rows) as task:
        for photo in decisions_of(rows):
            small = _picture(photo, photos).resize(_TINY, Image.Resampling.BOX)
            tiny.append(np.asarray(small, dtype=np.float32).reshape(-1))
            task.advance()
    return np.stack(tiny) / np.float32(255)


PLUGIN = Atlas

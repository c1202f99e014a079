"""The kept photos as formats see them: checked rows, file names, and bytes read from the one store.

A manifest may come from a stranger, so nothing in it becomes a path or a name before it was checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rawlabel.artifacts.decision import Decision
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import Manifest
from rawlabel.base.image_files import EXTENSION_OF_MEDIA_TYPE
from rawlabel.config import ExportConfig
from rawlabel.errors import ClassFileError, DataError
from rawlabel.gather.classes.reading import class_spec, refuse_collisions
from rawlabel.manifests.formats._image_metadata import strip_metadata
from rawlabel.records import Split, Verdict

_DIGEST = r"^[0-9a-f]{64}$"
_BATCH = 1000
_ORDER = [(name, "ascending") for name in ("stored_sha256", "class_id", "source", "photo_id")]


def refuse_unsafe_rows(manifest: Manifest) -> None:
    """Raise `DataError` that names the manifest when a kept row could not be exported safely.

    Class ids must be folder names, digests digests, media types known, splits ours, and no photo may be kept
    twice for one class.
    """
    where = str(manifest.path)
    try:
        for spec in manifest.classes:
            if class_spec(where, spec.class_id, [*spec.keywords] or "-").class_id != spec.class_id:
                raise ClassFileError(f"{where}: class {spec.class_id!r} is not written as rawlabel writes it")
        refuse_collisions(where, manifest.classes)
    except ClassFileError as error:
        raise DataError(f"{error}; or run `rawlabel curate` again") from error
    kept = manifest.kept()
    known = {
        "class_id": pc.is_in(kept["class_id"], value_set=pa.array(manifest.class_ids, pa.string())),
        "stored_sha256": pc.match_substring_regex(kept["stored_sha256"], _DIGEST),
        "media_type": pc.is_in(kept["media_type"], value_set=pa.array(list(EXTENSION_OF_MEDIA_TYPE))),
        "split": pc.is_in(kept["split"], value_set=pa.array([split.value for split in Split])),
    }
    for column, is_good in known.items():
        if not pc.all(pc.fill_null(is_good, False)).as_py():
            raise DataError(f"{where}: a kept row has no valid {column}; run `rawlabel curate` again")
    keys = kept.group_by(["class_id", "source", "photo_id"]).aggregate([([], "count_all")])
    if keys.num_rows != kept.num_rows or kept["photo_id"].null_count or kept["source"].null_count:
        raise DataError(f"{where}: keeps a photo twice, or one without id; run `rawlabel curate` again")


def shuffled(manifest: Manifest, split: Split) -> pa.Table:
    """Kept rows of one split in the order of their digests: as good as shuffled, and the same every time.

    Readers of shards stream them in order, so a shard must not hold one class only.
    """
    rows = manifest.kept(split)
    return rows.take(pc.sort_indices(rows, sort_keys=_ORDER))


def each_row(table: pa.Table) -> Iterator[Mapping[str, object]]:
    """Rows as dictionaries, a batch at a time, so that memory stays flat."""
    for batch in table.to_batches(max_chunksize=_BATCH):
        yield from batch.to_pylist()


def count_kept(manifest: Manifest) -> int:
    """How many rows of the manifest are kept, over all splits; nothing but the verdicts is looked at."""
    return int(pc.sum(pc.equal(manifest.table["verdict"], Verdict.KEPT.value)).as_py() or 0)


class PhotoBytes:
    """Reads the bytes of kept photos, and strips their metadata where that is asked for."""

    def __init__(self, config: ExportConfig) -> None:
        self._photos = ProjectPhotos(config.project)
        self._strip = config.metadata != "keep"

    @property
    def is_remote(self) -> bool:
        """Whether the photos are no files of this machine."""
        return self._photos.is_remote

    def path(self, photo: Decision) -> Path:
        """The photo's file in the store, where that is on this machine. Raises `DataError` where it is not."""
        return self._photos.path(self._name(photo))

    def stored(self, photo: Decision) -> bytes:
        """The photo as it was stored. Raises `DataError` when it has vanished or was altered."""
        name = self._name(photo)
        data = self._photos.read(name)
        if hashlib.sha256(data).hexdigest() != photo.stored_sha256:
            raise DataError(
                f"{name}: the photo is not what was stored; remove it from {self._photos.place} and run "
                "`rawlabel collect` again"
            )
        return data

    def read(self, photo: Decision) -> bytes:
        """The photo as it is to be exported. Raises `DataError` when it has vanished or was altered."""
        data = self.stored(photo)
        if not self._strip:
            return data
        try:
            return strip_metadata(data)
        except ValueError as error:
            raise DataError(f"{self._name(photo)}: {error}; run `rawlabel curate` again") from error

    def _name(self, photo: Decision) -> str:
        return self._photos.name(photo.stored_sha256 or "", photo.media_type or "")

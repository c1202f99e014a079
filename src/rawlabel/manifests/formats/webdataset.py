"""WebDataset shards, for training that streams."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from rawlabel.artifacts.decision import decisions_of
from rawlabel.artifacts.manifest import Manifest
from rawlabel.base.files import atomic_write, write_json
from rawlabel.base.image_files import EXTENSION_OF_MEDIA_TYPE, sniff_media_type
from rawlabel.base.progress import progress
from rawlabel.base.ray_cluster import Cluster
from rawlabel.config import ExportConfig
from rawlabel.manifests.formats._folder import export_folder
from rawlabel.manifests.formats._photos import PhotoBytes, count_kept, shuffled
from rawlabel.manifests.formats._provenance import provenance
from rawlabel.records import Split

_INDEX = "index.json"
Piece = tuple[Path, pa.Table]
"""A shard's file and its rows."""


class Shard(NamedTuple):
    """What the index says of a shard."""

    file: str
    samples: int
    bytes: int
    """Size of the file [bytes]."""
    sha256: str


class WebDataset:
    """WebDataset shards (`train-000000.tar`, `holdout-000000.tar`): image, class index and provenance a sample.

    The bytes depend on the manifest and the settings alone. `index.json` lists shards, counts and classes; it is
    written last.

    Source: https://github.com/webdataset/webdataset
    """

    has_shards = True
    """Shards are independent of each other, so a cluster may write them."""

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write the shards that are not there yet, then the index."""
        facts = {"manifest": manifest.fingerprint, "metadata": config.metadata, "per_shard": config.per_shard}
        patterns = [*(f"{split}-[0-9][0-9][0-9][0-9][0-9][0-9].tar" for split in Split), _INDEX]
        count = count_kept(manifest)
        # Other processes look for the photos and the shards from other working folders.
        config = config.model_copy(update={"project": config.project.absolute()})
        pieces = [
            (path.absolute(), rows)
            for split in Split
            for path, rows in _pieces(shuffled(manifest, split), out, split, config.per_shard)
        ]
        with export_folder(out, "webdataset", facts, patterns), progress("writing shards", count) as task:
            write = _shards_by_ray if config.engine == "ray" else _shards_here
            shards = []
            for shard in write(pieces, manifest.class_ids, config):
                shards.append(shard)
                task.advance(shard.samples)
            write_json(out / _INDEX, _index(manifest, shards))
        return count


def _shards_here(pieces: Sequence[Piece], class_ids: list[str], config: ExportConfig) -> Iterator[Shard]:
    for path, rows in pieces:
        yield _shard(path, rows, class_ids, config)


def _shards_by_ray(pieces: Sequence[Piece], class_ids: list[str], config: ExportConfig) -> Iterator[Shard]:
    """As tasks of a cluster. A shard is written whole or not at all, so one that is lost is written again."""
    calls = ((path, rows, class_ids, config) for path, rows in pieces)
    return Cluster(config.ray_address, config.workers).results(_shard, calls)


def _pieces(table: pa.Table, out: Path, split: Split, size: int) -> Iterator[tuple[Path, pa.Table]]:
    for number, start in enumerate(range(0, table.num_rows, size)):
        yield out / f"{split}-{number:06d}.tar", table.slice(start, size)


def _shard(path: Path, rows: pa.Table, class_ids: list[str], config: ExportConfig) -> Shard:
    """Write one shard unless it is there; describe it for the index."""
    if not path.exists():
        photos, labels = PhotoBytes(config), {name: index for index, name in enumerate(class_ids)}
        with (
            atomic_write(path) as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for number, photo in enumerate(decisions_of(rows)):
                data, key = photos.read(photo), f"{path.stem}-{number:06d}"
                about = json.dumps(provenance(photo), ensure_ascii=False, sort_keys=True)
                _add(tar, f"{key}{EXTENSION_OF_MEDIA_TYPE[sniff_media_type(data)]}", data)
                _add(tar, f"{key}.cls", str(labels[photo.class_id]).encode())
                _add(tar, f"{key}.json", about.encode())
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Shard(path.name, rows.num_rows, path.stat().st_size, digest)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    # A fresh TarInfo has no clock and no owner, so equal samples make equal shards.
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, BytesIO(data))


def _index(manifest: Manifest, shards: list[Shard]) -> dict[str, object]:
    samples = {split.value: manifest.kept(split).num_rows for split in Split}
    classes = [{"class_id": spec.class_id, "name": spec.name} for spec in manifest.classes]
    return {
        "manifest": manifest.fingerprint,
        "samples": samples,
        "classes": classes,
        "shards": [one._asdict() for one in shards],
    }


PLUGIN = WebDataset

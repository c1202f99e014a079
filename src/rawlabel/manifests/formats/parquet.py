"""Parquet files in the convention of the Hugging Face hub, which its `datasets` library loads as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.decision import SCHEMA, decisions_of
from rawlabel.artifacts.manifest import Manifest
from rawlabel.artifacts.photo_names import export_name
from rawlabel.base.files import atomic_write
from rawlabel.base.json_values import JsonObject
from rawlabel.base.progress import Task, progress
from rawlabel.config import ExportConfig
from rawlabel.manifests.formats._folder import export_folder
from rawlabel.manifests.formats._photos import PhotoBytes, count_kept, shuffled
from rawlabel.manifests.formats._provenance import COLUMNS, provenance
from rawlabel.records import Split

_ROWS_IN_GROUP = 100
"""Photos in a row group: the hub's viewer reads a group at a time."""
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class Parquet:
    """Parquet as on the Hugging Face hub (`data/train-00000-of-00012.parquet`): image, label and provenance.

    The class names are in the schema, so `datasets.load_dataset(FOLDER)` gives images and a ClassLabel.

    Source: https://huggingface.co/docs/datasets/image_dataset
    """

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write the shards of each split that are not there yet, photos within; an export that was killed goes on.

        Returns how many photos the shards hold.
        """
        facts = {"manifest": manifest.fingerprint, "metadata": config.metadata, "per_shard": config.per_shard}
        patterns = [f"data/{split}-*-of-*.parquet" for split in Split]
        count = count_kept(manifest)
        with export_folder(out, "parquet", facts, patterns), progress("writing Parquet", count) as task:
            for split in Split:
                table = shuffled(manifest, split)
                files = -(-table.num_rows // config.per_shard)
                for number in range(files):
                    path = out / "data" / f"{split}-{number:05d}-of-{files:05d}.parquet"
                    rows = table.slice(number * config.per_shard, config.per_shard)
                    if path.exists():
                        task.advance(rows.num_rows)
                    else:
                        _write(path, rows, manifest, config, task)
        return count


def _write(path: Path, rows: pa.Table, manifest: Manifest, config: ExportConfig, task: Task) -> None:
    photos, schema = PhotoBytes(config), _schema(manifest)
    labels = {name: index for index, name in enumerate(manifest.class_ids)}
    with atomic_write(path) as stream, pq.ParquetWriter(stream, schema) as writer:
        for start in range(0, rows.num_rows, _ROWS_IN_GROUP):
            group = []
            for photo in decisions_of(rows.slice(start, _ROWS_IN_GROUP)):
                image = {"bytes": photos.read(photo), "path": export_name(photo)}
                group.append({"image": image, "label": labels[photo.class_id], **provenance(photo)})
                task.advance()
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def _schema(manifest: Manifest) -> pa.Schema:
    """The columns, and what they mean to the `datasets` library, under the key that it reads."""
    fields = [("image", _IMAGE), ("label", pa.int64()), *((name, SCHEMA.field(name).type) for name in COLUMNS)]
    fields += [("file", pa.string()), ("attribution", pa.string())]
    features: JsonObject = {name: {"dtype": str(kind), "_type": "Value"} for name, kind in fields}
    features["image"] = {"_type": "Image"}
    features["label"] = {"names": list(manifest.class_ids), "_type": "ClassLabel"}
    about = {"info": {"features": features}}
    return pa.schema(fields, metadata={"huggingface": json.dumps(about, ensure_ascii=False)})


PLUGIN = Parquet

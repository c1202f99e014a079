"""The layout from which FiftyOne imports images with one class each."""

from __future__ import annotations

import json
from pathlib import Path

from rawlabel.artifacts.decision import Decision, decisions_of
from rawlabel.artifacts.manifest import Manifest
from rawlabel.artifacts.photo_names import export_name
from rawlabel.base.files import atomic_write
from rawlabel.base.progress import progress
from rawlabel.base.untrusted_text import plain_text, web_address
from rawlabel.config import ExportConfig
from rawlabel.manifests.formats._doubts import Doubts
from rawlabel.manifests.formats._folder import export_folder
from rawlabel.manifests.formats._photos import PhotoBytes, count_kept

_LABELS = "labels.json"


class FiftyOne:
    """Photos and `labels.json` for FiftyOne, with what is known of each photo and how its label is doubted.

    `fiftyone.Dataset.from_dir(dataset_dir=FOLDER, dataset_type=fiftyone.types.FiftyOneImageClassificationDataset)`
    loads it; paths of the samples that somebody picks there are a list for `rawlabel curate --drop`.

    Source: https://docs.voxel51.com/user_guide/import_datasets.html
    """

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write `data/<class>/<photo>` and then `labels.json`; an export that was killed goes on.

        Returns how many photos lie there.
        """
        doubts, photos, count = Doubts(config.project), PhotoBytes(config), count_kept(manifest)
        made_from = {"manifest": manifest.fingerprint, "metadata": config.metadata, "suspicion": doubts.digest}
        classes = {class_id: number for number, class_id in enumerate(manifest.class_ids)}
        names = [spec.name for spec in manifest.classes]
        with export_folder(out, "fiftyone", made_from, [_LABELS, "data/*/*"]), progress("writing", count) as task:
            labels: dict[str, dict[str, object]] = {}
            for photo in decisions_of(manifest.kept()):
                path = out / "data" / export_name(photo)
                if not path.exists():
                    with atomic_write(path) as stream:
                        stream.write(photos.read(photo))
                # FiftyOne calls a picture by its place below `data`, without extension.
                name = f"{photo.class_id}/{path.stem}"
                labels[name] = {
                    "label": classes[photo.class_id],
                    "attributes": _attributes(photo, doubts, manifest),
                }
                task.advance()
            with atomic_write(out / _LABELS) as stream:
                text = json.dumps({"classes": names, "labels": labels}, indent=1, ensure_ascii=False)
                stream.write(text.encode("utf-8", "replace"))
        return count


def _attributes(photo: Decision, doubts: Doubts, manifest: Manifest) -> dict[str, str | float | None]:
    """What the label carries besides the class; FiftyOne makes fields of them."""
    doubt = doubts.of(photo)
    names = {spec.class_id: spec.name for spec in manifest.classes}
    return {
        "source": photo.source,
        "photo_id": photo.photo_id,
        "split": str(photo.split),
        "keyword": plain_text(photo.keyword),
        "title": plain_text(photo.title),
        "author": plain_text(photo.author),
        "license": plain_text(photo.license_name),
        "page_url": web_address(photo.page_url),
        "suspicion": None if doubt is None else doubt.suspicion,
        "preferred_class": None if doubt is None else names.get(doubt.preferred_class, doubt.preferred_class),
    }


PLUGIN = FiftyOne

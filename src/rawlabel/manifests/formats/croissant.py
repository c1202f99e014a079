"""Croissant 1.1 with the responsible-AI vocabulary: the data set described for machines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.manifest import METADATA_KEY, Manifest
from rawlabel.base.files import atomic_write, write_json
from rawlabel.base.json_values import JsonObject
from rawlabel.config import ExportConfig
from rawlabel.errors import DataError
from rawlabel.manifests.formats._croissant_vocabulary import CONFORMS_TO, CONTEXT
from rawlabel.manifests.formats._facts import Facts, gather
from rawlabel.manifests.formats._folder import export_folder, read_marks
from rawlabel.manifests.formats._provenance import COLUMNS
from rawlabel.manifests.formats._responsible_ai import responsible_ai
from rawlabel.manifests.formats._version import Version, version_after

FILE, MANIFEST = "croissant.json", "manifest.parquet"
_PARQUET = "application/x-parquet"
_SHARDS = "data/*.parquet"


class Croissant:
    """A Croissant 1.1 card with responsible-AI fields, and the manifest that it describes; no pixels of its own.

    With `--format parquet` written to the same folder before, the card describes the photos too. Exported over an
    earlier card, or with --earlier, it counts the version: records that changed or went make a MAJOR one, added
    records a MINOR one.

    Sources: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html and
    https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html
    """

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write `croissant.json` and `manifest.parquet`."""
        version = next_version("croissant", manifest, out, config)
        made_from = {"manifest": manifest.fingerprint, **asdict(version)}
        with export_folder(out, "croissant", made_from, [FILE, MANIFEST], clear=False):
            write_croissant(manifest, gather(manifest, out, config), version, out)
        return 0


def next_version(name: str, manifest: Manifest, out: Path, config: ExportConfig) -> Version:
    """The version to write, counted from the card named by --earlier or else the one that `out` holds.

    The mark of the folder says which version an export of this very manifest has, or would have had if it had not
    been stopped.
    """
    if config.earlier is not None:
        return version_after(config.earlier, manifest)
    mark = read_marks(out).get(name, {})
    if mark.get("manifest") == manifest.fingerprint and {"number", "published"} <= mark.keys():
        return Version(str(mark["number"]), str(mark["published"]))
    return version_after(out / FILE if mark and (out / FILE).is_file() else None, manifest)


def write_croissant(manifest: Manifest, facts: Facts, version: Version, out: Path) -> None:
    """Write the manifest and then the card, whose digest of it would otherwise be wrong for a moment."""
    _write_manifest(manifest, out / MANIFEST)
    write_json(out / FILE, _card(manifest, facts, version, out))


def _write_manifest(manifest: Manifest, path: Path) -> None:
    """A copy that does not tell where on its owner's machine the project lay."""
    header = json.loads(manifest.table.schema.metadata[METADATA_KEY])
    if isinstance(header.get("config"), dict):
        header["config"] = {key: value for key, value in header["config"].items() if key != "project"}
    metadata = {METADATA_KEY: json.dumps(header, sort_keys=True).encode()}
    with atomic_write(path) as stream:
        pq.write_table(manifest.table.replace_schema_metadata(metadata), stream)


def _card(manifest: Manifest, facts: Facts, version: Version, out: Path) -> JsonObject:
    card: JsonObject = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": facts.name,
        "description": f"{facts.kept} photos in {len(facts.classes)} classes, found by keyword on photo sites. "
        "The labels are raw: nobody has checked them. Each photo has its own license, given in its record.",
        "license": [one.address or one.name for one in facts.licenses],
        "version": version.number,
        "datePublished": version.published,
        "keywords": ["image classification", "label noise", "raw labels"],
        # Each version is frozen; the addresses of the photos, which may die, are data in it.
        "isLiveDataset": False,
        "distribution": [_file("manifest", MANIFEST, out), *(_shards(out) if facts.has_pixels else [])],
        "recordSet": [_label_events(), *([_photos()] if facts.has_pixels else [])],
        **responsible_ai(facts),
    }
    if facts.creator:
        card["creator"] = {"@type": "sc:Organization", "name": facts.creator}
    if facts.homepage:
        card["url"] = facts.homepage
    return card


def _file(name: str, path: str, out: Path) -> JsonObject:
    try:
        with (out / path).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = (out / path).stat().st_size
    except OSError as error:
        raise DataError(f"{out / path}: cannot be read ({error.strerror}); export again") from error
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": path,
        "contentSize": f"{size} B",
        "encodingFormat": _PARQUET,
        "sha256": digest,
    }


def _shards(out: Path) -> list[JsonObject]:
    """Each file with its digest, and all of them as the set that records are read from."""
    paths = sorted(path.relative_to(out).as_posix() for path in out.glob(_SHARDS))
    shards: JsonObject = {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "includes": _SHARDS,
        "encodingFormat": _PARQUET,
    }
    return [*(_file(path, path, out) for path in paths), shards]


def _label_events() -> JsonObject:
    text = "One record for each time that a keyword search returned a photo, whatever became of it."
    fields = [_field("label-events", name, {"fileObject": {"@id": "manifest"}}) for name in SCHEMA.names]
    return _record_set("label-events", text, fields)


def _photos() -> JsonObject:
    source: JsonObject = {"fileSet": {"@id": "shards"}}
    extract: JsonObject = {"extract": {"column": "image"}, "transform": {"jsonPath": "bytes"}}
    about: JsonObject = {"@type": "cr:Field", "@id": "photos/image", "name": "image", "description": "The photo."}
    image: JsonObject = {**about, "dataType": "sc:ImageObject", "source": {**source, **extract}}
    fields = [image, *(_field("photos", name, source) for name in COLUMNS)]
    return _record_set("photos", "One record for each kept photo and class, with the pixels.", fields)


def _record_set(name: str, description: str, fields: Sequence[JsonObject]) -> JsonObject:
    about: JsonObject = {"@type": "cr:RecordSet", "@id": name, "name": name, "description": description}
    return {**about, "field": list(fields)}


def _field(record_set: str, column: str, source: JsonObject) -> JsonObject:
    described = SCHEMA.field(column)
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column}",
        "name": column,
        "description": (described.metadata or {}).get(b"description", b"").decode(),
        "dataType": "sc:Integer" if pa.types.is_integer(described.type) else "sc:Text",
        "source": {**source, "extract": {"column": column}},
    }


PLUGIN = Croissant

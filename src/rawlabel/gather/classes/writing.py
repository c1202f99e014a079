"""Write class files that `read_classes` reads, by the suffix of the path."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from rawlabel.base.files import atomic_write, disk_errors
from rawlabel.errors import ClassFileError
from rawlabel.gather.classes.reading import default_name, refuse_collisions
from rawlabel.records import ClassSpec


def write_classes(
    path: Path,
    classes: Sequence[ClassSpec],
    *,
    remarks: Mapping[str, Sequence[str]] | None = None,
    force: bool = False,
) -> bool:
    """Write `classes` to `path` and return whether the file changed; the file is written whole or not at all.

    `.json` gives ``{class id: [keywords]}``, the form of the paper's file, which has no place for definitions.
    `.toml` gives a table for each class, with its definition, and above it as comments the lines of `remarks`
    under its id. Raises `ClassFileError` for another suffix, when two classes would share a folder, and when a
    file with other content is there and `force` is not given.
    """
    refuse_collisions(str(path), classes)
    if path.suffix == ".json":
        text = _as_json(classes)
    elif path.suffix == ".toml":
        text = _as_toml(classes, remarks or {})
    else:
        raise ClassFileError(f"{path}: the suffix says which form to write; end the name in .json or .toml")
    content = text.encode("utf-8")
    with disk_errors(path):
        if path.exists():
            if path.read_bytes() == content:
                return False
            if not force:
                raise ClassFileError(f"{path}: is there already, with other content; add --force to replace it")
    with atomic_write(path) as stream:
        stream.write(content)
    return True


def _as_json(classes: Sequence[ClassSpec]) -> str:
    tables = {spec.class_id: _table(spec) for spec in classes}
    entries = {one: table if "name" in table else table["keywords"] for one, table in tables.items()}
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _as_toml(classes: Sequence[ClassSpec], remarks: Mapping[str, Sequence[str]]) -> str:
    import tomli_w

    blocks = []
    for spec in classes:
        comments = "".join(f"# {line}\n" for line in remarks.get(spec.class_id, ()))
        blocks.append(comments + tomli_w.dumps({spec.class_id: _table(spec, spec.definition)}))
    return "\n".join(blocks)


class ClassTable(TypedDict):
    """A class as a class file holds it."""

    keywords: list[str]
    name: NotRequired[str]
    definition: NotRequired[str]


def _table(spec: ClassSpec, definition: str = "") -> ClassTable:
    """A class as `read_classes` takes it; what it would infer is left out."""
    table: ClassTable = {"keywords": list(spec.keywords)}
    if spec.name != default_name(spec.class_id, spec.keywords):
        table["name"] = spec.name
    if definition:
        table["definition"] = definition
    return table

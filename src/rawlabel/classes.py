"""Class files: what to learn, and which keywords to search for each class.

Three forms are read: JSON ``{class id: [keywords]}`` (the paper's), TOML with the same shape, and a plain
list with one class name a line, where the name is its own keyword.
"""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rawlabel.errors import ClassFileError
from rawlabel.records import ClassSpec

# Names that Windows reserves for devices; a dataset should unpack anywhere.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{n}" for device in ("com", "lpt") for n in range(1, 10))}
_SAFE = re.compile(r"[\w][\w .+'()&,-]*", re.UNICODE)


def read_classes(path: Path) -> list[ClassSpec]:
    """Read a class file, in the file's order.

    Raises `ClassFileError`, which names the file, the class and what to change, when the file is missing,
    empty or malformed, a class has no keyword, a class id cannot be a folder name, or two classes would
    share one folder.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise ClassFileError(f"{path}: no such file; write one class name a line into it") from error
    except OSError as error:
        raise ClassFileError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise ClassFileError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    entries = _parse(path, text)
    if not entries:
        raise ClassFileError(f"{path}: lists no classes; write one class name a line, or JSON {{id: [keywords]}}")
    specs = [_spec(path, class_id, keywords) for class_id, keywords in entries]
    _refuse_collisions(path, specs)
    return specs


def _parse(path: Path, text: str) -> list[tuple[str, Any]]:
    if path.suffix not in {".json", ".toml"}:
        lines = [line.strip() for line in text.splitlines()]
        return [(line, [line]) for line in lines if line and not line.startswith("#")]
    if not text.strip():
        return []
    try:
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text, object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        kind = path.suffix[1:].upper()
        raise ClassFileError(f"{path}: is not valid {kind} ({error}); mend that place") from error
    if isinstance(values, list):
        return [(name, [name]) for name in values]
    if not isinstance(values, Mapping):
        raise ClassFileError(f"{path}: should hold {{class id: [keywords]}}, not a {type(values).__name__}")
    return list(values.items())


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key given twice, which JSON parsers otherwise drop without a word."""
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ValueError(f"the key '{twice}' stands there twice")
    return dict(pairs)


def _spec(path: Path, class_id: Any, keywords: Any) -> ClassSpec:
    if not isinstance(class_id, str):
        raise ClassFileError(f"{path}: class {class_id!r} should be a text; put it in quotes")
    name = unicodedata.normalize("NFC", class_id.strip())
    if not _is_safe(name):
        raise ClassFileError(
            f"{path}: class {class_id!r} cannot be a folder name; use letters, digits, spaces, '-' and '_'"
        )
    if isinstance(keywords, str):
        keywords = [keywords]
    if not isinstance(keywords, list) or not all(isinstance(word, str) for word in keywords):
        raise ClassFileError(f"{path}: class '{name}': the keywords should be a list of texts")
    words = tuple(dict.fromkeys(word.strip() for word in keywords if word.strip()))
    if not words:
        raise ClassFileError(f"{path}: class '{name}' has no keyword; add at least one")
    return ClassSpec(class_id=name, name=words[0] if re.fullmatch(r"n\d{8}", name) else name, keywords=words)


def _is_safe(name: str) -> bool:
    plain = name.split(".")[0].strip().lower()
    fits = bool(_SAFE.fullmatch(name)) and len(name.encode()) <= 120 and name[-1] not in " ."
    return fits and plain not in _RESERVED


def _refuse_collisions(path: Path, specs: list[ClassSpec]) -> None:
    """Two ids that differ in case or Unicode form only would be one folder on some systems."""
    seen: dict[str, str] = {}
    for spec in specs:
        key = unicodedata.normalize("NFKC", spec.class_id).casefold()
        if key in seen:
            raise ClassFileError(
                f"{path}: classes '{seen[key]}' and '{spec.class_id}' would share one folder; rename one"
            )
        seen[key] = spec.class_id

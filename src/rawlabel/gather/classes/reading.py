"""Class files: what to learn, and which keywords to search for each class.

Three forms are read: JSON ``{class id: [keywords]}`` (the paper's), TOML with the same shape, and a plain
list with one class name a line, where the name is its own keyword. In JSON and TOML a class may also be a table
``{keywords = [...], name = "...", definition = "..."}``, of which name and definition may be left out.
"""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rawlabel.base.untrusted_text import quoted
from rawlabel.errors import ClassFileError, did_you_mean
from rawlabel.records import ClassSpec

# Names that Windows reserves for devices; a dataset should unpack anywhere.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{n}" for device in ("com", "lpt") for n in range(1, 10))}
_SAFE = re.compile(r"[\w][\w .+'()&,-]*", re.UNICODE)
_WORDNET_ID = re.compile(r"n\d{8}", re.ASCII)
_TABLE_KEYS = ("keywords", "name", "definition")


def read_classes(path: Path) -> list[ClassSpec]:
    """Read a class file, in the file's order.

    Raises `ClassFileError`, which names the file, the class and what to change, when the file is missing,
    empty or malformed, a class has no keyword, a class id cannot be a folder name, or two classes would
    share one folder.
    """
    try:
        # Editors of some systems begin a file with a byte-order mark, which is no part of the first name.
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise ClassFileError(f"{path}: no such file; write one class name a line into it") from error
    except OSError as error:
        raise ClassFileError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise ClassFileError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    entries = _parse(path, text)
    if not entries:
        raise ClassFileError(f"{path}: lists no classes; write one class name a line, or JSON {{id: [keywords]}}")
    specs = [class_spec(str(path), class_id, entry) for class_id, entry in entries]
    refuse_collisions(str(path), specs)
    return specs


def class_spec(where: str, class_id: Any, entry: Any) -> ClassSpec:
    """Make one class of untrusted values: a keyword, a list of keywords, or a table as in a class file.

    Raises `ClassFileError` that names `where` (a file or flag), the class and what to change.
    """
    if not isinstance(class_id, str):
        raise ClassFileError(f"{where}: class {quoted(class_id)} should be a text; put it in quotes")
    safe_id = unicodedata.normalize("NFC", class_id.strip())
    if not _is_safe(safe_id):
        raise ClassFileError(
            f"{where}: class {quoted(class_id)} cannot be a folder name; use letters, digits, spaces, '-' and '_'"
        )
    table = entry if isinstance(entry, Mapping) else {"keywords": entry}
    unknown = next((key for key in table if key not in _TABLE_KEYS), None)
    if unknown is not None:
        known = did_you_mean(unknown, _TABLE_KEYS)
        raise ClassFileError(f"{where}: class '{safe_id}': unknown key {quoted(unknown)}{known}")
    keywords = table.get("keywords", [])
    if isinstance(keywords, str):
        keywords = [keywords]
    if not isinstance(keywords, list) or not all(isinstance(word, str) for word in keywords):
        raise ClassFileError(f"{where}: class '{safe_id}': the keywords should be a list of texts")
    cleaned = (_clean(where, safe_id, word) for word in keywords)
    words = tuple(dict.fromkeys(word for word in cleaned if word))
    if not words:
        raise ClassFileError(f"{where}: class '{safe_id}' has no keyword; add at least one")
    for word in words:
        # Photo sites leave such characters out, and answer with whatever they have.
        if not any(character.isalnum() for character in word):
            raise ClassFileError(
                f"{where}: class '{safe_id}': the keyword {quoted(word)} has no letter or digit; change it"
            )
    name, definition = (_clean(where, safe_id, table.get(key, "")) for key in ("name", "definition"))
    return ClassSpec(safe_id, name or default_name(safe_id, words), words, definition)


def is_wordnet_id(text: str) -> bool:
    """Whether `text` has the form of a WordNet noun id, such as n02229544."""
    return bool(_WORDNET_ID.fullmatch(text))


def default_name(class_id: str, keywords: tuple[str, ...]) -> str:
    """The display name of a class that states none: its id, or its first keyword where the id is a number."""
    return keywords[0] if is_wordnet_id(class_id) else class_id


def refuse_collisions(where: str, specs: Iterable[ClassSpec]) -> None:
    """Raise `ClassFileError` for an id that is there twice, or two that differ in case or Unicode form only.

    The latter would be one folder on some systems.
    """
    seen: dict[str, str] = {}
    for spec in specs:
        key = unicodedata.normalize("NFKC", spec.class_id).casefold()
        if seen.get(key) == spec.class_id:
            raise ClassFileError(f"{where}: class '{spec.class_id}' stands there twice; remove one")
        if key in seen:
            raise ClassFileError(
                f"{where}: classes '{seen[key]}' and '{spec.class_id}' would share one folder; rename one"
            )
        seen[key] = spec.class_id


def _parse(path: Path, text: str) -> list[tuple[Any, Any]]:
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


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a key given twice, which JSON parsers otherwise drop without a word."""
    values: dict[str, object] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {quoted(key)} stands there twice")
        values[key] = value
    return values


def _clean(where: str, class_id: str, text: Any) -> str:
    """One line of text in one Unicode form: it goes into addresses, logs and databases, which break on others."""
    if not isinstance(text, str):
        raise ClassFileError(f"{where}: class '{class_id}': {quoted(text)} should be a text; put it in quotes")
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in line):
        raise ClassFileError(f"{where}: class '{class_id}': {quoted(text)} holds a control character; remove it")
    return line


def _is_safe(name: str) -> bool:
    plain = name.split(".")[0].strip().lower()
    fits = bool(_SAFE.fullmatch(name)) and len(name.encode()) <= 120 and name[-1] not in " ."
    return fits and plain not in _RESERVED

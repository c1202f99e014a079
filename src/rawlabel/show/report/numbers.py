"""Every number that the page shows, as `report.json` has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

from pydantic import BaseModel

_SECTIONS = (
    "sentence", "notices", "facts", "accuracies", "head_choice", "class_accuracies", "confusions",
    "label_evidence", "curves", "rules", "peers", "certificate", "planted", "funnel", "shared", "provenance",
    "groups",
)  # fmt: skip
_PICTURES = frozenset({"picture", "image"})


def numbers_of(values: Mapping[str, object]) -> dict[str, object]:
    """The sections' values without their pictures, as plain values: what has no finite number is null."""
    return {name: _plain(values[name]) for name in _SECTIONS}


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value) if one.name not in _PICTURES}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | frozenset | set):
        return [_plain(one) for one in value]
    if isinstance(value, Path):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)

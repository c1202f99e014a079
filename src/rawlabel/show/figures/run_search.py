"""Find runs by their settings, at any depth of a folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rawlabel.base.files import read_json
from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError, did_you_mean


def parse_conditions(pairs: Iterable[str]) -> dict[str, object]:
    """Settings and their values from texts like ``model=resnet50``; raises `ConfigError` that names --where."""
    known = {name: name for name in TrainConfig.model_fields} | _published_names()
    wanted = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise ConfigError(f"--where {pair}: should have the form KEY=VALUE")
        if key not in known:
            raise ConfigError(f"--where {key}: unknown setting{did_you_mean(key, known)}")
        wanted[known[key]] = _value(text.strip())
    return wanted


def find_runs(results: Path, wanted: Mapping[str, Any]) -> list[Path]:
    """The folders below `results` whose `config.json` has each of the settings `wanted`, in order of their names.

    Keys may have our names or those of the published files; a setting that a file leaves out has its default.
    Raises `DataError` when a config.json is no JSON object.
    """
    published = _published_names()
    wanted = {published.get(key, key): value for key, value in wanted.items()}
    return [file.parent for file in sorted(results.rglob("config.json")) if _matches(file, wanted, published)]


def _matches(file: Path, wanted: Mapping[str, Any], published: Mapping[str, str]) -> bool:
    values = read_json(file, "the settings of a run")
    if not isinstance(values, dict):
        return False
    given = {published.get(key, key): value for key, value in values.items()}
    fields = TrainConfig.model_fields
    return all(given.get(key, _plain(fields[key].get_default())) == value for key, value in wanted.items())


def _published_names() -> dict[str, str]:
    """Our name of a setting by the name that it has in the published files."""
    return {field.alias: name for name, field in TrainConfig.model_fields.items() if field.alias}


def _value(text: str) -> Any:
    """A number, true, false or null as JSON has them, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _plain(value: Any) -> Any:
    """A default as config.json would have it."""
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value

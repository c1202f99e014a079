"""Read settings from JSON and TOML files, strictly: an unknown key is an error that names the nearest one.

A file holds either the whole tree (a table for each verb: `[train]`, ...) or, as the published trainer's
JSON files do, the keys of one section.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rawlabel.base import messages, processes
from rawlabel.base.untrusted_text import quoted
from rawlabel.config.declaring import Section
from rawlabel.config.recipe import (
    RECIPES,
    HasGpu,
    HeedsWeights,
    Place,
    read_recipe,
    refuse_pixels,
    spelled,
    usual_recipe,
)
from rawlabel.config.train import TrainConfig
from rawlabel.config.training.transfer import CHOSEN
from rawlabel.config.verbs import SECTIONS
from rawlabel.errors import ConfigError, did_you_mean

SectionType = TypeVar("SectionType", bound=Section)


def _without_gpu() -> bool:
    return False


def _unknown(method: str) -> bool:
    """Nothing is dropped for a method of which nobody has said anything."""
    return True


def load_section(
    section: type[SectionType], file: Path | None = None, flags: Mapping[str, Any] | None = None
) -> SectionType:
    """Return the section's settings: its defaults, overridden by `file`, overridden by `flags`.

    Raises `ConfigError` that names the file and key, or the flag.
    """
    from_file = _from_file(section, file)
    for verb in from_file.keys() & set(section.stages):
        # Which recipe is meant decides which settings go with it.
        recipe = {"recipe": flags["recipe"]} if flags and flags.get("recipe") else {}
        _check_stage(verb, from_file[verb], recipe, file)
    return _validated(section, {}, from_file, file, flags or {})


def load_training(
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    has_gpu: HasGpu = _without_gpu,
    heeds_weights: HeedsWeights = _unknown,
) -> TrainConfig:
    """Return the settings of training: as `load_section`, with those of the recipe below `file` and `flags`.

    `has_gpu` is asked where that decides which recipe is the usual one, and `heeds_weights` where a method is
    named beside the weighing of a recipe.
    """
    # A file that holds one section's keys is of the published form, or was written by a run.
    is_published = file is not None and not _is_tree(_read(file))
    from_file = _from_file(TrainConfig, file)
    return _training(from_file, file, flags or {}, has_gpu, heeds_weights, is_published=is_published)


def load_stage(
    section: type[SectionType], table: Mapping[str, Any], flags: Mapping[str, Any], file: Place | None = None
) -> SectionType:
    """Return the settings of a verb that another one calls: its defaults, overridden by `table`, then by `flags`.

    Raises `ConfigError` that names `file`, in which the table stood (a text names just the table), or the flag.
    """
    return _validated(section, {}, _by_name(section, table, file), file, flags)


def load_training_stage(
    table: Mapping[str, Any],
    flags: Mapping[str, Any],
    file: Place | None = None,
    has_gpu: HasGpu = _without_gpu,
    heeds_weights: HeedsWeights = _unknown,
) -> TrainConfig:
    """As `load_stage`, for training: with the settings of the recipe below `table` and `flags`."""
    from_table = _by_name(TrainConfig, table, file)
    return _training(from_table, file, flags, has_gpu, heeds_weights, is_published=False)


def _training(
    from_file: dict[str, object],
    file: Place | None,
    flags: Mapping[str, Any],
    has_gpu: HasGpu,
    heeds_weights: HeedsWeights,
    *,
    is_published: bool,
) -> TrainConfig:
    name = flags.get("recipe") or from_file.get("recipe")
    if name is None:
        name = usual_recipe(from_file | dict(flags), has_gpu, is_published_form=is_published)
    recipe = read_recipe(name) if name in RECIPES else {}
    if recipe:
        refuse_pixels(recipe, from_file, flags, file)
    _drop_what_does_not_go(recipe, {**from_file, **flags}, heeds_weights)
    # Null in a file, as a run writes it, is no name.
    named = {key: value for key, value in from_file.items() if key != "recipe" or value is not None}
    return _validated(TrainConfig, recipe, named, file, flags)


def _drop_what_does_not_go(
    recipe: dict[str, object], given: Mapping[str, Any], heeds_weights: HeedsWeights
) -> None:
    """Take out of a recipe what belongs to a choice of its own, where another one is `given`."""
    for choice in ("stop", "method"):
        # Options belong to what the recipe chose; another choice has other ones.
        if choice in given:
            recipe.pop(f"{choice}_option", None)
    if given.keys() & (CHOSEN | {"hidden", "loss", "method_option"}):
        recipe.pop("choose", None)  # what is given wins over what would be chosen
    method, is_chosen = given.get("method"), given.get("choose") == "auto"
    if method is not None and not is_chosen and "weighing" in recipe.keys() - given.keys():
        if heeds_weights(method):
            return
        dropped = recipe.pop("weighing")
        if processes.is_speaker():
            messages.note(
                f"--method {method} does not weigh photos, so the recipe's --weighing {dropped} is left out"
            )


def _from_file(section: type[Section], file: Path | None) -> dict[str, object]:
    return _by_name(section, _own_keys(section, _read(file), file), file) if file is not None else {}


def _by_name(section: type[Section], values: Mapping[str, Any], file: Place | None) -> dict[str, object]:
    """Settings under the fields' own names, without those that mean nothing here."""
    given = _without_unset(section, dict(values), file)
    aliases = {field.alias: name for name, field in section.model_fields.items() if field.alias}
    return {aliases.get(key, key): value for key, value in given.items()}


def _check_stage(verb: str, table: Any, recipe: Mapping[str, Any], file: Path | None) -> None:
    """Raise `ConfigError` for a table that the verb would not take, while it is known where it stands."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{file}: {verb}: should be a table with the settings of `rawlabel {verb}`")
    section: type[Section] = getattr(import_module(f"rawlabel.config.{verb}"), SECTIONS[verb])
    if section is TrainConfig:
        load_training_stage(table, recipe, file, lambda: True)
    else:
        load_stage(section, table, {}, file)


def _validated(
    section: type[SectionType],
    base: dict[str, object],
    from_file: dict[str, object],
    file: Place | None,
    flags: Mapping[str, Any],
) -> SectionType:
    try:
        return section.model_validate(base | from_file | dict(flags))
    except ValidationError as error:
        raise ConfigError(_explain(error.errors()[0], section, file, flags or {})) from error


def load_options(options: type[SectionType], pairs: Iterable[str], flag: str) -> SectionType:
    """Return a plug-in's options from texts like ``q=0.7``; raises `ConfigError` that names `flag` and key."""
    given: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"{flag} {pair}: should have the form KEY=VALUE")
        given[key.strip()] = value.strip()
    try:
        return options.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            known = did_you_mean(key, options.model_fields) or "; there are none"
            raise ConfigError(f"{flag} {key}: unknown option{known}") from error
        raise ConfigError(f"{flag} {key}: {_reason(first)}") from error


def _read(file: Path) -> dict[str, object]:
    try:
        text = file.read_text("utf-8-sig")
        values = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); check the path") from error
    except (UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        kind = "TOML" if file.suffix == ".toml" else "JSON"
        raise ConfigError(f"{file}: is not valid {kind} ({error}); mend that place") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: holds a {type(values).__name__}; write an object with settings instead")
    return values


def _is_tree(values: Mapping[str, object]) -> TypeGuard[Mapping[str, Mapping[str, object]]]:
    return bool(values) and all(isinstance(value, dict) for value in values.values())


def _own_keys(section: type[Section], values: dict[str, object], file: Path) -> dict[str, object]:
    """Pick this section out of a tree, or take the whole of a flat file."""
    if not _is_tree(values):
        return values
    for key in values:
        if key not in SECTIONS:
            raise ConfigError(f"{file}: unknown section '{key}'{did_you_mean(key, SECTIONS)}")
    own = next((verb for verb, name in SECTIONS.items() if name == section.__name__), None)
    stages = {verb: values[verb] for verb in section.stages if verb in values}
    return {**stages, **values.get(own, {})} if own else {}


def _without_unset(section: type[Section], values: dict[str, object], file: Place | None) -> dict[str, object]:
    """Leave out the keys of published files that have no setting; refuse those that would be another training."""
    where = f"{file}: " if file is not None else ""
    for key, remedy in section.refused.items():
        if values.get(key):
            raise ConfigError(f"{where}{key}: is no setting here; {remedy}")
    for key, remedy in section.replaced.items():
        if values.get(key) and processes.is_speaker():
            messages.warn(f"{where}{key}: is not used; {remedy}")
    return {key: value for key, value in values.items() if key not in {*section.refused, *section.replaced}}


def _explain(error: ErrorDetails, section: type[Section], file: Place | None, flags: Mapping[str, Any]) -> str:
    key = str(error["loc"][0]) if error["loc"] else ""
    where = spelled(key, None if key in flags else file)
    if error["type"] == "extra_forbidden":
        known = {*section.model_fields, *(field.alias for field in section.model_fields.values() if field.alias)}
        return f"{where}: unknown setting{did_you_mean(key, known)}"
    return f"{where}: {_reason(error)}"


def _reason(error: ErrorDetails) -> str:
    """What is wrong with a value; pydantic says of which kind our own reasons are, which helps nobody."""
    text = error["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    return f"{text[0].lower()}{text[1:]}, got {quoted(error['input'])}"

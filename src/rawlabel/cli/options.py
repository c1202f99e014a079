"""Turn a section of the settings into a command: every field is a flag, its description the help."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic.fields import FieldInfo

from rawlabel.config import Section, load_section

SectionType = TypeVar("SectionType", bound=Section)


def section_command(
    name: str,
    section: type[SectionType],
    action: Callable[[SectionType], int | None],
    load: Callable[[Path | None, dict[str, Any]], SectionType] | None = None,
) -> click.Command:
    """Make the verb `name`, which loads `section` from defaults, `--config` and flags, and calls `action`.

    `load` makes the settings of file and flags where that takes more.
    What `action` returns is the exit code; None is 0.
    """

    def callback(config: Path | None, **values: Any) -> int | None:
        context = click.get_current_context()
        given = {key: value for key, value in values.items() if _is_given(context, key)}
        return action(load(config, given) if load else load_section(section, config, given))

    config_option = click.Option(
        ["-c", "--config"], type=click.Path(path_type=Path), help="JSON or TOML file with settings; flags win."
    )
    # What verbs share stands behind what is a verb's own.
    own = [vars(kind).get("__annotations__", {}) for kind in section.__mro__]
    names = sorted(section.model_fields, key=lambda key: next(i for i, known in enumerate(own) if key in known))
    fields = [_parameter(key, section.model_fields[key]) for key in names]
    return click.Command(name, callback=callback, params=[*fields, config_option], help=section.__doc__)


def _is_given(context: click.Context, key: str) -> bool:
    return context.get_parameter_source(key) is ParameterSource.COMMANDLINE


def _parameter(key: str, field: FieldInfo) -> click.Parameter:
    extra: Any = field.json_schema_extra
    annotation = _without_none(field.annotation)
    is_many = get_origin(annotation) is tuple
    kind = _click_type(get_args(annotation)[0] if is_many else annotation)
    if extra["positional"]:
        return click.Argument([key], type=kind, required=False, nargs=-1 if is_many else 1, help=field.description)
    flag = f"--{key.replace('_', '-')}"
    if annotation is bool:
        shown = "yes" if field.default else "no"
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=None, help=_help(field, shown))
    shown = "none" if field.default is None else str(field.default)
    bare: dict[str, Any] = {"is_flag": False, "flag_value": extra["bare"]} if extra["bare"] else {}
    return click.Option(
        [key, flag, *extra["flags"]], type=kind, multiple=is_many, help=_help(field, shown), **bare
    )


def _help(field: FieldInfo, default: str) -> str:
    return f"{field.description}  [default: {default}]"


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(one for one in get_args(annotation) if one is not type(None))
    return annotation


def _click_type(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return click.Choice([str(one) for one in get_args(annotation)], case_sensitive=False)
    return {Path: click.Path(path_type=Path), int: click.INT, float: click.FLOAT}.get(annotation, click.STRING)

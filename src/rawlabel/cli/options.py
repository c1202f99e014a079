"""Turn a section of the settings into a command: every field is a flag, its description the help."""

from __future__ import annotations

import inspect
import logging
import time
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic.fields import FieldInfo

from rawlabel.base import messages, progress
from rawlabel.cli import output
from rawlabel.cli.output import Ending
from rawlabel.config import Section, load_section
from rawlabel.errors import RawlabelError

SectionType = TypeVar("SectionType", bound=Section)
_ALL = "rawlabel.help_all"
_MOST_SHOWN = 3
"""Of a setting that may be given several times, the values of a default that help names."""


class VerbCommand(click.Command):
    """A verb whose help shows its settings in groups and, where some are declared common, these alone."""

    def __init__(self, name: str, section: type[Section] | None, *, has_json: bool, **rest: Any) -> None:
        self._groups = list(_groups(section)) if section else []
        fields = section.model_fields if section else {}
        self._common = {key for key, field in fields.items() if _extra(field)["common"]}
        named = section.named_defaults() if section else {}
        own = [_parameter(key, fields[key], named) for _, keys in self._groups for key in keys]
        self.shared = _shared(has_config=section is not None, has_json=has_json, has_more=bool(self._common))
        super().__init__(name, params=[*own, *self.shared], **rest)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verb's settings in their groups, and the flags of every verb behind them."""
        records = {one.name: one.get_help_record(ctx) for one in self.get_params(ctx) if _is_option(one)}
        is_short = bool(self._common) and not ctx.meta.get(_ALL)
        own = [key for _, keys in self._groups for key in keys if key in records]
        common = [("Options", [key for key in own if key in self._common])]
        for title, keys in common if is_short else self._groups:
            if rows := [record for key in keys if (record := records.get(key))]:
                with formatter.section(title):
                    formatter.write_dl(rows)
        with formatter.section("With every verb"):
            formatter.write_dl([record for key, record in records.items() if record and key not in own])
        if is_short:
            hidden = len(own) - len(common[0][1])
            formatter.write_paragraph()
            formatter.write_text(f"{hidden} more flags: `{ctx.command_path} --help-all`")


def section_command(
    name: str,
    section: type[SectionType],
    action: Callable[[SectionType], Ending],
    load: Callable[[Path | None, Mapping[str, Any]], SectionType] | None = None,
    *,
    has_json: bool = True,
) -> click.Command:
    """Make the verb `name`, which loads `section` from defaults, `--config` and flags, and calls `action`.

    `load` makes the settings of file and flags where that takes more. What `action` returns names the next command
    and the exit code. `has_json` is whether the verb has a result to give as JSON.
    """

    def callback(config: Path | None, as_json: bool, quiet: bool, verbose: bool, **values: Any) -> int:
        context = click.get_current_context()
        given = {key: value for key, value in values.items() if _is_given(context, key)}

        def act() -> Ending:
            settings = load(config, given) if load else load_section(section, config, given)
            changed = settings.model_dump(mode="json", exclude_defaults=True)
            messages.detail(f"settings other than the defaults: {changed}")
            return action(settings)

        return _run(act, as_json=as_json, quiet=quiet, verbose=verbose)

    text = section.__doc__
    return VerbCommand(name, section, has_json=has_json, callback=callback, help=text)


def listing_command(name: str, text: str, action: Callable[[], Ending]) -> click.Command:
    """Make the verb `name`, which has no settings and lists something; `text` is its help."""

    def callback(as_json: bool, quiet: bool, verbose: bool) -> int:
        return _run(action, as_json=as_json, quiet=quiet, verbose=verbose)

    return VerbCommand(name, None, has_json=True, callback=callback, help=text)


def _run(action: Callable[[], Ending], *, as_json: bool, quiet: bool, verbose: bool) -> int:
    output.use_json(as_json)
    started = time.monotonic()
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    was_shown = progress.show(not quiet)
    try:
        with messages.on_stderr(level, is_timed=verbose):
            try:
                ending = action()
            except RawlabelError:
                messages.detail("what was wrong was found here:", with_traceback=True)
                raise
            messages.detail(f"took {time.monotonic() - started:.1f} s")
            ending.tell()
    finally:
        progress.show(was_shown)
    return ending.exit_code


def _groups(section: type[Section]) -> Iterable[tuple[str, list[str]]]:
    """Titles and settings: a verb's own first, then what it shares with others, each under what it is about."""
    for kind in section.__mro__:
        named = [key for key in vars(kind).get("__annotations__", {}) if key in section.model_fields]
        keys = [key for key in named if key not in section.stages]
        if keys and issubclass(kind, Section):
            sentence = (inspect.getdoc(kind) or "").partition("\n")[0]
            yield ("Options" if kind is section else sentence.removesuffix(".")), keys


def _shared(*, has_config: bool, has_json: bool, has_more: bool) -> list[click.Parameter]:
    """The flags that stand behind a verb's own."""
    file = click.Path(path_type=Path)
    config = click.Option(["-c", "--config"], type=file, help="JSON or TOML file with settings; flags win.")
    as_json = click.Option(
        ["as_json", "--json"], is_flag=True, help="Write the result as one JSON document.", hidden=not has_json
    )
    quiet = click.Option(
        ["-q", "--quiet"], is_flag=True, help="No progress and no notes; warnings and errors stay."
    )
    verbose = click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        help="Say also which settings hold, when what happens, and where it fails.",
    )
    help_all = click.Option(
        ["--help-all"], is_flag=True, is_eager=True, expose_value=False, callback=_show_all, help="Show all flags."
    )
    return [*([config] if has_config else []), as_json, quiet, verbose, *([help_all] if has_more else [])]


def _show_all(context: click.Context, parameter: click.Parameter, is_asked: bool) -> None:
    if is_asked and not context.resilient_parsing:
        context.meta[_ALL] = True
        click.echo(context.get_help())
        context.exit()


def _is_option(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option)


def _is_given(context: click.Context, key: str) -> bool:
    return context.get_parameter_source(key) is ParameterSource.COMMANDLINE


def _extra(field: FieldInfo) -> Any:
    return field.json_schema_extra


def _parameter(key: str, field: FieldInfo, named: Mapping[str, Mapping[str, object]]) -> click.Parameter:
    extra = _extra(field)
    annotation = _without_none(field.annotation)
    is_many = get_origin(annotation) is tuple
    kind = _click_type(get_args(annotation)[0] if is_many else annotation)
    if extra["positional"]:
        return click.Argument([key], type=kind, required=False, nargs=-1 if is_many else 1, help=field.description)
    flag = f"--{key.replace('_', '-')}"
    help_text = f"{field.description}  [default: {_defaults(key, field.default, named)}]"
    if annotation is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=None, help=help_text)
    bare: dict[str, Any] = {"is_flag": False, "flag_value": extra["bare"]} if extra["bare"] else {}
    return click.Option([key, flag, *extra["flags"]], type=kind, multiple=is_many, help=help_text, **bare)


def _defaults(key: str, usual: object, named: Mapping[str, Mapping[str, object]]) -> str:
    """The default, and behind it those of the names that have another: "120; finetune: 6; transfer: 40"."""
    others: dict[str, list[str]] = {}
    for name, values in named.items():
        if key in values and _shown(values[key]) != _shown(usual):
            others.setdefault(_shown(values[key]), []).append(name)
    return "; ".join([_shown(usual), *(f"{', '.join(names)}: {value}" for value, names in others.items())])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value[:_MOST_SHOWN])) + (", ..." if len(value) > _MOST_SHOWN else "") or "none"
    return "none" if value in (None, "") else str(value)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(one for one in get_args(annotation) if one is not type(None))
    return annotation


def _click_type(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return click.Choice([str(one) for one in get_args(annotation)], case_sensitive=False)
    return {Path: click.Path(path_type=Path), int: click.INT, float: click.FLOAT}.get(annotation, click.STRING)

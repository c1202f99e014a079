"""`rawlabel methods`: what is chosen by name: methods, stopping rules, noise, loggers, encoders, experiments."""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any

import click

from rawlabel.base.families import Family, load, names
from rawlabel.config import Section, TrainConfig

_WITH_ANY_METHOD = ("ema", "student", "confident_learning", "refit")
"""Settings of training that go with every method."""


@click.command(
    "methods",
    help="List what is chosen by name (methods, stopping rules, noise, loggers, encoders, experiments), with "
    "its options.",
)
def COMMAND() -> None:
    """Print each plug-in's documentation and options."""
    for title, family, option in (
        ("Training methods (--method)", Family.METHOD, "--method-option"),
        ("Stopping rules (--stop)", Family.STOPPING_RULE, "--stop-option"),
        ("Kinds of label noise (rawlabel noise --kind)", Family.LABEL_NOISE, "--option"),
        ("Run loggers (--logger)", Family.LOGGER, ""),
        ("Families of encoders (rawlabel probe --backbone)", Family.ENCODER, ""),
        ("Experiments (rawlabel experiment NAME)", Family.EXPERIMENT, ""),
    ):
        click.echo(f"{title}:")
        for name in names(family):
            plugin = load(family, name)
            click.echo(f"\n  {name}")
            for line in _described(plugin, option):
                click.echo(line)
        click.echo()
    click.echo("With any method:")
    for key in _WITH_ANY_METHOD:
        click.echo(
            "\n".join(
                _wrapped(f"--{key.replace('_', '-')}  {TrainConfig.model_fields[key].description}", "  ", "      ")
            )
        )


def _described(plugin: Any, option: str) -> Iterator[str]:
    for paragraph in (inspect.getdoc(plugin) or "").split("\n\n"):
        yield from _wrapped(" ".join(paragraph.split()), "      ", "      ")
    options: type[Section] | None = getattr(plugin, "Options", None)
    for key, field in options.model_fields.items() if options else ():
        yield from _wrapped(f"{option} {key}={field.default}  {field.description}", "      ", "          ")


def _wrapped(text: str, first: str, later: str) -> list[str]:
    width = max(shutil.get_terminal_size((100, 24)).columns, 40)
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)

"""`rawlabel methods`: what is chosen by name: methods, stopping rules, noise, loggers, encoders, experiments."""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any, TypedDict

from rawlabel.base.families import Family, load, names
from rawlabel.cli.options import listing_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import Section, TrainConfig

GROUP = "model"
PLACE = 50
SUMMARY = "list the training methods, stopping rules, kinds of label noise, encoders and experiments"

_WITH_ANY_METHOD = ("ema", "student", "confident_learning", "refit")
"""Settings of training that go with every method."""


def _methods() -> Ending:
    document: dict[str, dict[str, PluginFacts]] = {}
    for title, family, option in (
        ("Training methods (--method)", Family.METHOD, "--method-option"),
        ("Stopping rules (--stop)", Family.STOPPING_RULE, "--stop-option"),
        ("Kinds of label noise (rawlabel noise --kind)", Family.LABEL_NOISE, "--option"),
        ("Run loggers (--logger)", Family.LOGGER, ""),
        ("Families of encoders (rawlabel probe --backbone)", Family.ENCODER, ""),
        ("Experiments (rawlabel experiment NAME)", Family.EXPERIMENT, ""),
    ):
        say(f"{title}:")
        for name in names(family):
            plugin = load(family, name)
            document.setdefault(family.name.lower(), {})[name] = _facts(plugin)
            say(f"\n  {name}")
            for line in _described(plugin, option):
                say(line)
        say("")
    say("With any method:")
    for key in _WITH_ANY_METHOD:
        say(
            "\n".join(
                _wrapped(f"--{key.replace('_', '-')}  {TrainConfig.model_fields[key].description}", "  ", "      ")
            )
        )

    give(document)
    return Ending(("train", "--root", "project", "--method", "cross_entropy", "--stop", "noisy_holdout"))


class OptionFacts(TypedDict):
    """One option of a plug-in."""

    default: object
    description: str | None


class PluginFacts(TypedDict):
    """What is to be known of something that is chosen by name."""

    description: str
    options: dict[str, OptionFacts]


def _facts(plugin: Any) -> PluginFacts:
    options: type[Section] | None = getattr(plugin, "Options", None)
    fields = options.model_fields if options else {}
    explained = {key: OptionFacts(default=one.default, description=one.description) for key, one in fields.items()}
    return {"description": inspect.getdoc(plugin) or "", "options": explained}


def _described(plugin: Any, option: str) -> Iterator[str]:
    for paragraph in (inspect.getdoc(plugin) or "").split("\n\n"):
        yield from _wrapped(" ".join(paragraph.split()), "      ", "      ")
    options: type[Section] | None = getattr(plugin, "Options", None)
    for key, field in options.model_fields.items() if options else ():
        yield from _wrapped(f"{option} {key}={field.default}  {field.description}", "      ", "          ")


def _wrapped(text: str, first: str, later: str) -> list[str]:
    width = max(shutil.get_terminal_size((100, 24)).columns, 40)
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)


COMMAND = listing_command(
    "methods",
    "List what is chosen by name (methods, stopping rules, noise, loggers, encoders, experiments), with its "
    "options.",
    _methods,
)

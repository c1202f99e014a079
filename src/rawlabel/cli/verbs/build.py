"""`rawlabel build`."""

from __future__ import annotations

import sys

import click

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import BuildConfig

GROUP = "main path"
PLACE = 5
SUMMARY = "make a classifier of class names, by all the stages below"


def _build(config: BuildConfig) -> Ending:
    from rawlabel.chain.build import build, describe

    # Whoever is no person at a terminal can say it with --yes alone.
    built = build(config, _ask if sys.stdin.isatty() and sys.stderr.isatty() else None)
    for line in describe(built):
        say(line)
    give(
        {
            "counts": built.counts,
            "run": built.run.path,
            "report": built.report,
            "summary": built.run.summary.as_json(),
        }
    )
    return Ending(("predict", built.run.path, "photo.jpg"))


def _ask(question: str) -> bool:
    return click.confirm(question, err=True)


COMMAND = section_command("build", BuildConfig, _build)

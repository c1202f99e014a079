"""The published flags: each is a flag of the command, and docs/paper.md says what became of it."""

from __future__ import annotations

import re
from pathlib import Path

import click

from rawlabel.cli import rawlabel
from rawlabel.cli.verbs.train import COMMAND
from rawlabel.config import TrainConfig

# Those of the published trainer's own parser.
PUBLISHED_FLAGS = {
    "--config", "--root", "--main", "--test", "--sub", "--epochs", "--batch-size", "--print-freq", "--gpu",
    "--seed", "--model", "--model-config", "--num-planes", "--opt", "--loss", "--momentum", "--weight-decay",
    "--lr", "--decay-rate", "--decay-epochs", "--decay-max-epochs", "--use-inverse-sqrt-lr", "--schedule-lr",
    "--norandomcrop", "--norandomflip", "--train-size", "--select-classes", "--num-classes", "--inject-noise",
    "--evaluate", "--resume", "--track-correct", "--scale-lr", "--compute-jacobian", "--track-weights",
    "--details",
}  # fmt: skip
PAGE = (Path(__file__).parents[1] / "docs" / "paper.md").read_text("utf-8")
FLAGS = {flag for option in COMMAND.params if isinstance(option, click.Option) for flag in option.opts}


def rows(heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without its first two lines."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_tells_of_exactly_the_published_flags() -> None:
    assert {row[0].strip("`") for row in rows("Flags")} == PUBLISHED_FLAGS


def test_each_published_flag_is_a_flag() -> None:
    assert not PUBLISHED_FLAGS - FLAGS
    assert {"-c", "--dr"} <= FLAGS


def test_each_flag_that_the_page_names_is_a_flag() -> None:
    trainer, others = PAGE.split("## The published trainer\n")[1], PAGE.split("## The published trainer\n")[0]
    assert not set(re.findall(r"--[a-z][a-z-]+", trainer)) - FLAGS
    context = click.Context(rawlabel)
    verbs = [rawlabel.get_command(context, name) for name in rawlabel.list_commands(context)]
    every = {flag for verb in verbs if verb for one in verb.params for flag in one.opts}
    assert not set(re.findall(r"--[a-z][a-z-]+", others)) - every


def test_each_key_that_the_page_names_is_read() -> None:
    names = {*TrainConfig.model_fields, *(field.alias for field in TrainConfig.model_fields.values())}
    for published, ours, *_ in rows("Keys of the configuration files"):
        for key in re.findall(r"`(\w+)`", published):
            assert key in names | {*TrainConfig.refused, *TrainConfig.replaced}, key
        assert set(re.findall(r"`([a-z]\w+)`", ours)) <= names

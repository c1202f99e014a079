"""What benchmarks on flower photos share: their flags, where a table comes from, and a mean with its interval."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.files import read_json, write_json
from rawlabel.base.metrics import mean_interval

NOT_NOTED = "not noted"
"""In place of a commit: of runs that were kept before their commit was kept with them."""


def parser_of(doc: str | None, noise: Sequence[float]) -> argparse.ArgumentParser:
    """A parser with the flags that all have; `noise` are the shares of wrong labels where none are given."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--noise", type=float, nargs="+", default=list(noise))
    return parser


def origin(command: str) -> dict[str, Any]:
    """By which command, code and machine a table was made."""
    known = describe_environment()
    return {
        "command": command, "commit": known.commit, "processor": known.processor, "python": known.python,
        "threads": torch.get_num_threads(), "packages": dict(known.packages),
    }  # fmt: skip


def commits_of(made: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What of a table each commit made, of pairs (commit, what it made): `{"abc": "one and two"}`."""
    parts: dict[str, list[str]] = {}
    for commit, part in made:
        if part not in parts.setdefault(commit, []):
            parts[commit].append(part)
    return {commit: " and ".join(each) for commit, each in parts.items()}


def commits_of_seeds(runs: Sequence[Any]) -> dict[str, str]:
    """Which seeds of a table each commit made, of runs that say `seed` and `commit`: `{"abc": "seeds 0 to 2"}`."""
    seeds: dict[str, list[int]] = {}
    for one in sorted(runs, key=lambda one: int(one["seed"])):
        seeds.setdefault(one.get("commit", NOT_NOTED), []).append(one["seed"])
    return {commit: f"seeds {span(each)}" for commit, each in seeds.items()}


def span(seeds: Iterable[int]) -> str:
    """Seeds in words: `0 to 4`, `3 and 4`, `7`, or one by one where some between them are missing."""
    each = sorted(set(seeds))
    if len(each) > 2 and each[-1] - each[0] == len(each) - 1:
        return f"{each[0]} to {each[-1]}"
    return " and ".join(map(str, each)) if len(each) < 3 else ", ".join(map(str, each))


def write_tables(work: Path, table: dict[str, Any], page: Sequence[str]) -> None:
    """table.json, and table.md of the lines of `page` and the table's origin.

    `notes`, what people wrote into the table.json that lay here, stay in it.
    """
    path = work / "table.json"
    if path.exists() and (notes := read_json(path, "a table").get("notes")):
        table = {**table, "notes": notes}
    write_json(path, table)
    (work / "table.md").write_text(text_of(table, page), "utf-8")


def text_of(table: dict[str, Any], page: Sequence[str]) -> str:
    """The page of a table: the lines of `page`, where it comes from, and the notes that people wrote into it."""
    commits = ", ".join(f"{commit} for {what}" for commit, what in table.get("commits", {}).items())
    threads = f", threads: {table['threads']}" if "threads" in table else ""
    lines = [
        *page, f"- command: `{table['command']}`",
        f"- commit {commits or table['commit']}; {table['processor']}, Python {table['python']}{threads}",
        *(f"- {note}" for note in table.get("notes", ())),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def said(values: Sequence[float], digits: int, sign: str = "") -> str:
    """A mean with its interval; `sign` is `+` where the mean is to have one."""
    mean, half = mean_interval(list(values))
    return f"{mean:{sign}.{digits}f}" + (f" ± {half:.{digits}f}" if half is not None else "")

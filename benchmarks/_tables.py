"""What benchmarks on flower photos share: their flags, where a table comes from, and a mean with its interval."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.files import write_json
from rawlabel.base.metrics import mean_interval


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
        "packages": dict(known.packages),
    }  # fmt: skip


def write_tables(work: Path, table: dict[str, Any], page: Sequence[str]) -> None:
    """table.json, and table.md of the lines of `page` and the table's origin."""
    write_json(work / "table.json", table)
    lines = [
        *page, f"- command: `{table['command']}`",
        f"- commit {table['commit']}; {table['processor']}, Python {table['python']}",
    ]  # fmt: skip
    (work / "table.md").write_text("\n".join(lines) + "\n", "utf-8")


def said(values: Sequence[float], digits: int, sign: str = "") -> str:
    """A mean with its interval; `sign` is `+` where the mean is to have one."""
    mean, half = mean_interval(list(values))
    return f"{mean:{sign}.{digits}f}" + (f" ± {half:.{digits}f}" if half is not None else "")

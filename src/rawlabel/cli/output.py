"""What a verb hands out: lines for people, or with `--json` one document instead; and what comes next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import click

from rawlabel.base import messages, processes

_JSON = "rawlabel.json"


@dataclass(frozen=True)
class Ending:
    """How a verb ended: the words of the command that comes next, without `rawlabel`, and the exit code."""

    next: tuple[object, ...]
    exit_code: int = 0

    def tell(self) -> None:
        """Name the next command, once for all processes of a run."""
        if processes.is_first():
            messages.inform(f"rawlabel {shlex.join(map(str, self.next))}", lead="next: ")


def use_json(is_wanted: bool) -> None:
    """Settle for the running command what `say` and `give` write."""
    click.get_current_context().meta[_JSON] = is_wanted


def wants_json() -> bool:
    """Whether the standard output is for one JSON document alone."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_JSON))


def say(line: str | bytes) -> None:
    """Write a line of the result for people; with `--json`, nothing."""
    if not wants_json():
        click.echo(line)


def give(document: Any) -> None:
    """Write the result as JSON, where that was asked for; what JSON has no number for becomes null."""
    if wants_json():
        from pydantic_core import to_json

        click.echo(to_json(document, indent=2, inf_nan_mode="null", fallback=_plain))


def _plain(value: Any) -> Any:
    """Numbers of NumPy as Python's; the rest as text."""
    return value.item() if hasattr(value, "item") else str(value)

"""Write docs/reference/verbs.md, every verb with its settings, from the settings themselves; `--check` compares.

python tools/reference.py [--check]
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from rawlabel.cli import command

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "verbs.md"
INTRODUCTION = """# Verbs and settings

Made by `python tools/reference.py` from the settings. Later wins: defaults, then `--config FILE` (JSON or TOML),
then flags. A file holds the whole tree (`[train]` tables) or the keys of one section; a key is the flag's name
with underscores. `rawlabel VERB --help` says the same; where a verb has many flags, it shows those that people
change, and `--help-all` shows all.

Results go to the standard output. All else goes to the standard error: progress, notes, errors, and at the end the
line `next: rawlabel ...`. Exit codes: 0 done, 1 something is amiss or empty, 2 bad input (one line that says what
to do), 130 Ctrl-C, 143 SIGTERM.
"""


def page() -> str:
    """The whole page."""
    group = command.rawlabel
    context = click.Context(group, info_name="rawlabel")
    train = group.get_command(context, "train")
    assert train is not None
    parts = [INTRODUCTION, "## With every verb\n", _table(getattr(train, "shared", ()))]
    for title, verbs in command.groups():
        parts.append(f"## {title.capitalize()}\n")
        for name in verbs:
            verb = group.get_command(context, name)
            assert verb is not None
            parts.append(_verb(name, verb))
    return "\n".join(parts)


def _verb(name: str, verb: click.Command) -> str:
    shared = getattr(verb, "shared", [])
    text = inspect.cleandoc(verb.help or "")
    table = _table(one for one in verb.params if one not in shared)
    return f"### rawlabel {name}\n\n{text}\n\n{table}" if table else f"### rawlabel {name}\n\n{text}\n"


def _table(parameters: Iterable[click.Parameter]) -> str:
    rows = "".join(f"| {_spelling(one)} | {_cell(one)} |\n" for one in parameters)
    return f"| setting | meaning |\n|---|---|\n{rows}" if rows else ""


def _spelling(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return f"`{(parameter.name or '').upper()}`"
    return ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))


def _cell(parameter: Any) -> str:
    text = parameter.help or ""
    choices = getattr(parameter.type, "choices", None)
    if choices:
        text += f" One of {', '.join(choices)}."
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Bring the page up to date, or say with exit code 1 that it is not."""
    text = page()
    if "--check" in sys.argv[1:]:
        is_same = PAGE.is_file() and PAGE.read_text("utf-8") == text
        if not is_same:
            sys.stderr.write("docs/reference/verbs.md is out of date; run `python tools/reference.py`\n")
        return int(not is_same)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the verbs' files say of themselves, read without importing them, so that the first screen loads no verb.

Each file in `verbs` holds three literal constants, `GROUP` (a title of `GROUPS`), `PLACE` (its order in the group)
and `SUMMARY` (one line), and `COMMAND`, what the verb does.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from rawlabel.cli import verbs

GROUPS = ("main path", "data", "model", "research", "upkeep")
"""The groups in the order in which they are shown."""
_CONSTANTS = ("GROUP", "PLACE", "SUMMARY")


@dataclass(frozen=True)
class VerbFile:
    """One verb as the first screen shows it."""

    name: str
    group: str
    place: int
    summary: str

    @property
    def module(self) -> str:
        """The module that holds the verb's `COMMAND`."""
        return f"{verbs.__name__}.{self.name.replace('-', '_')}"


@cache
def all_verbs() -> dict[str, VerbFile]:
    """Every verb by its name, in the order of the first screen."""
    found = [_read(module.name) for module in pkgutil.iter_modules(verbs.__path__)]
    ordered = sorted(found, key=lambda verb: (GROUPS.index(verb.group), verb.place, verb.name))
    return {verb.name: verb for verb in ordered}


def groups() -> list[tuple[str, list[str]]]:
    """Each group's title with the names of its verbs, in the order of the first screen."""
    return [(group, [verb.name for verb in all_verbs().values() if verb.group == group]) for group in GROUPS]


def _read(module: str) -> VerbFile:
    source = pkgutil.get_data(verbs.__name__, f"{module}.py") or b""
    values = dict(_constants(ast.parse(source)))
    return VerbFile(module.replace("_", "-"), *(values[name] for name in _CONSTANTS))


def _constants(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in _CONSTANTS:
                yield name, ast.literal_eval(value)

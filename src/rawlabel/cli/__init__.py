"""The command `rawlabel`; `command` holds it, `verbs` one file a verb, and `options` makes flags of settings.

`main`, `run` and the group `rawlabel` are looked up in `command` when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rawlabel.cli.command import main, rawlabel, run

__all__ = ["main", "rawlabel", "run"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.command"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""A package that can be called: `rl.train(...)` is a function of the package, and `rawlabel.train` a room in it.

Python binds a package to its name in the one above as soon as anything in it is imported, so the two cannot be
told apart by name. Called, such a package is the function of `rawlabel.api` that has its name.
"""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """The type of a package whose name is also that of a function of `rawlabel.api`."""

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        """Call the function of that name."""
        return self._function()(*arguments, **settings)

    @property
    def __signature__(self) -> inspect.Signature:
        """That of the function, for help and notebooks."""
        return inspect.signature(self._function())

    def _function(self) -> Any:
        top, _, name = self.__name__.rpartition(".")
        return getattr(importlib.import_module(f"{top}.api"), name)

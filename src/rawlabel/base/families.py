"""Plug-ins: one file each, and the file's name is the plug-in's name.

A family is a package; each module in it that does not begin with an underscore holds one class, named by
the module attribute `PLUGIN`. To list a family is to list its folder, so there is no table to keep up. A
package installed beside this one adds a plug-in through the entry-point group `rawlabel.<family>`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rawlabel.errors import PluginError, did_you_mean


class Family(StrEnum):
    """The families of plug-ins; the value is the package that holds them."""

    SOURCE = "rawlabel.gather.collect.sources"
    METHOD = "rawlabel.models.methods"
    STOPPING_RULE = "rawlabel.training.stopping"
    FORMAT = "rawlabel.manifests.formats"
    MODEL_FORMAT = "rawlabel.models.exports"
    LABEL_NOISE = "rawlabel.manifests.label_noises"
    INPUT = "rawlabel.images.inputs"
    LOGGER = "rawlabel.training.loggers"
    CONTESTANT = "rawlabel_bench.contestants"
    EXPERIMENT = "rawlabel.experiments.studies"
    ENCODER = "rawlabel.models.encoders"

    @property
    def label(self) -> str:
        """The family in words, as messages say it."""
        return self.name.lower().replace("_", " ")


_added: dict[tuple[Family, str], type] = {}


def add(family: Family, name: str, plugin: type) -> None:
    """Have `name` mean the class `plugin` in this process, as a notebook or script wants it.

    Whoever opens what it made needs it as well, so what others shall use belongs into a package. Raises
    `PluginError` where the name is taken by another class.
    """
    if name in names(family) and _added.get((family, name)) is None:
        raise PluginError(f"a {family.label} is called '{name}' already; choose another name")
    _added[family, name] = plugin


def names(family: Family) -> list[str]:
    """All plug-in names of a family, sorted; imports the package but no plug-in."""
    package = importlib.import_module(family.value)
    own = {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}
    return sorted(own | set(_installed(family)) | {name for one, name in _added if one is family})


def load(family: Family, name: str) -> Any:
    """Return the plug-in class `name`; raises `PluginError` that suggests the nearest name."""
    if (family, name) in _added:
        return _added[family, name]
    installed = _installed(family)
    if name in installed:
        return installed[name].load()
    if name not in names(family):
        raise PluginError(f"no {family.label} is called '{name}'{did_you_mean(name, names(family))}")
    return importlib.import_module(f"{family.value}.{name}").PLUGIN


def describe(family: Family, name: str) -> str:
    """First paragraph of the plug-in's docstring, on one line."""
    paragraph = (inspect.getdoc(load(family, name)) or "").split("\n\n")[0]
    return " ".join(paragraph.split())


def _installed(family: Family) -> dict[str, EntryPoint]:
    group = f"rawlabel.{family.name.lower()}"
    return {entry.name: entry for entry in _entry_points().select(group=group)}


@cache
def _entry_points() -> Any:
    """Asked for once, since the answer reads a file of each package; of another type before Python 3.12."""
    return entry_points()

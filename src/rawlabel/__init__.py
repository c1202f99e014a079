"""rawlabel: class names in, a trained and measured image classifier out, with no human annotator.

``import rawlabel as rl`` gives a function a stage (`rl.collect`, `rl.curate`, `rl.train`, ...; `rawlabel.api`),
the artifacts at which the stages meet (`rl.Project`, `rl.Manifest`, `rl.Run`), the classifier that a run has
become (`rl.load`), the bases of plug-ins (all of them are in `rawlabel.plugins`) and the errors.

Importing this package does no work: each name is looked up when it is first asked for, so it opens no file, starts
no thread and loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rawlabel.api import build, collect, curate, evaluate, export, export_model, load, predict, report, train
    from rawlabel.artifacts.manifest import Manifest
    from rawlabel.artifacts.projects import Project
    from rawlabel.artifacts.run import Run
    from rawlabel.base.progress import show as show_progress
    from rawlabel.base.version import __version__
    from rawlabel.errors import (
        CheckpointError,
        ClassFileError,
        ConfigError,
        DataError,
        DiskError,
        Interrupted,
        PluginError,
        ProcessLost,
        RawlabelError,
        SourceError,
    )
    from rawlabel.models.classifier import Classifier
    from rawlabel.plugins import Input, Method, Source, StoppingRule
    from rawlabel_photo_site.local_site import LocalPhotoSite as PhotoSite

_API = (
    "build", "collect", "curate", "evaluate", "export", "export_model", "load", "predict", "report", "train",
)  # fmt: skip
_ERRORS = (
    "CheckpointError", "ClassFileError", "ConfigError", "DataError", "DiskError", "Interrupted", "PluginError",
    "ProcessLost", "RawlabelError", "SourceError",
)  # fmt: skip
_HOMES = {
    **{name: ("rawlabel.api", name) for name in _API},
    **{name: ("rawlabel.errors", name) for name in _ERRORS},
    **{name: ("rawlabel.plugins", name) for name in ("Input", "Method", "Source", "StoppingRule")},
    "Classifier": ("rawlabel.models.classifier", "Classifier"),
    "Manifest": ("rawlabel.artifacts.manifest", "Manifest"),
    # By its name, since the product does without the simulator.
    "PhotoSite": ("rawlabel_photo_site.local_site", "LocalPhotoSite"),
    "Project": ("rawlabel.artifacts.projects", "Project"),
    "Run": ("rawlabel.artifacts.run", "Run"),
    "show_progress": ("rawlabel.base.progress", "show"),
    "__version__": ("rawlabel.base.version", "__version__"),
}
__all__ = [
    "CheckpointError",
    "ClassFileError",
    "Classifier",
    "ConfigError",
    "DataError",
    "DiskError",
    "Input",
    "Interrupted",
    "Manifest",
    "Method",
    "PhotoSite",
    "PluginError",
    "ProcessLost",
    "Project",
    "RawlabelError",
    "Run",
    "Source",
    "SourceError",
    "StoppingRule",
    "__version__",
    "build",
    "collect",
    "curate",
    "evaluate",
    "export",
    "export_model",
    "load",
    "predict",
    "report",
    "show_progress",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""The bases of all plug-ins, for packages beside this one: these names stay where they are when files move.

A package adds a plug-in through the entry-point group `rawlabel.<family>` (`docs/extending/index.md`). Each name
is looked up when it is first asked for, so that who writes a stopping rule loads no torch. `families` is the
module that finds plug-ins: `families.names(families.Family.METHOD)`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rawlabel.artifacts.manifest import Manifest
    from rawlabel.base import families
    from rawlabel.config.declaring import Section, setting
    from rawlabel.config.export import ExportConfig
    from rawlabel.experiments.experiment import Experiment
    from rawlabel.gather.collect.source import Page, Presence, Search, SearchLimits, Source, SourceContext
    from rawlabel.images.image_source import ImageArray, ImageFiles, ImageSource, LabeledImages
    from rawlabel.images.input import Input, InputRequest, InputSet
    from rawlabel.manifests.export import ExportFormat
    from rawlabel.manifests.label_noise import LabelNoise, NoisyLabels
    from rawlabel.models.encoder import Encoder, EncoderFamily
    from rawlabel.models.method import Batch, Method, StepOutput
    from rawlabel.models.model_format import ModelFormat, Opened, PortableModel, WriteRequest
    from rawlabel.records import ClassSpec, EpochRecord, Photo
    from rawlabel.training.run_logger import RunLogger
    from rawlabel.training.stopping_rule import Selection, StoppingRule
    from rawlabel_bench.contestant import Contestant

_HOMES = {
    "Batch": "rawlabel.models.method",
    "ClassSpec": "rawlabel.records",
    "Contestant": "rawlabel_bench.contestant",
    "Encoder": "rawlabel.models.encoder",
    "EncoderFamily": "rawlabel.models.encoder",
    "EpochRecord": "rawlabel.records",
    "Experiment": "rawlabel.experiments.experiment",
    "ExportConfig": "rawlabel.config.export",
    "ExportFormat": "rawlabel.manifests.export",
    "ImageArray": "rawlabel.images.image_source",
    "ImageFiles": "rawlabel.images.image_source",
    "ImageSource": "rawlabel.images.image_source",
    "Input": "rawlabel.images.input",
    "InputRequest": "rawlabel.images.input",
    "InputSet": "rawlabel.images.input",
    "LabelNoise": "rawlabel.manifests.label_noise",
    "LabeledImages": "rawlabel.images.image_source",
    "Manifest": "rawlabel.artifacts.manifest",
    "Method": "rawlabel.models.method",
    "ModelFormat": "rawlabel.models.model_format",
    "NoisyLabels": "rawlabel.manifests.label_noise",
    "Opened": "rawlabel.models.model_format",
    "Page": "rawlabel.gather.collect.source",
    "Photo": "rawlabel.records",
    "PortableModel": "rawlabel.models.model_format",
    "Presence": "rawlabel.gather.collect.source",
    "RunLogger": "rawlabel.training.run_logger",
    "Search": "rawlabel.gather.collect.source",
    "SearchLimits": "rawlabel.gather.collect.source",
    "Section": "rawlabel.config.declaring",
    "Selection": "rawlabel.training.stopping_rule",
    "Source": "rawlabel.gather.collect.source",
    "SourceContext": "rawlabel.gather.collect.source",
    "StepOutput": "rawlabel.models.method",
    "StoppingRule": "rawlabel.training.stopping_rule",
    "WriteRequest": "rawlabel.models.model_format",
    "setting": "rawlabel.config.declaring",
}
__all__ = [
    "Batch",
    "ClassSpec",
    "Contestant",
    "Encoder",
    "EncoderFamily",
    "EpochRecord",
    "Experiment",
    "ExportConfig",
    "ExportFormat",
    "ImageArray",
    "ImageFiles",
    "ImageSource",
    "Input",
    "InputRequest",
    "InputSet",
    "LabelNoise",
    "LabeledImages",
    "Manifest",
    "Method",
    "ModelFormat",
    "NoisyLabels",
    "Opened",
    "Page",
    "Photo",
    "PortableModel",
    "Presence",
    "RunLogger",
    "Search",
    "SearchLimits",
    "Section",
    "Selection",
    "Source",
    "SourceContext",
    "StepOutput",
    "StoppingRule",
    "WriteRequest",
    "families",
    "setting",
]


def __getattr__(name: str) -> Any:
    if name == "families":
        return importlib.import_module("rawlabel.base.families")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

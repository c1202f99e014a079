"""All settings as one typed, frozen tree: defaults, then a JSON or TOML file, then flags; later wins.

One file a verb, each with the section of that verb; `declaring` says what a setting is, `loading` reads files, and
`training/` holds the sections of training. pydantic checks types and ranges. Names are looked up when they are
first asked for, so that who needs one section loads one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rawlabel.config.verbs import SECTIONS

if TYPE_CHECKING:
    from rawlabel.config.bench import BenchConfig
    from rawlabel.config.build import BuildConfig
    from rawlabel.config.classes import ClassesConfig
    from rawlabel.config.collect import CollectConfig
    from rawlabel.config.compare import CompareConfig
    from rawlabel.config.compare_rules import CompareRulesConfig
    from rawlabel.config.curate import CurateConfig
    from rawlabel.config.declaring import Device, Precision, Role, Section
    from rawlabel.config.decontaminate import DecontaminateConfig
    from rawlabel.config.demo import DemoConfig
    from rawlabel.config.diff import DiffConfig
    from rawlabel.config.evaluate import EvaluateConfig
    from rawlabel.config.experiment import ExperimentConfig
    from rawlabel.config.export import ExportConfig
    from rawlabel.config.export_model import ExportModelConfig
    from rawlabel.config.figures import FiguresConfig
    from rawlabel.config.labels import LabelsConfig
    from rawlabel.config.loading import (
        load_options,
        load_section,
        load_stage,
        load_training,
        load_training_stage,
    )
    from rawlabel.config.network import DownloadSettings, NetworkSettings
    from rawlabel.config.noise import NoiseConfig
    from rawlabel.config.pack import PackConfig
    from rawlabel.config.photo_site import PhotoSiteConfig
    from rawlabel.config.plan import PlanConfig
    from rawlabel.config.predict import PredictConfig
    from rawlabel.config.prepare import PrepareConfig
    from rawlabel.config.probe import ProbeConfig
    from rawlabel.config.prune import PruneConfig
    from rawlabel.config.rebuild import RebuildConfig
    from rawlabel.config.report import ReportConfig
    from rawlabel.config.review import ReviewConfig
    from rawlabel.config.serve import ServeConfig
    from rawlabel.config.sources import SourcesConfig
    from rawlabel.config.train import TrainConfig
    from rawlabel.config.verify import VerifyConfig
    from rawlabel.config.watch import WatchConfig
    from rawlabel.config.worth import WorthConfig

_HOMES = {
    "Device": "declaring",
    "Precision": "declaring",
    "Role": "declaring",
    "Section": "declaring",
    "load_options": "loading",
    "load_section": "loading",
    "load_stage": "loading",
    "load_training": "loading",
    "load_training_stage": "loading",
    "DownloadSettings": "network",
    "NetworkSettings": "network",
    **{section: verb for verb, section in SECTIONS.items()},
}
__all__ = [
    "BenchConfig",
    "BuildConfig",
    "ClassesConfig",
    "CollectConfig",
    "CompareConfig",
    "CompareRulesConfig",
    "CurateConfig",
    "DemoConfig",
    "Device",
    "DecontaminateConfig",
    "DiffConfig",
    "DownloadSettings",
    "EvaluateConfig",
    "ExperimentConfig",
    "ExportConfig",
    "ExportModelConfig",
    "FiguresConfig",
    "LabelsConfig",
    "NetworkSettings",
    "NoiseConfig",
    "PackConfig",
    "PhotoSiteConfig",
    "PlanConfig",
    "Precision",
    "PredictConfig",
    "PrepareConfig",
    "ProbeConfig",
    "PruneConfig",
    "RebuildConfig",
    "ReportConfig",
    "ReviewConfig",
    "Role",
    "SECTIONS",
    "Section",
    "ServeConfig",
    "SourcesConfig",
    "TrainConfig",
    "VerifyConfig",
    "WatchConfig",
    "WorthConfig",
    "load_options",
    "load_section",
    "load_stage",
    "load_training",
    "load_training_stage",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

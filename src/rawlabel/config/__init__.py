"""All settings as one typed, frozen tree: defaults, then a JSON or TOML file, then flags; later wins.

`declaring` says what a setting is; the modules called `..._sections` or `..._section`, `sections` and `training`
hold them; `loading` reads files. pydantic checks types and ranges.
"""

from rawlabel.config.bench_section import BenchConfig
from rawlabel.config.declaring import Device, Section
from rawlabel.config.loading import load_options, load_section, load_training
from rawlabel.config.manifest_sections import DiffConfig, NoiseConfig, PruneConfig, RebuildConfig, VerifyConfig
from rawlabel.config.network_sections import DownloadSettings, NetworkSettings, SourcesConfig
from rawlabel.config.pack_section import PackConfig
from rawlabel.config.prepare_section import PrepareConfig
from rawlabel.config.sections import (
    ClassesConfig,
    CollectConfig,
    Config,
    CurateConfig,
    DemoConfig,
    EvaluateConfig,
    ExportConfig,
    FiguresConfig,
    PhotoSiteConfig,
    PlanConfig,
    PredictConfig,
    ReportConfig,
)
from rawlabel.config.study_sections import (
    CompareRulesConfig,
    ExperimentConfig,
    LabelsConfig,
    ProbeConfig,
    WorthConfig,
)
from rawlabel.config.training import TrainConfig

__all__ = [
    "BenchConfig",
    "ClassesConfig",
    "CollectConfig",
    "CompareRulesConfig",
    "Config",
    "CurateConfig",
    "DemoConfig",
    "Device",
    "DiffConfig",
    "DownloadSettings",
    "EvaluateConfig",
    "ExperimentConfig",
    "ExportConfig",
    "FiguresConfig",
    "LabelsConfig",
    "NetworkSettings",
    "NoiseConfig",
    "PackConfig",
    "PhotoSiteConfig",
    "PlanConfig",
    "PredictConfig",
    "PrepareConfig",
    "ProbeConfig",
    "PruneConfig",
    "RebuildConfig",
    "ReportConfig",
    "Section",
    "SourcesConfig",
    "TrainConfig",
    "VerifyConfig",
    "WorthConfig",
    "load_options",
    "load_section",
    "load_training",
]

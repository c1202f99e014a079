"""All settings as one typed, frozen tree: defaults, then a JSON or TOML file, then flags; later wins.

`sections` holds the settings, `loading` reads files. pydantic checks types and ranges.
"""

from rawlabel.config.loading import load_options, load_section
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
    Section,
    TrainConfig,
)

__all__ = [
    "ClassesConfig",
    "CollectConfig",
    "Config",
    "CurateConfig",
    "DemoConfig",
    "EvaluateConfig",
    "ExportConfig",
    "FiguresConfig",
    "PhotoSiteConfig",
    "PlanConfig",
    "PredictConfig",
    "ReportConfig",
    "Section",
    "TrainConfig",
    "load_options",
    "load_section",
]

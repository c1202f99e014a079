"""Which section is whose."""

from __future__ import annotations

SECTIONS = {
    "build": "BuildConfig",
    "classes": "ClassesConfig",
    "collect": "CollectConfig",
    "plan": "PlanConfig",
    "curate": "CurateConfig",
    "decontaminate": "DecontaminateConfig",
    "prepare": "PrepareConfig",
    "pack": "PackConfig",
    "train": "TrainConfig",
    "evaluate": "EvaluateConfig",
    "probe": "ProbeConfig",
    "bench": "BenchConfig",
    "compare": "CompareConfig",
    "watch": "WatchConfig",
    "compare_rules": "CompareRulesConfig",
    "worth": "WorthConfig",
    "experiment": "ExperimentConfig",
    "labels": "LabelsConfig",
    "figures": "FiguresConfig",
    "report": "ReportConfig",
    "review": "ReviewConfig",
    "predict": "PredictConfig",
    "export": "ExportConfig",
    "export_model": "ExportModelConfig",
    "verify": "VerifyConfig",
    "rebuild": "RebuildConfig",
    "diff": "DiffConfig",
    "prune": "PruneConfig",
    "sources": "SourcesConfig",
    "noise": "NoiseConfig",
    "photo_site": "PhotoSiteConfig",
    "demo": "DemoConfig",
}
"""The section of each verb; the file of a verb's section is called as the verb."""

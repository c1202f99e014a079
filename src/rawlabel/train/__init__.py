"""The stage `train`: photos with raw labels in, a run directory with a selected epoch out."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rawlabel import plugins
from rawlabel.config import TrainConfig, load_options
from rawlabel.errors import ConfigError, DataError
from rawlabel.project import runs_path
from rawlabel.run_directory import RunDirectory
from rawlabel.train.data import TrainingData, load_training_data
from rawlabel.train.loop import EpochEvaluator, Trainer
from rawlabel.train.predictor import build_predictor
from rawlabel.train.stopping import StoppingRule

MakeEvaluator = Callable[[TrainConfig, TrainingData], EpochEvaluator | None]
"""Makes what measures the test accuracy after each epoch, for people and the oracle; None when there is no
test set. It is handed in from above, so that nothing in this package can open a test set."""

# Settings that change where or how fast a run is, not what comes out of it.
_FREE = frozenset({"outpath", "workers", "root", "main", "test", "device"})


def train(config: TrainConfig, make_evaluator: MakeEvaluator | None = None) -> RunDirectory:
    """Train as `config` says and return the run directory; an interrupted run goes on, a finished one stays.

    Raises `ConfigError`, `DataError`, `CheckpointError`, `DiskError`, `PluginError`.
    """
    data = load_training_data(config)
    run = RunDirectory(config.outpath or _default_path(config, data))
    config = _settle_seed(config, run)
    _refuse_other_settings(config, run)
    rule_type: type[StoppingRule[Any]] = plugins.load(plugins.Family.STOPPING_RULE, config.stop)
    rule = rule_type(load_options(rule_type.Options, config.stop_option, "--stop-option"))
    if rule.needs_holdout and not len(data.holdout):
        raise DataError(f"{data.origin}: nothing is held out for --stop {config.stop}; raise --holdout")
    if (run.path / "summary.json").exists():
        if run.summary().get("data") != data.fingerprint:
            raise ConfigError(f"--outpath: {run.path} holds a run on other data; choose another")
        return run
    evaluator = make_evaluator(config, data) if make_evaluator else None
    torch.manual_seed(config.seed or 0)
    predictor = build_predictor(config, len(data.train), len(data.class_ids))
    run.start(
        config.as_json(),
        data={"origin": str(data.origin), "fingerprint": data.fingerprint},
        device=str(predictor.device),
        precision=str(predictor.precision).removeprefix("torch."),
        threads=torch.get_num_threads(),
        training_images=len(data.train),
        holdout_images=len(data.holdout),
    )
    trainer = Trainer(config, data, predictor, rule, run, evaluator)
    selection = trainer.fit()
    run.write_summary(
        {
            "rule": config.stop,
            "selected_epoch": selection.epoch,
            "why": selection.why,
            "last_epoch": trainer.records[-1].epoch,
            "seed": config.seed,
            "data": data.fingerprint,
        }
    )
    return run


def _default_path(config: TrainConfig, data: TrainingData) -> Path:
    """The same settings on the same data have the same name, so the same command goes on."""
    digest = config.fingerprint(exclude=_FREE)[:6] + data.fingerprint[:4]
    model = config.model.replace("/", "-")
    return runs_path(config.root) / f"{model}-{config.method}-{digest}"


def _settle_seed(config: TrainConfig, run: RunDirectory) -> TrainConfig:
    """Draw a seed when none is given; a run that goes on keeps the one it has."""
    if config.seed is not None:
        return config
    known: Any = run.config().get("seed") if (run.path / "config.json").exists() else None
    return config.model_copy(update={"seed": secrets.randbelow(2**31) if known is None else known})


def _refuse_other_settings(config: TrainConfig, run: RunDirectory) -> None:
    """A run directory holds one run: going on with other settings would be neither the old nor the new."""
    if not (run.path / "config.json").exists():
        return
    # A run of an older version knows nothing of newer settings, so it has their defaults.
    before, now = TrainConfig().as_json() | run.config(), config.as_json()
    for key, value in now.items():
        if before[key] != value and key not in _FREE:
            raise ConfigError(
                f"--{key.replace('_', '-')}: {run.path} was made with {before[key]}, not {value}; "
                "choose another --outpath"
            )

"""The stage `train`: photos with raw labels in, a run directory with a selected epoch out."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from rawlabel.artifacts.manifest import photos_looked_at
from rawlabel.artifacts.project import runs_path
from rawlabel.artifacts.run_directory import RunDirectory, describe_environment
from rawlabel.artifacts.run_records import DataOrigin, Place, Start, Summary
from rawlabel.base import distributed, families, messages, processes
from rawlabel.base.files import write_json
from rawlabel.config import Role, TrainConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.input import locate
from rawlabel.images.loader import steps_per_epoch
from rawlabel.models.device import choose_device
from rawlabel.models.memory import OUTSIDE_OF_STEPS, memory_errors
from rawlabel.models.precision import precision_of_run
from rawlabel.models.predictor import build_predictor
from rawlabel.models.transfer.encoded_views import encoder_record
from rawlabel.training.around import choosing, finetuning, weighing
from rawlabel.training.around.calibrating import calibrate
from rawlabel.training.around.confident_learning import describe, prune
from rawlabel.training.around.fitting import with_fitting_views
from rawlabel.training.around.leaving_out import FindCopies, leave_out, refuse_begun_on_all
from rawlabel.training.around.refit import with_holdout
from rawlabel.training.around.teacher import labeled_by
from rawlabel.training.data import TrainingData, load_training_data
from rawlabel.training.loop import EpochEvaluator, Trainer
from rawlabel.training.measuring.holdout_doubt import holdout_doubt
from rawlabel.training.named_parts import find_named_parts
from rawlabel.training.stopping_rule import StoppingRule

MakeEvaluator = Callable[[TrainConfig, TrainingData], EpochEvaluator | None]
"""Makes what measures the test accuracy after each epoch, for people and the oracle; None when there is no
test set. `outpath` of the settings it gets is the run directory. It is handed in from above, so that nothing in
this package can open a test set."""

_SECOND_TEST = frozenset({"sub", "test_label_column"})
"""Settings that have always been part of a run directory's name, though no result depends on them."""


def train(
    config: TrainConfig,
    make_evaluator: MakeEvaluator | None = None,
    find_copies: FindCopies | None = None,
    *,
    is_for_use: bool = True,
) -> RunDirectory:
    """Train as `config` says and return the run directory; an interrupted run goes on, a finished one stays.

    The copies of test images that `find_copies` finds are left out of training and holdout. A run that is not
    for use, but for a row of a table, is not calibrated, which takes longer than the training of a head.

    A teacher has a run directory of its own inside, `teacher`, so has a refit, `refit`, and so have the networks
    that judge the labels, `folds/0` and so on. Raises `ConfigError`, `DataError`, `CheckpointError`, `DiskError`,
    `PluginError`. Started by `torchrun`, all its processes make one run (`rawlabel.base.distributed`); when one
    of them is lost, the others raise `ProcessLost`.
    """
    with distributed.joined(), memory_errors(OUTSIDE_OF_STEPS):
        distributed.check_batch_size(config.batch_size)
        distributed.from_first(lambda: _refuse_unwritable(config.outpath))
        data = load_training_data(config)
        if processes.is_first():
            messages.inform(str(data.counts()))
        config = with_fitting_views(config, data)
        data, copies = leave_out(config, data, find_copies)
        run = find_run(config, data)
        with run.removed_if_refused():
            distributed.from_first(lambda: refuse_begun_on_all(run, data))
            settled = distributed.from_first(lambda: _settle_seed(config, run))
            settle = _train_head if settled.finetune else _prepare
            settled, data = settle(settled, data, run, make_evaluator)
            _run(settled, data, run, make_evaluator, is_for_use=is_for_use)
        if copies is not None:
            copies.record(run.path)
        return run


def _prepare(
    config: TrainConfig, data: TrainingData, run: RunDirectory, _: MakeEvaluator | None = None
) -> tuple[TrainConfig, TrainingData]:
    """Settle the head, and which labels count how much, where that is asked for."""
    if config.choose == "auto":
        config = _choose(config, data, run)
    if config.confident_learning:
        data = _prune(config, data, run)
    if config.weighing != "none":
        data = _weigh(config, data, run)
    return config, data


def _train_head(
    config: TrainConfig, data: TrainingData, run: RunDirectory, make_evaluator: MakeEvaluator | None
) -> tuple[TrainConfig, TrainingData]:
    """Train the head of a network that is fine-tuned afterwards, in a folder of its own, and weigh the labels."""
    finetuning.refuse_others(config)
    _rule(config, data)
    if not distributed.from_first(lambda: run.log() or run.read().is_finished):
        finetuning.say_expected_time(config, data)
    _note_settings(config, run)
    frozen = finetuning.frozen_run(run)
    head, data = _prepare(finetuning.of_head(config, run), data, frozen)
    _run(head, data, frozen, make_evaluator)
    return distributed.from_first(lambda: finetuning.settled_by(config, run)), data


def find_run(config: TrainConfig, data: TrainingData) -> RunDirectory:
    """The run directory of these settings on these data, whether it is there yet or not."""
    return RunDirectory(config.outpath or _default_path(config, data))


def _refuse_unwritable(path: Path | None) -> None:
    """Before anything is read: a settings file of somebody else names a run directory of theirs.

    Raises `ConfigError` when the folder that `path` would be made in is none, or cannot be written.
    """
    if path is None:
        return
    try:
        above = next(one for one in (path, *path.absolute().parents) if one.exists())
        is_writable = above == path or (above.is_dir() and os.access(above, os.W_OK | os.X_OK))
    except OSError:  # a folder on the way must not even be looked into
        is_writable = False
    if not is_writable:
        raise ConfigError(
            f"--outpath: {path} cannot be made here; name a run directory of your own with --outpath"
        )


def _run(
    config: TrainConfig,
    data: TrainingData,
    run: RunDirectory,
    make_evaluator: MakeEvaluator | None,
    *,
    is_for_use: bool = True,
) -> RunDirectory:
    """Train on `data` in `run`: the teacher, if one is asked for, the run itself, and its refit."""
    distributed.from_first(lambda: _refuse_other_settings(config, run))
    rule = _rule(config, data)
    summary = distributed.from_first(lambda: _summary(run))
    is_finished = summary is not None
    if summary and summary.data != data.fingerprint:
        raise ConfigError(f"--outpath: {run.path} holds a run on other data; choose another")
    if is_finished:
        _say_not_measured(config, run)
    if is_finished and not config.refit:
        return run
    teacher = _teach(config, data, run, make_evaluator, is_for_use) if config.student else None
    evaluator = make_evaluator(config.model_copy(update={"outpath": run.path}), data) if make_evaluator else None
    if not is_finished:
        labeled = labeled_by(teacher, data, config) if teacher else data
        with run.claimed():
            trainer = _start(config, labeled, rule, run, evaluator)
            selection = trainer.fit()
            # What follows comes before the summary, which is the mark of a finished run.
            if config.finetune:
                chosen = finetuning.choose_weights(trainer.config, labeled, run, evaluator)
                selection = replace(selection, why=f"{selection.why}; {chosen.describe()}")
            if is_for_use:
                calibrate(run, data)
        doubt = holdout_doubt(trainer.records, selection.epoch, len(data.holdout)) if rule.needs_holdout else None
        run.write_summary(
            Summary(
                rule=config.stop,
                rule_options=rule.options.as_json(),
                selected_epoch=selection.epoch,
                why=selection.why,
                last_epoch=trainer.records[-1].epoch,
                seed=config.seed,
                data=data.fingerprint,
            ).adding(
                doubt=doubt,
                test_overlap=run.overlap_counts(),
                left_out=data.left_out,
                looked_at=photos_looked_at(data.origin),
            )
        )
    if config.refit:
        everything = with_holdout(data)
        everything = labeled_by(teacher, everything, config) if teacher else everything
        _refit(config, everything, len(data.train), run, evaluator)
    return run


def _rule(config: TrainConfig, data: TrainingData) -> StoppingRule[Any]:
    """The stopping rule, once everything that is named is known to be there."""
    rule = find_named_parts(config)
    if rule.needs_holdout and not len(data.holdout):
        raise DataError(
            f"{data.origin}: nothing is held out for --stop {config.stop}; raise --holdout, or "
            "train on more images a class"
        )
    return rule


def _say_not_measured(config: TrainConfig, run: RunDirectory) -> None:
    """Say of a finished run that the test sets which it is now given are not in its log."""
    before = run.read().config
    for flag, name, known in (("test", config.test, before.test), ("sub", config.sub, before.sub)):
        if name is not None and name != known and processes.is_first():
            place = locate(config.root, name)
            messages.warn(
                f"--{flag}: {run.path} is finished, so its log has nothing of it; `rawlabel evaluate "
                f"{run.path} --test {place}` measures it"
            )


def _start(
    config: TrainConfig,
    data: TrainingData,
    rule: StoppingRule[Any],
    run: RunDirectory,
    evaluator: EpochEvaluator | None,
    num_steps: int | None = None,
) -> Trainer:
    """Build the networks from the seed, and note the start in the run directory."""
    torch.manual_seed(config.seed or 0)
    # A run that goes on does so in the arithmetic that it began in.
    began_in = distributed.from_first(lambda: precision_of_run(run, choose_device(config.device, config.gpu)))
    # A head has the arithmetic of the features that are kept, whatever its own small layer computes in.
    is_head = config.encoder is not None and not config.finetune
    settled = began_in if config.precision == "auto" and not is_head else config.precision
    built = config.model_copy(update={"precision": settled})
    predictor = build_predictor(built, len(data.train), len(data.class_ids))
    start = Start(
        **describe_environment().model_dump(exclude_unset=True),
        data=DataOrigin(origin=str(data.origin), place=run.place_of(data.origin), fingerprint=data.fingerprint),
        root=run.place_of(config.root),
        weights=run.place_of(config.weights) if config.weights is not None else Place(),
        device=str(predictor.device),
        precision=str(predictor.precision).removeprefix("torch."),
        threads=torch.get_num_threads(),
        processes=distributed.count(),
        training_images=len(data.train),
        holdout_images=len(data.holdout),
    )
    run.start(config, start)
    if predictor.store is not None and processes.is_first():
        write_json(run.path / "encoder.json", encoder_record(predictor.store, data.class_ids).as_json())
    if config.finetune:
        finetuning.begin(config, predictor, run)
    if data.left_out_copies is not None and processes.is_first():
        write_json(run.left_out_path, data.left_out_copies.as_json())
    for name, injection in data.injections.items():
        injection.write_record(run.path / f"{name}.json")
    return Trainer(config, data, predictor, rule, run, evaluator, num_steps)


def _choose(config: TrainConfig, data: TrainingData, run: RunDirectory) -> TrainConfig:
    """Settle the head by raw labels, and note it in the run directory."""
    _rule(config, data)
    settled = choosing.settle_head(config, data, run)
    if processes.is_first():
        messages.inform(choosing.describe(run))
    return settled


def _prune(config: TrainConfig, data: TrainingData, run: RunDirectory) -> TrainingData:
    """Leave out the training images that confident learning doubts, by networks in folders of their own."""
    distributed.from_first(lambda: _refuse_other_settings(config, run))
    _note_settings(config, run)
    own = _around(config, keep_predictions=False, logger=(), test=None, sub=None)

    def train_fold(fold: int, others: TrainingData) -> RunDirectory:
        place = RunDirectory(run.path / "folds" / str(fold))
        return _run(own.model_copy(update={"outpath": place.path}), others, place, None, is_for_use=False)

    kept = prune(data, config, run, train_fold)
    if processes.is_first():
        messages.inform(describe(run))
    return kept


def _weigh(config: TrainConfig, data: TrainingData, run: RunDirectory) -> TrainingData:
    """Say what each raw label counts, and note it in the run directory."""
    distributed.from_first(lambda: _refuse_other_settings(config, run))
    # What is wrong with the settings is said before minutes go into features.
    _rule(config, data)
    weighing.require(config)
    _note_settings(config, run)
    weighed = weighing.weigh(data, distributed.from_first(lambda: choosing.with_chosen_rounds(config, run)), run)
    if processes.is_first():
        messages.inform(weighing.describe(run))
    return weighed


def _around(config: TrainConfig, **changes: Any) -> TrainConfig:
    """The settings for a run that serves another: one run, from the beginning."""
    alone = {"confident_learning": False, "weighing": "none", "student": False, "refit": False}
    return config.model_copy(update={**alone, "resume": None, "start_epoch": 0, **changes})


def _note_settings(config: TrainConfig, run: RunDirectory) -> None:
    """Write the settings before the run itself starts: its seed may have been drawn, and is needed to go on."""
    if not distributed.from_first((run.path / "config.json").exists):
        write_json(run.path / "config.json", config.as_json())


def _teach(
    config: TrainConfig,
    data: TrainingData,
    run: RunDirectory,
    make_evaluator: MakeEvaluator | None,
    is_for_use: bool,
) -> RunDirectory:
    """Train the teacher of `run`, in a folder of its own and on the same split."""
    _note_settings(config, run)
    teacher = RunDirectory(run.path / "teacher")
    # Its images are the pruned ones too, so it says so.
    same = {"confident_learning": config.confident_learning, "weighing": config.weighing}
    own = _around(config, outpath=teacher.path, **same)
    return _run(own, data, teacher, make_evaluator, is_for_use=is_for_use)


def _refit(
    config: TrainConfig, data: TrainingData, num_images: int, run: RunDirectory, evaluator: EpochEvaluator | None
) -> None:
    """Train anew on all of `data` for as many steps, at the same rates, as `run` took on `num_images`."""
    refit = RunDirectory(run.path / "refit")
    if distributed.from_first(lambda: _summary(refit)) is not None:
        return
    selected = distributed.from_first(lambda: run.summary().selected_epoch)
    num_steps = steps_per_epoch(num_images, config.batch_size)
    shorter = config.model_copy(update={"epochs": selected + 1, "resume": None, "start_epoch": 0})
    last_epoch: StoppingRule[Any] = families.load(families.Family.STOPPING_RULE, "last_epoch")()
    with refit.claimed():
        trainer = _start(shorter, data, last_epoch, refit, evaluator, num_steps)
        trainer.schedule_config = config
        trainer.fit()
        calibrate(refit, data, run)
    images = f"{len(data.train)} raw images{' that were not left out' if config.confident_learning else ''}"
    refit.write_summary(
        Summary(
            rule="refit",
            selected_epoch=selected,
            why=f"all {images}, for the steps of the {selected + 1} epochs selected before",
            last_epoch=selected,
            seed=config.seed,
            data=data.fingerprint,
        ).adding(looked_at=photos_looked_at(data.origin))
    )


def _summary(run: RunDirectory) -> Summary | None:
    """The summary of a finished run; None before its end."""
    return run.summary() if run.read().is_finished else None


def _default_path(config: TrainConfig, data: TrainingData) -> Path:
    """The same settings on the same data have the same name, so the same command goes on."""
    model = re.sub(r"[^A-Za-z0-9_.-]+", "-", config.encoder or config.model)

    free = TrainConfig.named(Role.PLACE, Role.SPEED) - _SECOND_TEST

    def path(settings: TrainConfig) -> Path:
        digest = settings.fingerprint(exclude=free)[:6] + data.fingerprint[:4]
        return runs_path(config.root) / f"{model}-{config.method}-{digest}"

    plain = path(config.model_copy(update=dict.fromkeys(_SECOND_TEST)))
    # Older versions named a run by its second test set too.
    return named if (named := path(config)).exists() else plain


def _settle_seed(config: TrainConfig, run: RunDirectory) -> TrainConfig:
    """Draw a seed when none is given; a run that goes on keeps the one it has."""
    if config.seed is not None:
        return config
    known = run.read().config.seed if (run.path / "config.json").exists() else None
    drawn = secrets.randbelow(2**31) if known is None else known
    # The data were read without it; whoever reads them by the saved settings must find the same split and noise.
    return config.model_copy(update={"seed": drawn, "data_seed": config.seed_of_data})


def _refuse_other_settings(config: TrainConfig, run: RunDirectory) -> None:
    """A run directory holds one run: going on with other settings would be neither the old nor the new."""
    if not (run.path / "config.json").exists() or not (run.log() or run.last_checkpoint.exists()):
        return  # Nothing has come of it yet, as when its first step asked for too much memory.
    # A run of an older version knows nothing of newer settings, so it has their defaults.
    before, now = run.read().given, config.as_json()
    for key, value in now.items():
        if before[key] != value and key in TrainConfig.named(Role.RESULT):
            raise ConfigError(
                f"--{key.replace('_', '-')}: {run.path} was made with {before[key]}, not {value}; "
                "choose another --outpath"
            )

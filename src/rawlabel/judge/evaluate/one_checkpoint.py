"""`rawlabel train --evaluate`: measure one checkpoint on the test set, and train nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.correctness import logged_accuracies
from rawlabel.base.progress import note
from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError
from rawlabel.images.input import locate
from rawlabel.judge.evaluate.opening import read_test_input, test_request
from rawlabel.judge.evaluate.overlap import note_overlap_of_run
from rawlabel.judge.evaluate.stage import note_opening, write_correct
from rawlabel.models.checkpoint import load_checkpoint
from rawlabel.models.device import choose_device
from rawlabel.models.networks.normalization import IMAGENET
from rawlabel.models.precision import precision_of_run
from rawlabel.models.predictor import Predictor, build_predictor, load_predictor
from rawlabel.training.around.fitting import with_fitting_views
from rawlabel.training.data import load_training_data
from rawlabel.training.image_cache import images_to_measure
from rawlabel.training.resuming import existing_checkpoint, load_into, read_published
from rawlabel.training.stage import find_run


@dataclass(frozen=True)
class CheckpointAccuracy:
    """What a checkpoint gets right."""

    checkpoint: Path
    epoch: int
    """The last epoch that it was trained for, counted from 0; -1 where it is of before the first."""
    test: Path
    images: int
    top1: float
    """Accuracy [percent]."""
    top5: float | None
    """None where there are no more than five classes."""


def evaluate_checkpoint(config: TrainConfig) -> CheckpointAccuracy:
    """Measure --resume on --test, or the selected epoch of the run that these settings name.

    With --track-correct it writes correct.json to --outpath, or else to the run directory. Raises `ConfigError`,
    `CheckpointError`, `DataError`, `DiskError`.
    """
    if config.test is None:
        raise ConfigError("--test: --evaluate needs a test set; name one")
    folder = locate(config.root, config.test)
    path = existing_checkpoint(config)
    if path is not None and Path(config.resume or "").is_dir():
        # Whoever names a run, not a file, means what it selected.
        path = RunDirectory(Path(config.resume or "")).selected_checkpoint
    if path is None:
        data = load_training_data(config)
        path = find_run(with_fitting_views(config, data), data).selected_checkpoint
    predictor, class_ids, epoch = _load(path, config)
    # A checkpoint can be measured where its training data are not; which classes were left out, only they tell.
    chooses = config.select_classes or config.num_classes or config.min_allowed_images
    left_out = load_training_data(config).left_out if chooses else ()
    test = read_test_input(folder, class_ids, test_request(config), left_out)
    labeled = test.images
    run = RunDirectory(config.outpath or path.parent.parent)
    if run.path.is_dir():
        note_opening(run, folder)
    images = images_to_measure(labeled.source, predictor, config.reading_threads, "reading test images")
    logits = predictor.logits(images)
    if config.track_correct:
        write_correct(run.path, labeled, logits)
    # The run that the checkpoint is of, which need not be where correct.json goes.
    own = RunDirectory(path.parent.parent)
    if own.read().is_finished:
        note_overlap_of_run(own, test, folder)
    else:
        note(f"{folder}: is not compared with the training images: {own.path} is no finished run")
    accuracies = logged_accuracies(logits, labeled.labels)
    return CheckpointAccuracy(path, epoch, folder, len(labeled.labels), accuracies["acc1"], accuracies["acc5"])


def _load(path: Path, config: TrainConfig) -> tuple[Predictor, list[str], int]:
    """Predictor, class ids and last trained epoch of a checkpoint of ours or a published one."""
    device = choose_device(config.device, config.gpu)
    own = precision_of_run(RunDirectory(path.parent.parent), device)
    precision = config.precision if config.precision != "auto" else own
    where = {"device": config.device, "gpu": config.gpu, "precision": precision}
    if path.suffix == ".safetensors":
        return load_predictor(path, **where)
    published = read_published(path)
    if published is None:
        saved = load_checkpoint(path)
        predictor, class_ids, _ = load_predictor(path.parent / saved["weights"], **where)
        return predictor, class_ids, saved["epoch"] - (saved["step"] == 0)
    data = load_training_data(config)
    torch.manual_seed(config.seed or 0)
    predictor = build_predictor(config, len(data.train), len(data.class_ids), IMAGENET, is_training=False)
    load_into(predictor.method.network, published.network, path)
    return predictor, list(data.class_ids), published.epoch - 1

"""Choosing the head before it is trained (`--choose`): each candidate's score and the chosen one, in the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rawlabel.artifacts.evidence.head_choice import CHOICE, REMEDY, HeadChoice, HeadScore, read_head_choice
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.split import folds
from rawlabel.base import distributed
from rawlabel.base.checked import check_record
from rawlabel.base.files import write_json
from rawlabel.base.progress import progress
from rawlabel.config import TrainConfig
from rawlabel.config.recipe import run_of
from rawlabel.config.training.transfer import CHOSEN, HeadCandidate, read_candidates
from rawlabel.errors import ConfigError
from rawlabel.images.image_source import LabeledImages
from rawlabel.models.device import choose_device
from rawlabel.models.transfer.agreement import FOLDS
from rawlabel.models.transfer.choice import Scores, class_balanced, compared_on, score, within_reach
from rawlabel.models.transfer.encoded_views import encoding_store, refuse_pixels
from rawlabel.training.around.refit import with_holdout
from rawlabel.training.data import TrainingData
from rawlabel.training.measuring.statistics import class_size_ratio
from rawlabel.training.stopping.noisy_holdout import UNEVEN


def choice_path(run: RunDirectory) -> Path:
    """Where a run keeps what came of its candidates."""
    return run.path / CHOICE


def settle_head(config: TrainConfig, data: TrainingData, run: RunDirectory) -> TrainConfig:
    """`config` with the settings of the candidate that raw labels choose; unless `run` has it, it is found out.

    Where --resume goes on with another run's head, that one's choice is taken over with it.

    All photos of `data` take part, the holdout among them: that one is for the epoch. Raises `ConfigError`,
    `DataError` and what reading the images raises.
    """
    path = choice_path(run)
    distributed.from_first(lambda: _take_over(config, data, path))
    if not distributed.from_first(path.exists):
        refuse_pixels(config)
        store = encoding_store(config, choose_device(config.device, config.gpu))
        kept = [store.features(one.source, "features of all images") for one in (data.train, data.holdout)]
        distributed.from_first(
            lambda: _choose(path, config, data, np.concatenate([one.numpy() for one in kept if len(one)]))
        )
    chosen = distributed.from_first(lambda: _chosen(run, config, data))
    # Rounds stay the usual ones, or the settings of the run would be of another choice than its own.
    return config.model_copy(update=chosen.model_dump(include=set(CHOSEN)))


def with_chosen_rounds(config: TrainConfig, run: RunDirectory) -> TrainConfig:
    """`config` with the rounds of weighing that the chosen head of `run` names; as it is where that names none."""
    found = read_head_choice(run.path) if config.choose == "auto" else None
    rounds = _settings(found, run).weighing_rounds if found is not None else None
    return config if rounds is None else config.model_copy(update={"weighing_rounds": rounds})


def _take_over(config: TrainConfig, data: TrainingData, path: Path) -> None:
    if config.resume is None or path.exists():
        return
    other = read_head_choice(run_of(config.resume))
    if other is not None and _is_of(other, config, data):
        write_json(path, other.as_json())


def describe(run: RunDirectory) -> str:
    """One line: which head was chosen, of how many, and how it and the runner-up did."""
    found = read_head_choice(run.path)
    assert found is not None
    rows, accuracy = found.candidates, found.best.accuracy
    behind = [row.behind for row in rows if row.behind is not None and row is not found.best]
    level = sum(one.mean <= one.standard_error for one in behind)
    others = f", and {level} others are within one standard error of the most" if behind else ""
    return (
        f"head: {found.best.text}; of {len(rows)}, by {found.photos} raw labels in {FOLDS} folds"
        f"{', every class counting the same' if found.is_balanced else ''}: it says "
        f"{accuracy.mean:.1f} ± {accuracy.standard_error:.1f} % of them{others}; all are in {choice_path(run)}"
    )


def _choose(path: Path, config: TrainConfig, data: TrainingData, features: np.ndarray[Any, Any]) -> None:
    images: LabeledImages = with_holdout(data).train
    num_classes = len(data.class_ids)
    candidates = within_reach(read_candidates(config.candidate), num_classes)
    keys = images.keys_or_names()
    rows = compared_on(keys, num_classes, len(candidates))
    with progress("choosing the head", len(candidates)) as task:
        scores = score(
            features[rows],
            images.labels[rows],
            num_classes,
            folds(keys[rows], config.seed_of_data, FOLDS),
            candidates,
            decay_scale=len(data.train) / (len(rows) * (1 - 1 / FOLDS)),
            rounds=config.weighing_rounds,
            neighbors=config.weighing_neighbors,
            advance=task.advance,
        )
    if is_balanced(config, data):
        scores = replace(scores, weights=class_balanced(images.labels[rows]))
    write_json(path, _record(config, data, candidates, scores).as_json())


def is_balanced(config: TrainConfig, data: TrainingData) -> bool:
    """Whether every class counts the same in the choice, as it does for the stopping rule by default."""
    told = dict(one.partition("=")[::2] for one in config.stop_option).get("balanced", "auto")
    return told == "always" or (told == "auto" and class_size_ratio(data.train.labels) > UNEVEN)


def _record(
    config: TrainConfig, data: TrainingData, candidates: Sequence[HeadCandidate], scores: Scores
) -> HeadChoice:
    rows = [
        HeadScore.model_validate({"text": str(one), "settings": one.model_dump(), **row})
        for one, row in zip(candidates, scores.table(), strict=True)
    ]
    return HeadChoice(
        data=data.fingerprint,
        given=config.candidate,
        weighing_rounds=config.weighing_rounds,
        photos=len(scores.losses),
        folds=FOLDS,
        is_balanced=scores.weights is not None,
        chosen=scores.chosen(),
        candidates=tuple(rows),
    )


def _chosen(run: RunDirectory, config: TrainConfig, data: TrainingData) -> HeadCandidate:
    """What was chosen. Raises `DataError` for a damaged record, and `ConfigError` for one of something else."""
    found = read_head_choice(run.path)
    assert found is not None
    if not _is_of(found, config, data):
        raise ConfigError(
            f"--outpath: {choice_path(run)} was chosen on other data or of other candidates; choose another "
            "--outpath"
        )
    return _settings(found, run)


def _settings(found: HeadChoice, run: RunDirectory) -> HeadCandidate:
    return check_record(HeadCandidate, found.best.settings, choice_path(run), REMEDY)


def _is_of(found: HeadChoice, config: TrainConfig, data: TrainingData) -> bool:
    """Whether it is about these photos and candidates, and the rounds of those that name none."""
    is_same = (found.data, found.given) == (data.fingerprint, config.candidate)
    return is_same and found.weighing_rounds in (None, config.weighing_rounds)

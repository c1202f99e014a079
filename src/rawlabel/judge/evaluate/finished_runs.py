"""Finished runs as numbers: what a run's records say, and apart from them its test accuracy in each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_records import Start, oracle_epoch
from rawlabel.config import Role, TrainConfig
from rawlabel.config.training.transfer import CHOSEN
from rawlabel.errors import DataError
from rawlabel.records import EpochRecord

# Settings in which runs of one group may differ: where and how a run was made, and what was selected of it; of
# which data it was made is no such thing.
_WHICH_DATA = frozenset({"root", "main", "test", "sub"})
_SELECTED = frozenset({"seed", "stop", "stop_option"})
_NOT_GROUPED = (TrainConfig.named(Role.PLACE, Role.SPEED, Role.START) - _WHICH_DATA) | {
    *_SELECTED, *TrainConfig.refused, *TrainConfig.replaced
}  # fmt: skip


@dataclass(frozen=True)
class FinishedRun:
    """What is compared of one run: its records, and apart from them its test accuracy in each epoch."""

    run: Run
    settings: Mapping[str, Any]
    """As they were given; of a published log, its folder alone."""
    records: list[EpochRecord]
    test: dict[int, float]
    """Top-1 test accuracy [percent] by epoch."""

    @property
    def path(self) -> Path:
        """The run directory, by which tables and messages name the run."""
        return self.run.path

    @property
    def seed(self) -> int | None:
        """Seed of the run; None where it was not recorded."""
        return self.settings.get("seed")

    @property
    def selected_epoch(self) -> int:
        """Epoch that the run's own rule selected. Raises `DataError` for a run that is not finished."""
        return self.run.summary.selected_epoch

    @property
    def rule(self) -> str:
        """The run's own rule with its options, `noisy_holdout, window=3`, as far as the run recorded them."""
        name = self.run.summary.rule or str(self.settings.get("stop"))
        if self.run.summary.rule_options is not None:
            return rule_text(name, self.run.summary.rule_options)
        given = self.settings.get("stop_option") or ()
        return ", ".join((name, *given, "other options not recorded"))

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch that was trained, from 0.

        It is later than the selected one unless the rule stopped there.
        """
        return self.records[-1].epoch

    @property
    def training_images(self) -> int:
        """Images that the run was trained on. Raises `DataError` when that was not recorded."""
        if (count := self._last_start.training_images) is None:
            raise DataError(f"{self.path}: does not say how many images it was trained on; train again")
        return count

    @property
    def holdout_images(self) -> int | None:
        """Images that were held out; None where that was not recorded."""
        return self._last_start.holdout_images

    @property
    def _last_start(self) -> Start:
        return self.run.last_start

    @property
    def oracle_epoch(self) -> int:
        """Epoch with the highest test accuracy, the first one on a tie; nobody could have chosen it."""
        found = oracle_epoch(self.test)
        assert found is not None, "a finished run was tested in some epoch"
        return found

    @property
    def oracle_accuracy(self) -> float:
        """Highest test accuracy [percent] of all epochs, and of the weights that fine-tuning chose from."""
        best = self.run.oracle_weights
        return self.test[self.oracle_epoch] if best is None else best[1]

    @property
    def oracle(self) -> str:
        """What has it, for people: `epoch 3`, or `averaged weights`."""
        best = self.run.oracle_weights
        return f"epoch {self.oracle_epoch}" if best is None else f"{best[0]} weights"

    def regret(self, epoch: int) -> float:
        """Percentage points between the test accuracy of the oracle epoch and of `epoch`."""
        return self.test[self.oracle_epoch] - self.test[epoch]


def rule_text(name: str, options: Mapping[str, Any]) -> str:
    """A stopping rule with its options, for people."""
    return ", ".join((name, *(f"{key}={value}" for key, value in options.items())))


def read_run(path: Path) -> FinishedRun:
    """Read a run directory, or a folder with a published log. Raises `DataError` when it has no test accuracy."""
    run = Run(path)
    if not run.epochs:
        raise DataError(f"{path}: holds no log.json with epochs; name the folder of a finished run")
    if [one.epoch for one in run.epochs] != list(range(len(run.epochs))):
        raise DataError(f"{run.log_path}: its epochs do not count up from 0; name a whole log")
    # Settings files of the published results say other things.
    settings = run.given if (path / "config.json").exists() else {"run": str(path)}
    if settings.get("choose") == "auto":
        # Seeds whose raw labels chose other heads are of one setting.
        settings = {**settings, **{key: value for key, value in TrainConfig().as_json().items() if key in CHOSEN}}
    if not run.test_accuracies:
        raise DataError(f"{run.log_path}: logged no test accuracy; train with --test")
    return FinishedRun(run, settings, _records(run, settings), run.test_accuracies)


def _records(run: Run, settings: Mapping[str, Any]) -> list[EpochRecord]:
    """The run's records with what a rule may ask that the run's own had no need of, so was not logged."""
    epochs, held = settings.get("epochs") or len(run.epochs), run.last_start.holdout_images
    records = [one.record() for one in run.epochs]
    return [
        replace(
            one,
            epochs_left=max(0, epochs - 1 - one.epoch) if one.epochs_left is None else one.epochs_left,
            holdout_images=held if one.holdout_images is None else one.holdout_images,
        )
        for one in records
    ]


def group_by_settings(runs: Sequence[FinishedRun], ignore: Sequence[str] = ()) -> dict[str, list[FinishedRun]]:
    """Runs whose settings differ in nothing but the seed, by the settings that tell the groups apart.

    Raises `DataError` for two runs with the same settings and seed.
    """
    skipped = _NOT_GROUPED | set(ignore)
    grouped: list[tuple[dict[str, object], list[FinishedRun]]] = []
    for run in runs:
        own = {key: value for key, value in run.settings.items() if key not in skipped}
        # The oracle and the last epoch of a run that its rule ended are of fewer epochs.
        own["ended_early"] = len(run.records) < run.settings.get("epochs", 0)
        members = next((members for settings, members in grouped if settings == own), None)
        if members is None:
            grouped.append((own, [run]))
            continue
        twin = next((one for one in members if one.seed is not None and one.seed == run.seed), None)
        if twin is not None:
            raise DataError(f"{run.path}: has the settings and the seed of {twin.path}; name one of the two")
        members.append(run)
    keys = sorted({key for settings, _ in grouped for key in settings})
    telling = [key for key in keys if any(one.get(key) != grouped[0][0].get(key) for one, _ in grouped)]
    names = [", ".join(f"{key}={one.get(key)}" for key in telling) or "all runs" for one, _ in grouped]
    return dict(zip(names, (members for _, members in grouped), strict=True))

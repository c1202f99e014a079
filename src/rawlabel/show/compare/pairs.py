"""Evaluated runs photo by photo: which are right where others are wrong, by class and in all, and what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from rawlabel.artifacts.run_records import Accuracy
from rawlabel.base.metrics import holm, mcnemar_p
from rawlabel.config import Role, TrainConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.show.report.evidence import Prediction, RunEvidence, read_run

SIGNIFICANT = 0.05
Answers = Mapping[tuple[str, str], Prediction]
"""What a run said of each test photo, by file and true class."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run of the comparison."""

    name: str
    path: str
    epoch: int
    accuracy: Accuracy


@dataclass(frozen=True, slots=True)
class RunPair:
    """Two runs on the same photos: the exact test of McNemar asks whether either is right more often."""

    first: str
    second: str
    only_first: int
    """Photos that the first run alone names rightly."""
    only_second: int
    both: int
    neither: int
    difference: float
    """Second minus first [percentage points]."""
    p: float
    holm_p: float
    """`p`, corrected by Holm for all pairs of runs."""

    @property
    def is_told(self) -> bool:
        """Whether the photos that were measured tell the two apart."""
        return self.holm_p <= SIGNIFICANT

    def describe(self) -> str:
        """The comparison in one sentence, for people."""
        better = self.second if self.difference > 0 else self.first
        if self.is_told:
            return (
                f"{better} is better than {self.first if better == self.second else self.second} by "
                f"{abs(self.difference):.2f} points, more than chance explains on these photos "
                f"(p = {self.holm_p:.2g})"
            )
        return (
            f"these photos do not tell {self.first} and {self.second} apart: {self.difference:+.2f} points, "
            f"p = {self.holm_p:.2g}"
        )


@dataclass(frozen=True, slots=True)
class ClassChange:
    """One class under two runs, on the same photos."""

    label: str
    trials: int
    first: int
    """Photos that the first run names rightly."""
    second: int
    gained: int
    """Photos that the second run alone names rightly."""
    lost: int
    difference: float
    """Second minus first [percentage points]."""
    p: float
    holm_p: float
    """`p`, corrected by Holm for all classes of this pair of runs."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A photo that one of two runs names rightly, and the other does not."""

    file: str
    true: str
    first: str
    second: str
    is_gained: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting in which the runs differ, and its value in each."""

    name: str
    is_of_result: bool
    """Whether it has a say in the result, rather than in where and how fast it is computed."""
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is compared; classes and flips are of the pairs of the first run with each other one."""

    runs: list[ComparedRun]
    images: int
    confidence: float
    pairs: list[RunPair]
    classes: dict[str, list[ClassChange]]
    flips: dict[str, list[Flip]]
    settings: list[Setting]
    same_data: bool
    warnings: list[str]


def compare_runs(paths: Sequence[Path]) -> tuple[Comparison, RunEvidence]:
    """Compare evaluated runs, and return the first one as well, whose test photos are shown.

    Raises `ConfigError` for fewer than two, and `DataError` where one is not evaluated, or on other photos.
    """
    if len(paths) < 2:
        raise ConfigError("RUN: name two evaluated run directories or more, such as `rawlabel compare RUN RUN`")
    if len({one.resolve() for one in paths}) < len(paths):
        raise ConfigError("RUN: the same run directory is named twice; compare different ones")
    runs = [read_run(path) for path in paths]
    answers = [_answers(run) for run in runs]
    for run, said in zip(runs[1:], answers[1:], strict=True):
        if said.keys() != answers[0].keys():
            raise DataError(
                f"{run.path}: was evaluated on other test photos than {runs[0].path}; run `rawlabel "
                "evaluate` with the same --test FOLDER on both"
            )
    names = _names(paths)
    pairs = _pairs(names, answers)
    others = list(zip(names[1:], answers[1:], strict=True))
    measured = [run.measurement for run in runs]
    compared = [
        ComparedRun(name, str(run.path), one.selected.epoch, one.selected.top1)
        for name, run, one in zip(names, runs, measured, strict=True)
        if one is not None
    ]
    comparison = Comparison(
        compared,
        len(answers[0]),
        100 * (measured[0].confidence if measured[0] else 0.95),
        pairs,
        {name: _classes(answers[0], said) for name, said in others},
        {name: _flips(answers[0], said) for name, said in others},
        _settings(runs),
        len({run.data_fingerprint for run in runs}) == 1,
        _warnings(runs),
    )
    return comparison, runs[0]


def _answers(run: RunEvidence) -> Answers:
    if run.measurement is None:
        raise DataError(f"{run.path}: is not evaluated yet; run `rawlabel evaluate {run.path}` first")
    return {(one.file, one.true_class): one for one in run.predictions()}


def _names(paths: Sequence[Path]) -> list[str]:
    """Names of the folders; whole paths where two are called the same."""
    names = [path.resolve().name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _is_right(one: Prediction) -> bool:
    return one.predicted_class == one.true_class


def _pairs(names: Sequence[str], answers: Sequence[Answers]) -> list[RunPair]:
    chosen = list(combinations(range(len(names)), 2))
    counts = []
    for i, j in chosen:
        right = [(_is_right(one), _is_right(answers[j][key])) for key, one in answers[i].items()]
        counts.append([right.count(one) for one in _CASES])
    p_values = [mcnemar_p(only_first, only_second) for only_first, only_second, _, _ in counts]
    corrected = holm(p_values).tolist()
    return [
        RunPair(
            names[i], names[j], only_first, only_second, both, neither,
            100 * (only_second - only_first) / max(only_first + only_second + both + neither, 1),
            p_values[position], corrected[position],
        )
        for position, ((i, j), (only_first, only_second, both, neither)) in enumerate(
            zip(chosen, counts, strict=True)
        )
    ]  # fmt: skip


_CASES = ((True, False), (False, True), (True, True), (False, False))


def _classes(first: Answers, second: Answers) -> list[ClassChange]:
    """Each class by its change; both runs of a row saw the same photos, so nothing is sorted by itself."""
    rows = []
    for label in sorted({true for _, true in first}):
        right = [(_is_right(one), _is_right(second[key])) for key, one in first.items() if key[1] == label]
        lost, gained, both, _ = (right.count(one) for one in _CASES)
        rows.append((label, len(right), both + lost, both + gained, gained, lost))
    p_values = [mcnemar_p(gained, lost) for *_, gained, lost in rows]
    changes = [
        ClassChange(*row, 100 * (row[3] - row[2]) / row[1], p, float(corrected))
        for row, p, corrected in zip(rows, p_values, holm(p_values), strict=True)
    ]
    return sorted(changes, key=lambda one: (one.difference, one.label))


def _flips(first: Answers, second: Answers) -> list[Flip]:
    """Photos on which just one of the two is right: lost ones first, each kind by class and file."""
    flips = [
        Flip(one.file, one.true_class, one.predicted_class or "no answer", other.predicted_class or "no answer",
             _is_right(other))
        for key, one in first.items()
        if _is_right(one) != _is_right(other := second[key])
    ]  # fmt: skip
    return sorted(flips, key=lambda one: (one.is_gained, one.true, one.file))


def _settings(runs: Sequence[RunEvidence]) -> list[Setting]:
    values = [run.config.as_json() for run in runs]
    of_result = TrainConfig.named(Role.RESULT, Role.START)
    found = [
        Setting(name, name in of_result, tuple("none" if one[name] is None else str(one[name]) for one in values))
        for name in values[0]
        if any(one[name] != values[0][name] for one in values[1:])
    ]
    return sorted(found, key=lambda one: not one.is_of_result)


def _warnings(runs: Sequence[RunEvidence]) -> list[str]:
    found = []
    if len({run.data_fingerprint for run in runs}) > 1:
        found.append("The runs were trained on different data, so what differs is not their settings alone.")
    if len({run.config.seed for run in runs}) == 1 and len(runs) > 1:
        found.append(
            "Each run is one training. The tests ask whether these two networks differ on photos like these, not "
            "whether another seed would tell the same; several seeds of each would."
        )
    return found

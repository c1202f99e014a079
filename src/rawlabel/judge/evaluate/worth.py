"""How many clean labels a set of raw labels is worth: the size of the clean set that trains as good a classifier.

A curve a(n) = a_inf - b n^(-c), the usual power law of learning curves (Hestness et al., arXiv 1712.00409), is
fitted to runs on clean sets of several sizes n. Where it reaches the accuracy of the raw runs is their clean-label
equivalent. Beside it stands what a line in log n between the two nearest measured sizes says, which assumes less
and knows nothing beyond them. Intervals are percentiles of a parametric bootstrap: the mean of each size's runs,
and of the raw runs, is drawn anew by Student's t, so they speak of seeds and not of other test sets.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy.optimize import OptimizeWarning, curve_fit

from rawlabel.base.files import write_json
from rawlabel.config import WorthConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.judge.evaluate.finished_runs import FinishedRun, group_by_settings, read_run

Numbers = npt.NDArray[np.float64]
_HIGHEST = 100.0
"""No accuracy is higher, and so no asymptote [percent]."""
BOUND_REMARK = (
    "the asymptote of the curve lies on its bound, 100 %: these sizes do not tell where it ends, so what labels "
    "are worth by it is as good as its form; a line in log n assumes less"
)


@dataclass(frozen=True)
class LearningCurve:
    """a(n) = limit - scale n^(-rate): accuracy [percent] after training on n clean images."""

    limit: float
    scale: float
    rate: float

    @property
    def is_limit_its_bound(self) -> bool:
        """Whether the asymptote is the highest there can be: the sizes then do not say where the curve ends."""
        return self.limit > _HIGHEST - 0.01

    def accuracy(self, size: npt.ArrayLike) -> Numbers:
        """Accuracy [percent] that the fitted power law gives for each number of images in `size`."""
        return np.asarray(self.limit - self.scale * np.asarray(size, dtype=float) ** -self.rate)

    def size(self, accuracy: float) -> float:
        """Images that reach `accuracy`; infinite when no number of them does."""
        if accuracy >= self.limit:
            return float("inf")
        return float(((self.limit - accuracy) / self.scale) ** (-1 / self.rate))


@dataclass(frozen=True)
class Equivalent:
    """What one group of raw runs is worth."""

    name: str
    num_raw: int
    """Raw images that each run was trained on."""
    accuracies: tuple[float, ...]
    """Test accuracy at the selected epoch [percent], of each run."""
    num_clean: float
    """Clean images that train as well; infinite when the curve never gets there."""
    interval: tuple[float, float] | None
    """Bootstrap interval of `num_clean`; None when no size has a second run."""
    linear_in_log: float | None = None
    """Clean images by a line in log n between the two nearest sizes; None beyond what was measured."""
    note: str = ""
    """A warning where the number lies beyond what was measured."""

    @property
    def per_label(self) -> float:
        """Clean labels that one raw label is worth."""
        return self.num_clean / self.num_raw


@dataclass(frozen=True)
class Worth:
    """The measured points, the curve through them, and each group of raw runs against it."""

    clean: dict[int, tuple[float, ...]]
    """Accuracies [percent] of the clean runs, by size."""
    curve: LearningCurve
    equivalents: tuple[Equivalent, ...]


def measure_worth(config: WorthConfig) -> Worth:
    """Compare raw with clean runs, by the accuracy at the epoch that each run's rule selected.

    Raises `ConfigError`, `DataError` for runs that cannot be compared, `DiskError`.
    """
    if not config.runs or not config.clean:
        raise ConfigError("RUN and --clean: name finished runs on raw labels, and with --clean on clean ones")
    clean: dict[int, list[float]] = defaultdict(list)
    for run in map(read_run, config.clean):
        clean[run.training_images].append(run.test[run.selected_epoch])
    if len(clean) < 4:
        raise DataError(f"--clean: runs of {len(clean)} sizes cannot carry a curve; train on four sizes or more")
    points = {size: tuple(clean[size]) for size in sorted(clean)}
    curve = fit_curve(points)
    rng = np.random.default_rng(config.seed)
    curves = _resampled_curves(points, config.resamples, rng)
    groups = group_by_settings([read_run(path) for path in config.runs], config.ignore)
    found = tuple(_equivalent(name, runs, curve, curves, points, config, rng) for name, runs in groups.items())
    worth = Worth(points, curve, found)
    if config.out is not None:
        write_json(config.out / "worth.json", as_json(worth, config))
    return worth


def fit_curve(points: dict[int, tuple[float, ...]]) -> LearningCurve:
    """Least squares over all runs. Raises `DataError` when the accuracies do not rise with the size."""
    sizes = np.array([size for size, accuracies in points.items() for _ in accuracies], dtype=float)
    values = np.concatenate([np.array(accuracies, dtype=float) for accuracies in points.values()])
    first = (values.max() + 2, (values.max() - values.min() + 2) * sizes.min() ** 0.5, 0.5)
    bounds = ([0, 0, 0.01], [_HIGHEST, np.inf, 3])
    try:
        with warnings.catch_warnings():
            # A covariance that cannot be estimated is no matter here: the intervals come from the bootstrap.
            warnings.simplefilter("ignore", OptimizeWarning)
            fitted, _ = curve_fit(
                lambda n, limit, scale, rate: limit - scale * n**-rate,
                sizes, values, p0=np.clip(first, *bounds), bounds=bounds, max_nfev=20000,
            )  # fmt: skip
    except RuntimeError as error:
        raise DataError("--clean: no learning curve fits these accuracies; add sizes or seeds") from error
    if fitted[1] <= 0:
        raise DataError("--clean: the accuracy does not rise with the number of images; add sizes or epochs")
    return LearningCurve(*map(float, fitted))


def _resampled_curves(
    points: dict[int, tuple[float, ...]], count: int, rng: np.random.Generator
) -> list[LearningCurve]:
    """Curves through means drawn anew for each size; none when no size has two runs."""
    if max(map(len, points.values())) < 2:
        return []
    curves = []
    for _ in range(count):
        drawn = {size: (drawn_mean(values, rng),) * len(values) for size, values in points.items()}
        try:
            curves.append(fit_curve(drawn))
        except DataError:
            # A draw that no curve fits says that the size is not determined: it counts as unlimited.
            curves.append(LearningCurve(0.0, 1.0, 1.0))
    return curves


def drawn_mean(values: Sequence[float] | npt.NDArray[np.float64], rng: np.random.Generator) -> float:
    """A mean as repetitions would give it: a parametric bootstrap by Student's t.

    Runs drawn with replacement would say too little of the spread: of three, they are often the same one thrice.
    """
    count = len(values)
    error = np.std(values, ddof=1) / np.sqrt(count) if count > 1 else 0.0
    return float(np.mean(values) + error * (rng.standard_t(count - 1) if count > 1 else 0.0))


def _equivalent(
    name: str,
    runs: list[FinishedRun],
    curve: LearningCurve,
    curves: list[LearningCurve],
    points: dict[int, tuple[float, ...]],
    config: WorthConfig,
    rng: np.random.Generator,
) -> Equivalent:
    sizes = {run.training_images for run in runs}
    if len(sizes) > 1:
        raise DataError(f"{name}: its runs were trained on {sorted(sizes)} images; compare runs of one size")
    accuracies = np.array([run.test[run.selected_epoch] for run in runs])
    num_clean = curve.size(float(accuracies.mean()))
    interval = None
    if curves and len(accuracies) > 1:
        drawn = [one.size(drawn_mean(accuracies, rng)) for one in curves]
        tail = (1 - config.confidence) / 2
        # Among unlimited values there is nothing to interpolate.
        low, high = np.quantile(drawn, [tail, 1 - tail], method="nearest")
        interval = float(low), float(high)
    note = ""
    if num_clean > max(points):
        note = f"beyond the largest clean set ({max(points)}): extrapolated"
    elif num_clean < min(points):
        note = f"below the smallest clean set ({min(points)}): extrapolated"
    lines = linear_in_log({size: float(np.mean(values)) for size, values in points.items()}, accuracies.mean())
    return Equivalent(name, sizes.pop(), tuple(accuracies.tolist()), num_clean, interval, lines, note)


def linear_in_log(means: Mapping[int, float], accuracy: float) -> float | None:
    """The size where lines in log n through the `means` first reach `accuracy`; None beyond the sizes."""
    sizes = sorted(means)
    if means[sizes[0]] > accuracy:
        return None
    for below, above in pairwise(sizes):
        low, high = means[below], means[above]
        if low <= accuracy <= high:
            way = (accuracy - low) / (high - low) if high > low else 0.0
            return float(below * (above / below) ** way)
    return None


class CurveRow(TypedDict):
    """The fitted curve as it is written."""

    limit: float
    scale: float
    rate: float
    is_limit_its_bound: bool


class EquivalentRow(TypedDict):
    """What a group of raw runs is worth, as it is written; None stands for a number of images without limit."""

    name: str
    num_raw: int
    accuracies: tuple[float, ...]
    num_clean: float | None
    interval: list[float | None] | None
    linear_in_log: float | None
    note: str
    per_label: float | None


class WorthReport(TypedDict):
    """The content of `worth.json`."""

    confidence: float
    resamples: int
    clean: dict[str, list[float]]
    """Accuracies of the clean runs by size."""
    curve: CurveRow
    raw: list[EquivalentRow]


def as_json(worth: Worth, config: WorthConfig) -> WorthReport:
    """Plain values, with None for a number of images without limit."""

    def finite(value: float) -> float | None:
        return value if np.isfinite(value) else None

    return {
        "confidence": config.confidence,
        "resamples": config.resamples,
        "clean": {str(size): list(values) for size, values in worth.clean.items()},
        "curve": {
            "limit": worth.curve.limit,
            "scale": worth.curve.scale,
            "rate": worth.curve.rate,
            "is_limit_its_bound": worth.curve.is_limit_its_bound,
        },
        "raw": [
            {
                "name": one.name,
                "num_raw": one.num_raw,
                "accuracies": one.accuracies,
                "num_clean": finite(one.num_clean),
                "interval": None if one.interval is None else [finite(end) for end in one.interval],
                "linear_in_log": one.linear_in_log,
                "note": one.note,
                "per_label": finite(one.per_label),
            }
            for one in worth.equivalents
        ],
    }

"""Figure 5-a, paired: two models class by class on the same test images, with tests of the differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from rawlabel.base.metrics import holm, paired_counts_p
from rawlabel.show.figures.class_results import ClassResults
from rawlabel.show.figures.output import FigureFolder
from rawlabel.show.figures.result_folders import ResultFolders
from rawlabel.show.figures.style import (
    CLEAN_COLOR,
    RAW_COLOR,
    class_row_axes,
    class_rows_figure,
    finish_class_rows,
    label_class_rows,
    split_into_columns,
)

_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two models' results in one order of classes, by falling difference of accuracy (raw minus clean)."""

    raw: ClassResults
    clean: ClassResults
    fisher_p: NDArray[np.float64]
    holm_p: NDArray[np.float64]

    @property
    def difference(self) -> NDArray[np.float64]:
        return self.raw.accuracy - self.clean.accuracy

    @property
    def disjoint(self) -> NDArray[np.bool_]:
        """Whether the two intervals of a class have no point in common."""
        raw_lower, raw_upper = self.raw.interval()
        clean_lower, clean_upper = self.clean.interval()
        return (raw_lower > clean_upper) | (clean_lower > raw_upper)


def draw_paired(out: FigureFolder, folders: ResultFolders, raw: ClassResults, clean: ClassResults) -> None:
    """Draw `figure_5a_paired` as a dumbbell plot and write its numbers and tests.

    The published files hold counts and no per-image results, so McNemar's test is out of reach and Fisher's
    exact test stands in. `raw` and `clean` must have the same classes and trials.
    """
    pair = _make_pair(raw, clean)
    excluded = folders.excluded or frozenset()
    columns = split_into_columns(len(pair.raw.class_ids))
    figure = class_rows_figure(columns)
    for axes, rows in zip(class_row_axes(figure, columns), columns, strict=True):
        _plot_rows(axes, pair, rows)
        class_ids = pair.raw.class_ids[rows.start : rows.stop]
        label_class_rows(axes, [folders.name(one) for one in class_ids], len(columns[0]))
        for tick, position in zip(axes.get_yticklabels(), rows, strict=True):
            if pair.holm_p[position] <= _SIGNIFICANT:
                tick.set_fontweight("bold")
            if pair.raw.class_ids[position] in excluded:
                tick.set_fontstyle("italic")
    note = (
        "thin lines: 95 % Clopper-Pearson intervals\n"
        f"bold: the models differ (Fisher's exact test, Holm's p ≤ {_SIGNIFICANT})"
    )
    if excluded:
        note += "\nitalic: class left out of the 100-class figures"
    title = "Figure 5-a, paired: raw and clean labels class by class, by difference"
    finish_class_rows(figure, title, "test top-1 accuracy [%]", note)
    out.save(figure, "figure_5a_paired")
    _write_numbers(out, folders, pair)
    out.summary.headline.append(_describe(pair, folders.excluded))


def _make_pair(raw: ClassResults, clean: ClassResults) -> _Pair:
    position = {class_id: index for index, class_id in enumerate(clean.class_ids)}
    clean = clean.take(np.array([position[class_id] for class_id in raw.class_ids]))
    order = np.argsort(-(raw.accuracy - clean.accuracy), kind="stable")
    raw, clean = raw.take(order), clean.take(order)
    counts = zip(raw.correct.tolist(), clean.correct.tolist(), raw.trials.tolist(), strict=True)
    fisher_p = np.array([paired_counts_p(*one) for one in counts])
    return _Pair(raw, clean, fisher_p, holm(fisher_p))


def _plot_rows(axes: Axes, pair: _Pair, rows: range) -> None:
    part, heights = slice(rows.start, rows.stop), np.arange(len(rows))
    axes.hlines(heights, pair.raw.accuracy[part], pair.clean.accuracy[part], color="#4D4D4D", linewidth=0.9)
    for results, color, marker, label, shift in (
        (pair.clean, CLEAN_COLOR, "D", "clean labels", 0.2),
        (pair.raw, RAW_COLOR, "o", "raw labels", -0.2),
    ):
        lower, upper = results.interval()
        axes.hlines(heights + shift, lower[part], upper[part], color=color, alpha=0.45, linewidth=0.6)
        axes.plot(results.accuracy[part], heights, marker, color=color, markersize=2.6, label=label)
    axes.set_xlim(-1, 103)


def _write_numbers(out: FigureFolder, folders: ResultFolders, pair: _Pair) -> None:
    raw_lower, raw_upper = pair.raw.interval()
    clean_lower, clean_upper = pair.clean.interval()
    columns = {
        "class": pair.raw.class_ids,
        "name": [folders.name(one) for one in pair.raw.class_ids],
        "excluded": [None if folders.excluded is None else one in folders.excluded for one in pair.raw.class_ids],
        "trials": pair.raw.trials.tolist(),
        "flickr_correct": pair.raw.correct.tolist(),
        "imagenet_correct": pair.clean.correct.tolist(),
        "flickr_accuracy": pair.raw.accuracy.tolist(),
        "flickr_lower": raw_lower.tolist(),
        "flickr_upper": raw_upper.tolist(),
        "imagenet_accuracy": pair.clean.accuracy.tolist(),
        "imagenet_lower": clean_lower.tolist(),
        "imagenet_upper": clean_upper.tolist(),
        "difference": pair.difference.tolist(),
        "intervals_disjoint": pair.disjoint.tolist(),
    }
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    # Six decimals would show the smallest p-values as 0, which no p-value is.
    p_values = ([f"{p:.6g}" for p in values.tolist()] for values in (pair.fisher_p, pair.holm_p))
    for row, fisher_p, holm_p in zip(rows, *p_values, strict=True):
        row += [fisher_p, holm_p]
    out.write_csv("figure_5a_paired", (*columns, "fisher_p", "holm_p"), rows)


def _describe(pair: _Pair, excluded: frozenset[str] | None) -> str:
    raw, clean = pair.raw.accuracy, pair.clean.accuracy
    text = (
        f"Figure 5-a: mean accuracy of {len(raw)} classes {raw.mean():.2f} (raw labels) and {clean.mean():.2f} "
        f"(clean labels); {pair.disjoint.sum()} classes with disjoint intervals, "
        f"{(pair.holm_p <= _SIGNIFICANT).sum()} with Holm p ≤ {_SIGNIFICANT}"
    )
    for what, inside in (("kept", False), ("excluded", True)):
        chosen = np.array([(one in (excluded or ())) is inside for one in pair.raw.class_ids])
        if excluded and chosen.any():
            text += f"; {chosen.sum()} {what} classes {raw[chosen].mean():.2f} and {clean[chosen].mean():.2f}"
    return f"{text}."

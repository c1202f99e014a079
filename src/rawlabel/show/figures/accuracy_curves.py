"""Accuracy at each epoch: Figure 2 (100 classes), Figure 7 (135 classes), and the same for one's own runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rawlabel.show.figures.output import Cell, FigureFolder
from rawlabel.show.figures.published_layout import AccuracyLog, read_accuracy_log
from rawlabel.show.figures.result_folders import ResultFolders
from rawlabel.show.figures.style import (
    CLEAN_COLOR,
    COLUMN_WIDTH,
    HOLDOUT_COLOR,
    NEUTRAL_COLOR,
    RAW_COLOR,
    SUBSET_COLOR,
    new_figure,
)

_CURVES_HEADER = ("run", "epoch", "train_top1", "test_top1", "holdout_top1", "subset_top1")
_SUMMARY_HEADER = (
    "run",
    "epochs",
    "oracle_epoch",
    "best_test_top1",
    "last_epoch",
    "last_test_top1",
    "selected_epoch",
    "selected_test_top1",
)


@dataclass(frozen=True, slots=True)
class _Run:
    name: str
    label: str
    """What the legend puts before the name of each curve."""
    color: str
    log: AccuracyLog


def draw_published_curves(out: FigureFolder, folders: ResultFolders, number: int, num_classes: int) -> None:
    """Draw Figure `number`: the raw and the clean run with `num_classes` classes, and the raw run's best."""
    raw_name, clean_name = f"flickr_cls{num_classes}", f"imagenet_cls{num_classes}"
    missing = folders.missing(f"{raw_name}/log.json", f"{clean_name}/log.json")
    if missing:
        out.summary.skipped.append(f"Figure {number} needs {' and '.join(missing)} in {folders.results}.")
        return
    raw = _Run(raw_name, "raw labels, ", RAW_COLOR, read_accuracy_log(folders.results / raw_name))
    clean = _Run(clean_name, "clean labels, ", CLEAN_COLOR, read_accuracy_log(folders.results / clean_name))
    untested = [run.name for run in (raw, clean) if not run.log.has_test]
    if untested:
        out.summary.skipped.append(f"Figure {number} needs test accuracies in {' and '.join(untested)}/log.json.")
        return
    figure = new_figure(COLUMN_WIDTH, 3.3)
    axes = figure.subplots()
    best = float(raw.log.test[raw.log.oracle_position])
    axes.axhline(best, color=NEUTRAL_COLOR, linewidth=1)
    axes.annotate(
        f"best of raw labels: {best:.2f} %",
        (0, best),
        (4, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        color="#4D4D4D",
    )
    for run in (raw, clean):
        _plot_run(axes, run)
    _finish(axes, f"Figure {number}: top-1 accuracy with {num_classes} classes")
    out.save(figure, f"figure_{number}")
    _write_numbers(out, f"figure_{number}", (raw, clean))
    out.summary.headline.append(
        f"Figure {number}: raw labels {_describe(raw.log)}; clean labels {_describe(clean.log)}."
    )


def draw_run_curves(out: FigureFolder, name: str, log: AccuracyLog) -> None:
    """Draw `curves_<name>` of a run, with the selected and the oracle epoch marked."""
    run = _Run(name, "", RAW_COLOR, log)
    figure = new_figure(COLUMN_WIDTH, 3.3)
    axes = figure.subplots()
    _plot_run(axes, run)
    if not np.isnan(log.holdout).all():
        axes.plot(log.epochs, log.holdout, color=HOLDOUT_COLOR, linewidth=1.3, label="held-out raw labels")
    if not np.isnan(log.subset).all():
        axes.plot(log.epochs, log.subset, color=SUBSET_COLOR, linewidth=1.3, label="second test set")
    if log.selected_epoch is not None:
        label = f"selected epoch {log.selected_epoch}"
        axes.axvline(log.selected_epoch, color=NEUTRAL_COLOR, linewidth=1.2, linestyle=":", label=label)
    _finish(axes, f"Top-1 accuracy of {name}")
    out.save(figure, f"curves_{name}")
    _write_numbers(out, f"curves_{name}", (run,))
    out.summary.headline.append(f"Curves of {name}: {_describe(log)}.")


def _plot_run(axes: Axes, run: _Run) -> None:
    log = run.log
    axes.plot(log.epochs, log.train, color=run.color, linewidth=1.0, linestyle="--", label=f"{run.label}training")
    if not log.has_test:
        return
    axes.plot(log.epochs, log.test, color=run.color, linewidth=1.4, label=f"{run.label}test")
    best = log.oracle_position
    axes.plot(
        log.epochs[best],
        log.test[best],
        color=run.color,
        linestyle="none",
        marker="o",
        markersize=5,
        markerfacecolor="white",
        markeredgewidth=1.5,
        label=f"{run.label}oracle epoch {log.epochs[best]}",
    )


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("epoch (from 0)")
    axes.set_ylabel("top-1 accuracy [%]")
    axes.set_ylim(0, 100)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.grid()
    axes.legend(loc="lower right", fontsize=7, frameon=True, framealpha=0.85, edgecolor="none")


def _write_numbers(out: FigureFolder, name: str, runs: tuple[_Run, ...]) -> None:
    curves: list[list[Cell]] = []
    for run in runs:
        log = run.log
        measured = zip(log.epochs.tolist(), log.train, log.test, log.holdout, log.subset, strict=True)
        curves += [
            [run.name, epoch, *(None if np.isnan(value) else float(value) for value in values)]
            for epoch, *values in measured
        ]
    out.write_csv(name, _CURVES_HEADER, curves)
    out.write_csv(f"{name}_summary", _SUMMARY_HEADER, [_summary_row(run) for run in runs])


def _summary_row(run: _Run) -> list[Cell]:
    """Return the epochs that matter and their test accuracies, with the two decimals that papers quote."""
    log = run.log
    if not log.has_test:
        return [run.name, len(log.epochs), None, None, int(log.epochs[-1]), None, log.selected_epoch, None]
    row: list[Cell] = [run.name, len(log.epochs)]
    for position in (log.oracle_position, log.last_position):
        row += [int(log.epochs[position]), f"{log.test[position]:.2f}"]
    selected = log.selected_position
    known = selected is not None and not np.isnan(log.test[selected])
    return [*row, log.selected_epoch, f"{log.test[selected]:.2f}" if known else None]


def _describe(log: AccuracyLog) -> str:
    selected = log.selected_position
    if not log.has_test:
        text = f"{len(log.epochs)} epochs without test accuracy"
        return text if selected is None else f"{text}, epoch {log.selected_epoch} selected"
    best, last = log.oracle_position, log.last_position
    text = (
        f"best test top-1 {log.test[best]:.2f} at epoch {log.epochs[best]} (oracle), "
        f"last {log.test[last]:.2f} at epoch {log.epochs[last]}"
    )
    if selected is not None and not np.isnan(log.test[selected]):
        text += f", selected {log.test[selected]:.2f} at epoch {log.selected_epoch}"
    return text

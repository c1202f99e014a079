"""The figure of `rawlabel worth`: the learning curve on clean labels, and where raw labels meet it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rawlabel.judge.evaluate.worth import Equivalent, Worth
from rawlabel.show.figures.output import FigureFolder, FiguresSummary
from rawlabel.show.figures.style import CLEAN_COLOR, RAW_COLOR, figure_style, log_axis, new_figure, shorten


def _draw_equivalent(axes: Axes, one: Equivalent, number: str) -> None:
    """Its runs where they were trained; where the curve has their mean, its number and the interval."""
    mean = float(np.mean(one.accuracies))
    axes.plot([one.num_raw] * len(one.accuracies), one.accuracies, "s", color=RAW_COLOR, alpha=0.4)
    where: float = one.num_raw
    if np.isfinite(one.num_clean):
        axes.plot(one.num_clean, mean, "D", color=RAW_COLOR, fillstyle="none")
        where = one.num_clean
    if one.interval and np.isfinite(one.interval).all():
        axes.plot(one.interval, [mean, mean], color=RAW_COLOR, linewidth=1.5)
    axes.annotate(number, (where, mean), (4, 3), textcoords="offset points", fontsize=7)


def draw_worth(worth: Worth, out: Path) -> FiguresSummary:
    """Write `worth.png`, `worth.pdf` and `worth.csv` to the folder `out`. Raises `DiskError`."""
    folder = FigureFolder(out)
    with figure_style():
        figure = new_figure(8, 4.5)
        axes = figure.subplots()
        sizes = np.array([size for size, values in worth.clean.items() for _ in values])
        measured = np.concatenate([np.array(values) for values in worth.clean.values()])
        axes.plot(sizes, measured, "o", color=CLEAN_COLOR, label="clean labels, one run each")
        grid = np.geomspace(sizes.min(), sizes.max(), 200)
        axes.plot(grid, worth.curve.accuracy(grid), color=CLEAN_COLOR)
        for number, one in enumerate(worth.equivalents, start=1):
            _draw_equivalent(axes, one, str(number))
        axes.plot([], [], "s", color=RAW_COLOR, alpha=0.4, label="raw labels, one run each")
        axes.plot([], [], "D", color=RAW_COLOR, fillstyle="none", label="clean images worth as much, interval")
        log_axis(axes, [*worth.clean, *(one.num_raw for one in worth.equivalents)])
        axes.set(xlabel="training images", ylabel="test accuracy at the selected epoch [%]")
        axes.grid(True)
        axes.legend(loc="best", fontsize=7)
        names = [f"{number}  {shorten(one.name, 60)}" for number, one in enumerate(worth.equivalents, start=1)]
        unseen = [Line2D([], [], linestyle="none") for _ in names]
        figure.legend(unseen, names, loc="outside right upper", fontsize=7, handlelength=0)
        folder.save(figure, "worth")
    header = ("labels", "group", "images", "accuracy", "clean_images_worth_as_much", "low", "high")
    rows: list[tuple[str | int | float | None, ...]] = [
        ("clean", "", size, value, None, None, None) for size, values in worth.clean.items() for value in values
    ]
    for one in worth.equivalents:
        low, high = one.interval or (None, None)
        rows += [("raw", one.name, one.num_raw, value, one.num_clean, low, high) for value in one.accuracies]
    folder.write_csv("worth", header, rows)
    return folder.summary

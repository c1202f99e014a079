"""The figure of `rawlabel worth`: the learning curve on clean labels, and where raw labels meet it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rawlabel.evaluate.worth import Worth
from rawlabel.figures.output import FigureFolder, FiguresSummary
from rawlabel.figures.style import CLEAN_COLOR, NEUTRAL_COLOR, RAW_COLOR, figure_style, new_figure, shorten


def draw_worth(worth: Worth, out: Path) -> FiguresSummary:
    """Write `worth.png`, `worth.pdf` and `worth.csv` to the folder `out`. Raises `DiskError`."""
    folder = FigureFolder(out)
    with figure_style():
        figure = new_figure(6, 4)
        axes = figure.subplots()
        sizes = np.array([size for size, values in worth.clean.items() for _ in values])
        measured = np.concatenate([np.array(values) for values in worth.clean.values()])
        axes.plot(sizes, measured, "o", color=CLEAN_COLOR, label="clean labels, one run each")
        grid = np.geomspace(sizes.min(), sizes.max(), 200)
        axes.plot(grid, worth.curve.accuracy(grid), color=CLEAN_COLOR)
        for one in worth.equivalents:
            mean = float(np.mean(one.accuracies))
            axes.axhline(mean, color=NEUTRAL_COLOR, linewidth=0.8, zorder=0)
            axes.plot([one.num_raw] * len(one.accuracies), one.accuracies, "s", color=RAW_COLOR)
            axes.annotate(shorten(one.name, 60), (sizes.min(), mean), va="bottom", fontsize=7)
            if np.isfinite(one.num_clean):
                axes.plot(one.num_clean, mean, "D", color=RAW_COLOR, fillstyle="none")
            if one.interval and np.isfinite(one.interval).all():
                axes.plot(one.interval, [mean, mean], color=RAW_COLOR, linewidth=2)
        axes.plot([], [], "s", color=RAW_COLOR, label="raw labels, one run each")
        axes.plot([], [], "D", color=RAW_COLOR, fillstyle="none", label="clean images worth as much, interval")
        axes.set(xscale="log", xlabel="training images", ylabel="test accuracy at the selected epoch [%]")
        axes.grid(True)
        axes.legend(loc="lower right", fontsize=7)
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

"""The figure of the crossover: raw accuracies by the size of the set, and the clean one that they are to reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from rawlabel.show.figures.output import FigureFolder
from rawlabel.show.figures.style import CLEAN_COLOR, SERIES_COLORS, figure_style, log_axis, new_figure

Accuracies = Mapping[int, Sequence[float]]
"""Accuracies [percent] of runs by the number of images."""


def draw_crossover(num_clean: int, clean: Sequence[float], raw: Mapping[str, Accuracies], out: Path) -> None:
    """Write `crossover.png`, `.pdf` and `.csv` to the folder `out`. Raises `DiskError`."""
    folder = FigureFolder(out)
    with figure_style():
        figure = new_figure(6, 4)
        axes = figure.subplots()
        axes.axhline(float(np.mean(clean)), color=CLEAN_COLOR, linestyle="--", label=f"{num_clean} clean images")
        multiples = {size: size / num_clean for runs in raw.values() for size in runs}
        for (name, runs), color in zip(raw.items(), cycle(SERIES_COLORS)):
            means = [float(np.mean(one)) for one in runs.values()]
            axes.plot([multiples[size] for size in runs], means, "o-", color=color, label=name)
            for size, values in runs.items():
                axes.plot([multiples[size]] * len(values), values, ".", color=color, alpha=0.5)
        log_axis(axes, multiples.values())
        axes.set(xlabel=f"raw images, as a multiple of {num_clean}, trained for the same steps",
                 ylabel="test accuracy at the selected epoch [%]")  # fmt: skip
        axes.grid(True)
        axes.legend(fontsize=7)
        folder.save(figure, "crossover")
    rows: list[tuple[str | int | float | None, ...]] = [("clean", num_clean, value) for value in clean]
    rows += [(name, size, value) for name, runs in raw.items() for size, one in runs.items() for value in one]
    folder.write_csv("crossover", ("labels", "images", "accuracy"), rows)

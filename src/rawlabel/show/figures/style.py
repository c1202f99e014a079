"""Colours, fonts and helpers that all figures share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Palette of M. Okabe and K. Ito, "Color universal design" (2008): told apart with any common colour blindness.
RAW_COLOR = "#D55E00"
CLEAN_COLOR = "#0072B2"
HOLDOUT_COLOR = "#009E73"
CORRECT_COLOR = "#56B4E9"
SUBSET_COLOR = "#CC79A7"
NEUTRAL_COLOR = "#7F7F7F"
LIGHT_COLOR = "#D9D9D9"
SERIES_COLORS = (RAW_COLOR, HOLDOUT_COLOR, CORRECT_COLOR, SUBSET_COLOR, "#E69F00", NEUTRAL_COLOR)
"""Of what is compared with clean labels, one after the other."""

COLUMN_WIDTH = 5.5
"""Width of the paper's text [inches]: figures are drawn at this size, so that no text shrinks on the page."""
INTERVAL_LABEL = "95 % Clopper-Pearson interval"
ROWS_PER_COLUMN = 70
"""Most class names in one column of a figure with a row a class."""

_SETTINGS: dict[Any, Any] = {
    "figure.dpi": 150,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    # Class and folder names are not ours: a '$' in one is a dollar sign and no formula.
    "text.parse_math": False,
    "pdf.fonttype": 42,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw with the project's settings, whatever the user's matplotlibrc says, and restore all after."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of the given size in inches, bound to no global state."""
    return Figure(figsize=(width, height))


def shorten(name: str, length: int = 22) -> str:
    """Return a class name that fits in a tick label: one line of at most `length` characters."""
    line = " ".join(name.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def log_axis(axes: Axes, values: Iterable[float]) -> None:
    """Give the x axis of what is drawn a logarithmic scale, marked at `values` and at powers of ten.

    The marks are plain numbers; powers of ten that would stand close to another mark have none.
    """
    axes.set_xscale("log")
    marked, (low, high) = set(values), axes.get_xlim()
    powers = (10.0**exponent for exponent in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1))
    marked |= {power for power in powers if all(not 0.6 < power / one < 1.7 for one in marked)}
    axes.set_xticks(sorted(marked), [f"{value:g}" for value in sorted(marked)])
    axes.minorticks_off()


def split_into_columns(count: int, longest: int = ROWS_PER_COLUMN) -> list[range]:
    """Cut `count` rows into columns of equal length of at most `longest`; the last may be shorter."""
    columns = -(-count // longest)
    length = -(-count // columns)
    return [range(start, min(start + length, count)) for start in range(0, count, length)]


def class_rows_figure(rows_of: Sequence[range]) -> Figure:
    """Return an empty figure for columns of class rows, as wide as the paper's text where that is wide enough."""
    return new_figure(max(COLUMN_WIDTH, 1.8 * len(rows_of)), 1.2 + 0.112 * len(rows_of[0]))


def class_row_axes(figure: Figure, rows_of: Sequence[range]) -> list[Axes]:
    """Return one axes for each column of class rows, all with the same vertical scale."""
    return list(figure.subplots(1, len(rows_of), squeeze=False)[0])


def label_class_rows(axes: Axes, names: Sequence[str], longest: int) -> None:
    """Put one class name on each row, the first on top, and keep `longest` rows of space."""
    axes.set_yticks(range(len(names)), [shorten(name) for name in names], fontsize=6)
    axes.tick_params(axis="y", length=0, pad=2)
    axes.set_ylim(longest - 0.3, -0.7)
    axes.grid(axis="both")


def finish_class_rows(figure: Figure, title: str, quantity: str, note: str = "") -> None:
    """Give a figure with a row a class its title, a note below it, the x axis' quantity and one legend."""
    figure.suptitle(f"{title}\n{note}" if note else title, fontsize=7.5)
    for axes in figure.axes:
        axes.set_xlabel(quantity, fontsize=7)
        axes.tick_params(axis="x", labelsize=7)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))

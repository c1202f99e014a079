"""What became of a network's layers, epoch by epoch: norms, changes of weights and the Jacobian's norms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.ticker import LogLocator, MaxNLocator

from rawlabel.base.files import read_json
from rawlabel.errors import DataError
from rawlabel.show.figures.output import Cell, FigureFolder
from rawlabel.show.figures.style import COLUMN_WIDTH, new_figure, shorten

_QUANTITIES = {
    "w_norm": "norm of the weights",
    "weight_change": "mean change in an epoch",
    "J_norm": "norm of the Jacobian times g",
}
"""What --track-weights and --compute-jacobian write into log.json, and the y axis' words for it."""
_COLORS = ListedColormap(colormaps["cividis"](np.linspace(0, 0.92, 256)))
"""From dark blue to a yellow that shows on white: made for colour-blind readers (Nuñez and others, 2018)."""
_MOST_NAMED = 10
"""More layers get a colour bar in place of names."""
_Tracks = dict[str, dict[str, dict[int, float]]]
"""Value by epoch, by layer, by quantity; layers in the order of the log."""


def draw_weight_tracks(out: FigureFolder, name: str, folder: Path) -> None:
    """Draw `weights_<name>` of a run whose log followed its weights or Jacobian; else do nothing.

    Raises `DataError` when a value in the log is no number.
    """
    tracks = read_weight_tracks(folder / "log.json")
    if not tracks:
        return
    figure = new_figure(COLUMN_WIDTH, 0.5 + 2.2 * len(tracks))
    rows: list[list[Cell]] = []
    for axes, (quantity, layers) in zip(
        figure.subplots(len(tracks), 1, sharex=True, squeeze=False)[:, 0], tracks.items(), strict=True
    ):
        _plot(axes, layers)
        axes.set_ylabel(_QUANTITIES[quantity])
        rows += [[quantity, layer, epoch, value] for layer, one in layers.items() for epoch, value in one.items()]
    figure.axes[0].set_title(f"Layers of {name}")
    axes.set_xlabel("epoch (from 0)")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    _name_layers(figure.axes, list(next(iter(tracks.values()))))
    out.save(figure, f"weights_{name}")
    out.write_csv(f"weights_{name}", ("quantity", "layer", "epoch", "value"), rows)
    shown = " and ".join(f"{quantity} of {len(layers)} layers" for quantity, layers in tracks.items())
    out.summary.headline.append(f"Layers of {name}: {shown}.")


def read_weight_tracks(path: Path) -> _Tracks:
    """What a `log.json` says of layers; empty when it followed none. Raises `DataError`."""
    entries = read_json(path, "a list with an object for each epoch")
    tracks: _Tracks = {}
    for entry in entries if isinstance(entries, list) else ():
        for quantity in _QUANTITIES:
            measured = entry.get(quantity) if isinstance(entry, dict) else None
            for layer, value in _layers(path, quantity, measured).items():
                tracks.setdefault(quantity, {}).setdefault(layer, {})[entry["epoch"]] = value
    return tracks


def _layers(path: Path, quantity: str, measured: Any) -> dict[str, float]:
    if measured is None:
        return {}
    if not isinstance(measured, dict):
        raise DataError(f"{path}: {quantity} is no object; it should hold {{layer: number}}")
    for layer, value in measured.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value < math.inf:
            raise DataError(f"{path}: {quantity} of '{layer}' is no number; it should hold {{layer: number}}")
    return measured


def _plot(axes: Axes, layers: dict[str, dict[int, float]]) -> None:
    for position, values in enumerate(layers.values()):
        color = _color(position, len(layers))
        mark = "o" if len(values) == 1 else ""
        axes.plot(list(values), list(values.values()), color=color, linewidth=1.1, marker=mark, markersize=3)
    if any(value > 0 for values in layers.values() for value in values.values()):
        axes.set_yscale("log", nonpositive="mask")
        # matplotlib's own marks are formulas, which `figure_style` does not set.
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    axes.grid()


def _color(position: int, count: int) -> tuple[float, float, float, float]:
    red, green, blue, alpha = _COLORS(position / max(1, count - 1))
    return red, green, blue, alpha


def _name_layers(panels: list[Axes], names: list[str]) -> None:
    """Names beside the lines of the first panel, or a colour bar from the first layer to the last."""
    figure = panels[0].figure
    if len(names) <= _MOST_NAMED:
        handles = panels[0].get_lines()[: len(names)]
        figure.legend(handles, [shorten(one) for one in names], loc="outside right upper", fontsize=6.5)
        return
    scale = ScalarMappable(Normalize(1, len(names)), _COLORS)
    bar = figure.colorbar(scale, ax=panels, label="layer, from input to output", fraction=0.04, pad=0.02)
    bar.ax.set_yticks([1, len(names)], [shorten(names[0]), shorten(names[-1])], fontsize=6.5)
    bar.ax.invert_yaxis()

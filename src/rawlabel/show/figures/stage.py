"""Figures 2, 7, 5-a, 5-b and 8 of the paper, drawn from result folders in the published layout.

`draw_figures` finds what a folder of results offers, draws each figure as PNG and PDF, and writes every plotted
number as CSV beside it. matplotlib is loaded only when something is drawn.
"""

from __future__ import annotations

from rawlabel.config import FiguresConfig
from rawlabel.show.figures.output import FiguresSummary

__all__ = ["FiguresSummary", "draw_figures"]


def draw_figures(config: FiguresConfig) -> FiguresSummary:
    """Draw every figure whose inputs lie under `config.results`.

    The folder may hold the paper's result folders (`flickr_cls100`, ...), run directories of one's own, or
    both, or may itself be one run directory.

    Returns:
        The files written, what was skipped and why, and one line of key numbers for each figure.

    Raises:
        DataError: An input is malformed, or nothing at all can be drawn.
        DiskError: The figures cannot be written.
    """
    from rawlabel.show.figures.drawing import draw_all

    return draw_all(config)

"""Curves as text: eight dots a character, in the braille patterns of Unicode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.text import Text

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of each dot of a character, by row and column. Source: The Unicode Standard, section 21.1, Braille."""


def plot(
    curves: Sequence[tuple[str, Sequence[float | None]]], width: int, height: int, low: float, high: float
) -> list[Text]:
    """Draw curves, given by their style and values, in a box of characters.

    None is a gap, and later curves lie on top. Values are spread over the width, and those outside of `low` to
    `high` are drawn at the edge.
    """
    bits = np.zeros((height, width), dtype=int)
    styles = np.full((height, width), "", dtype=object)
    for style, values in curves:
        before: tuple[int, int] | None = None
        for position, value in enumerate(values):
            if value is None:
                before = None
                continue
            x = round(position * (2 * width - 1) / max(len(values) - 1, 1))
            share = (high - value) / max(high - low, 1e-9)
            y = min(max(round(share * (4 * height - 1)), 0), 4 * height - 1)
            for column, row in _line(before or (x, y), (x, y)):
                bits[row // 4, column // 2] |= _DOTS[row % 4][column % 2]
                styles[row // 4, column // 2] = style
            before = x, y
    return [
        Text.assemble(*((chr(0x2800 + int(dot)), str(style)) for dot, style in zip(*row, strict=True)))
        for row in zip(bits, styles, strict=True)
    ]


def _line(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    xs = np.linspace(start[0], end[0], steps + 1).round().astype(int)
    ys = np.linspace(start[1], end[1], steps + 1).round().astype(int)
    return list(zip(xs.tolist(), ys.tolist(), strict=True))

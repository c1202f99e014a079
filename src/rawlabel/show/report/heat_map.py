"""The whole confusion matrix as a heat map, with classes that are taken for each other beside each other."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

MOST_CELLS_CLASSES = 60
"""With more classes the map is a picture; a table of cells would be unreadable, and large."""
MOST_OPTIMAL = 200
"""Classes up to which neighbours in the order are chosen as well; the time grows with the third power."""
SHADES = 8


@dataclass(frozen=True, slots=True)
class HeatCell:
    """Test photos of the row's class that were taken for the column's."""

    count: int
    shade: int
    """0 for none, up to `SHADES` for the whole row."""
    is_right: bool


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Classes in the order of the map; `cells` for few classes, `image` for many."""

    labels: list[str]
    cells: list[list[HeatCell]]
    image: str | None


def block_order(matrix: NDArray[np.int64]) -> list[int]:
    """Order of the classes in which those that are confused, in either direction, are beside each other.

    Average-linkage clustering of the shares of each class that go to the other. Source: S. C. Johnson,
    "Hierarchical clustering schemes", Psychometrika 32 (1967) 241-254; leaves ordered as in Z. Bar-Joseph et al.,
    "Fast optimal leaf ordering for hierarchical clustering", Bioinformatics 17 (2001) S22-S29.
    """
    count = len(matrix)
    if count < 3:
        return list(range(count))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    distance = 1 - np.clip((shares + shares.T) / 2, 0, 1)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=count <= MOST_OPTIMAL)
    return [int(i) for i in leaves_list(tree)]


def make_heat_map(matrix: NDArray[np.int64], labels: Sequence[str]) -> HeatMap | None:
    """Lay out the classes that were tested or answered; None when there is nothing to show."""
    used = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    if not len(used):
        return None
    matrix = matrix[np.ix_(used, used)]
    order = block_order(matrix)
    matrix = matrix[np.ix_(order, order)]
    names = [labels[used[i]] for i in order]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    if len(names) > MOST_CELLS_CLASSES:
        return HeatMap(names, [], _picture(shares))
    shades = np.where(matrix > 0, np.maximum(np.ceil(shares * SHADES), 1), 0).astype(int)
    cells = [
        [HeatCell(int(matrix[i, j]), int(shades[i, j]), i == j) for j in range(len(names))]
        for i in range(len(names))
    ]
    return HeatMap(names, cells, None)


def _picture(shares: NDArray[np.float64]) -> str:
    """A pixel a cell: blue for what is right, orange for what is not, deeper for larger shares."""
    depth = np.sqrt(shares)[..., None]
    right, wrong = np.array([0, 114, 178]), np.array([200, 82, 0])
    color = np.where(np.eye(len(shares), dtype=bool)[..., None], right, wrong)
    pixels = (255 + depth * (color - 255)).round().astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"

"""Copies of one picture, gathered around its best representative: stars, never chains.

A chain of copies ends far from where it began: linked so, one group of a large collection took in tens of
thousands of pictures (VideoDuplicateFinder #306). In a star, each picture is a copy of the one in the middle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt


def stars(count: int, pairs: Iterable[tuple[int, int]], best_first: Sequence[int]) -> npt.NDArray[np.int64]:
    """For each of `count` pictures, the middle of its star; its own position where it stands alone.

    `pairs` are the copies; `best_first` are all positions, the best representative first. In that order, each
    picture that belongs to none yet becomes a middle, and takes those of its copies that belong to none.
    """
    copies: dict[int, list[int]] = {}
    for one, other in pairs:
        copies.setdefault(one, []).append(other)
        copies.setdefault(other, []).append(one)
    middles = np.full(count, -1, dtype=np.int64)
    for place in best_first:
        if middles[place] < 0:
            middles[place] = place
            for other in copies.get(place, ()):
                if middles[other] < 0:
                    middles[other] = place
    return middles

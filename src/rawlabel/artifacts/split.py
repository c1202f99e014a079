"""A stable split: the part of a group depends on the group and the seed alone, where that leaves no class short.

The hash of a group decides. Of few photos it holds out none, or all, as the names fall; so each class is then
given its least number (`least_held_out`), by the groups whose hashes come next. Photos that are added later move
no others but those: what a class got in this way it may lose when it has enough by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rawlabel.records import Split

_MOST_OF_CLASS = 0.5
"""Most of a class's training images that are moved with one group to make up what is short."""


def splits_of(groups: Sequence[str], classes: Sequence[str], seed: int, holdout: float) -> list[str]:
    """The split of each photo, by its group and its class: by a hash of the groups, and no class short."""
    shares = np.array([_share_of(group, seed) for group in groups], dtype=np.float64)
    numbers, labels = (np.unique(names, return_inverse=True)[1] for names in (groups, classes))
    held = _none_short(shares, numbers, labels, holdout)
    return [(Split.HOLDOUT if one else Split.TRAIN).value for one in held.tolist()]


def _share_of(group: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def least_held_out(count: Any, holdout: float) -> Any:
    """How many of `count` photos of a class are held out at least: half of the share `holdout`, from 1 up to 5.

    Of a single photo, none.
    """
    return np.where(count > 1, np.clip(np.floor(count * holdout / 2), 1, 5), 0).astype(np.int64)


def key_of(name: str) -> int:
    """A number of 64 bits that stands for a name in `held_out`."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big")


def held_out(keys: npt.NDArray[np.uint64], seed: int, holdout: float) -> npt.NDArray[np.bool_]:
    """Which of many keys are held out: for training data without a split of its own, a million images at once.

    Keys and seed are mixed by SplitMix64 (Steele et al., OOPSLA 2014): another split than `split_of`'s, which
    manifests have, and as stable.
    """
    return _shares(keys, seed) < holdout


def held_out_of_classes(
    keys: npt.NDArray[np.uint64], labels: npt.NDArray[np.int64], seed: int, holdout: float
) -> npt.NDArray[np.bool_]:
    """`held_out`, and no class, by the images' `labels`, short of its least number."""
    groups = np.unique(keys, return_inverse=True)[1]
    return _none_short(_shares(keys, seed), groups, labels, holdout)


def _none_short(
    shares: npt.NDArray[np.float64],
    groups: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    holdout: float,
) -> npt.NDArray[np.bool_]:
    """Which images are held out, by the share of each one's group; groups and classes are numbers from 0.

    Groups are moved whole, in the order of their shares. A class of which all would be held out gets back its last
    group; then one that is short gets the next, unless it or another class would lose too much with it.
    """
    held: npt.NDArray[np.bool_] = shares < holdout
    if holdout <= 0 or not len(labels):
        return held
    total = np.bincount(labels)
    count = np.bincount(labels[held], minlength=len(total))
    least = least_held_out(total, holdout)
    is_right = (count >= least) & ((count < total) | (total == 0))
    if is_right.all():
        return held
    members, images = _Parts(groups, np.zeros(len(groups))), _Parts(labels, shares)
    for one in np.flatnonzero((count == total) & (total > 0)).tolist():
        last = members.of(int(groups[images.of(one)[-1]]))
        held[last] = False
        count -= np.bincount(labels[last], minlength=len(total))
    for one in np.flatnonzero(count < least).tolist():
        for group in dict.fromkeys(groups[images.of(one)].tolist()):
            if count[one] >= least[one]:
                break
            rows = members.of(group)
            moved = np.bincount(labels[rows], minlength=len(total))
            if not held[rows[0]] and (moved <= _MOST_OF_CLASS * (total - count)).all():
                held[rows] = True
                count += moved
    return held


class _Parts:
    """The images of each part, such as a class, in the order of their shares."""

    def __init__(self, numbers: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]) -> None:
        self._order, self._ends = np.lexsort((shares, numbers)), np.bincount(numbers).cumsum()

    def of(self, number: int) -> npt.NDArray[np.int64]:
        """Those of one part."""
        start = self._ends[number - 1] if number else 0
        return self._order[start : self._ends[number]]


def folds(keys: npt.NDArray[np.uint64], seed: int, count: int) -> npt.NDArray[np.int64]:
    """The fold of each of many keys, from 0 to `count` - 1: for cross-validation among what is trained on.

    As stable as the holdout, and independent of which keys that took.
    """
    # Keys with a small share are held out, so the same shares would leave the first folds empty.
    found: npt.NDArray[np.int64] = (_shares(~keys.astype(np.uint64), seed) * count).astype(np.int64)
    # The largest shares are rounded up to 1.
    return found.clip(max=count - 1)


def _shares(keys: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.float64]:
    """A number from 0 to 1 for each key."""
    offset = np.uint64((seed + 1) * 0x9E3779B97F4A7C15 & (2**64 - 1))
    mixed = keys.astype(np.uint64) + offset
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    shares: npt.NDArray[np.float64] = mixed / 2.0**64
    return shares

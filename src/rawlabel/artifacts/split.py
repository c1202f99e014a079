"""A stable split: the part of a group depends on the group and the seed alone."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from rawlabel.records import Split


def split_of(group: str, seed: int, holdout: float) -> str:
    """Return the split of a group; a share `holdout` of all groups is held out.

    The part is a hash, not a shuffle: photos that are added later never move the ones that were there.
    """
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return (Split.HOLDOUT if share < holdout else Split.TRAIN).value


def key_of(name: str) -> int:
    """A number of 64 bits that stands for a name in `held_out`."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big")


def held_out(keys: npt.NDArray[np.uint64], seed: int, holdout: float) -> npt.NDArray[np.bool_]:
    """Which of many keys are held out: for training data without a split of its own, a million images at once.

    Keys and seed are mixed by SplitMix64 (Steele et al., OOPSLA 2014): another split than `split_of`'s, which
    manifests have, and as stable.
    """
    return _shares(keys, seed) < holdout


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

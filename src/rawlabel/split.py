"""A stable split: the part of a group depends on the group and the seed alone."""

from __future__ import annotations

import hashlib

from rawlabel.records import Split


def split_of(group: str, seed: int, holdout: float) -> str:
    """Return the split of a group; a share `holdout` of all groups is held out.

    The part is a hash, not a shuffle: photos that are added later never move the ones that were there.
    """
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return (Split.HOLDOUT if share < holdout else Split.TRAIN).value

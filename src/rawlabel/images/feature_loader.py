"""Batches of features."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rawlabel.images.kept_features import KeptFeatures
from rawlabel.images.loader import EpochRandom, PreparingLoader, RawBatch, own_ids


class FeatureLoader(PreparingLoader):
    """Training batches of `features`, in the same order as batches of images would have."""

    def __init__(self, features: KeptFeatures, batch_size: int, seed: int, parts: int = 1) -> None:
        super().__init__(len(features), batch_size)
        self._features, self._seed, self._parts = features, seed, parts

    def close(self) -> None:
        """Do nothing: the features are one array, and no thread reads ahead."""

    def _start(self, epoch: int, first_step: int) -> Iterator[RawBatch]:
        order = EpochRandom(self._seed, epoch, self._num_images).order
        for step in range(first_step, self.num_steps):
            ids = order[step * self._batch_size : (step + 1) * self._batch_size]
            own = torch.from_numpy(own_ids(ids, self._parts))
            yield RawBatch(self._features.at(own), torch.from_numpy(ids), (), self._parts)

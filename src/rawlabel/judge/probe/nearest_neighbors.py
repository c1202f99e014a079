"""k nearest neighbors on frozen features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rawlabel.base.progress import progress
from rawlabel.judge.probe.choice import Choice, Features, LabeledFeatures, Labels, accuracy
from rawlabel.models.memory import FittingParts, memory_errors

COUNTS = (1, 5, 10, 20, 50, 100, 200)
"""Values tried for k, as far as there are so many training images."""
_TEMPERATURE = 0.07
_MOST_SIMILARITIES = 2**25
"""Similarities held in memory at a time."""


class NeighborVotes:
    """Votes of the nearest training images.

    A neighbor at cosine similarity s votes for its label with weight exp(s / 0.07).

    Source: Z. Wu, Y. Xiong, S. X. Yu and D. Lin, arXiv 1805.01978, section 3.4. How neighbors on frozen features
    stand noisy labels is measured by F. Di Salvo, S. Doerrich, I. Rieger and C. Ledig, arXiv 2408.14358.
    """

    def __init__(self, train: LabeledFeatures, num_classes: int, device: torch.device) -> None:
        self._device, self._num_classes = device, num_classes
        with memory_errors(f"--device: the features of {len(train)} images do not fit; use --device cpu"):
            self._bank = self._directions(train.features)
        self._labels = torch.from_numpy(train.labels).to(device)
        self._parts = FittingParts()

    def predict(self, features: Features, counts: Sequence[int]) -> dict[int, Labels]:
        """The class with the most votes for each image, by number of neighbors, which `counts` lists rising."""
        found: dict[int, list[Labels]] = {count: [] for count in counts}
        with progress("nearest neighbors", len(features)) as task:
            for chunk in self._chunks(features):
                for part in self._parts(lambda some: self._elected(some, counts), chunk):
                    for count, labels in zip(counts, part, strict=True):
                        found[count].append(labels)
                task.advance(len(chunk))
        return {count: np.concatenate(pieces) for count, pieces in found.items()}

    def _elected(self, features: Features, counts: Sequence[int]) -> list[Labels]:
        """The class of each image by each number of neighbors."""
        nearest = torch.topk(self._directions(features) @ self._bank.T, counts[-1], dim=1)
        # Less the largest similarity, which changes no order and keeps the weights from overflowing.
        weights = torch.exp((nearest.values - nearest.values[:, :1]) / _TEMPERATURE)
        votes = torch.zeros(len(features), self._num_classes, device=self._device)
        before, elected = 0, []
        for count in counts:
            labels = self._labels[nearest.indices[:, before:count]]
            votes.scatter_add_(1, labels, weights[:, before:count])
            elected.append(votes.argmax(dim=1).cpu().numpy())
            before = count
        return elected

    def _chunks(self, features: Features) -> Iterator[Features]:
        size = max(1, _MOST_SIMILARITIES // len(self._bank))
        for start in range(0, len(features), size):
            yield features[start : start + size]

    def _directions(self, features: Features) -> Tensor:
        return F.normalize(torch.from_numpy(features).to(self._device), dim=1)


def choose_neighbors(
    train: LabeledFeatures, holdout: LabeledFeatures, num_classes: int, device: torch.device
) -> Choice:
    """Choose the number of neighbors by accuracy on the raw holdout; of equally good ones, the largest."""
    votes = NeighborVotes(train, num_classes, device)
    counts = [count for count in COUNTS if count <= len(train)]
    predicted = votes.predict(holdout.features, counts)
    tried = {count: accuracy(predicted[count], holdout.labels) for count in counts}
    chosen = max(counts, key=lambda count: (tried[count], count))
    return Choice(chosen, tuple(tried.items()), lambda features: votes.predict(features, [chosen])[chosen])

"""What an epoch's steps tell in passing: loss, accuracy, changes, alignment; and what its holdout tells."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from rawlabel.artifacts.log_entry import HoldoutEntry, TrainEntry
from rawlabel.base import distributed
from rawlabel.base.correctness import accuracies, is_right, logged_accuracies, predicted_classes, ranks
from rawlabel.models.device import sums_dtype
from rawlabel.models.networks.building import last_linear


def _zeros(size: int, dtype: torch.dtype) -> Tensor:
    return torch.zeros(size, dtype=dtype)


def _sum_on(device: torch.device, sums: Tensor) -> Tensor:
    """Sums so far, moved to the device of the next step; only the first of an epoch has something to move."""
    return sums.to(device, sums_dtype(device))


@dataclass
class RunningStatistics:
    """Sums over the steps of an epoch, from the first one on the device: reading one would wait for it."""

    seen: int = 0
    loss: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    correct: Tensor = field(default_factory=lambda: _zeros(2, torch.int64))
    """Top-1 and top-5."""
    changes: Tensor = field(default_factory=lambda: _zeros(2, torch.int64))
    """Predictions that differ from the epoch before, and predictions that could be compared."""
    aligned: int = 0
    alignment: Tensor = field(default_factory=lambda: _zeros(4, torch.float64))
    """Sums of the first four powers of the alignments of `aligned` images."""

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Add one step's mean loss and its logits; returns the predicted class of each image, -1 for none."""
        count = len(labels)
        self.seen += count
        self.loss = _sum_on(loss.device, self.loss) + loss.detach() * count
        rank = ranks(logits, labels)
        self.correct = self.correct.to(rank.device) + torch.stack(((rank < 1).sum(), (rank < 5).sum()))
        return predicted_classes(logits)

    def add_changes(self, before: Tensor, now: Tensor) -> None:
        """Compare the predictions of some images with those of the epoch before, where there were any (>= 0)."""
        known = before >= 0
        self.changes = self.changes.to(now.device) + torch.stack(((known & (before != now)).sum(), known.sum()))

    def add_alignment(self, alignment: Tensor) -> None:
        """Add the gradient-weight alignments of some images."""
        self.aligned += len(alignment)
        self.alignment = _sum_on(alignment.device, self.alignment)
        powers = torch.stack([alignment.to(self.alignment.dtype) ** power for power in (1, 2, 3, 4)], dim=1)
        self.alignment = self.alignment + powers.sum(dim=0)

    def entry(self, num_classes: int) -> TrainEntry:
        """Accuracies [percent] and mean loss, as the log has them."""
        top1, top5 = (100 * self.correct / self.seen).tolist()
        return {**accuracies(top1, top5, num_classes), "loss": float(self.loss) / self.seen}

    def changed_percent(self) -> float | None:
        """Share of changed predictions; None when nothing could be compared."""
        changed, compared = self.changes.tolist()
        return 100 * changed / compared if compared else None

    def alignment_moments(self) -> tuple[float | None, float | None]:
        """Mean and excess kurtosis of the alignments; None where undefined."""
        if not self.aligned:
            return None, None
        first, second, third, fourth = (self.alignment / self.aligned).tolist()
        variance = second - first**2
        if variance < 1e-12:
            return first, None
        central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
        return first, central / variance**2 - 3


class HeadTap:
    """Listens to a network's last linear layer during training, for the gradient-weight alignment.

    It takes the first pass of each step, whose first rows are the batch's images. The last layer's gradient
    has a closed form, so nothing is computed twice and no gradient is kept.
    """

    def __init__(self, network: nn.Module) -> None:
        found = last_linear(network)
        self._head = found[1] if found else None
        self._pass: tuple[Tensor, Tensor] | None = None
        if self._head is not None:
            self._head.register_forward_hook(self._listen)

    def _listen(self, head: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if head.training and self._pass is None:
            self._pass = inputs[0].detach(), output.detach()

    def forget(self) -> None:
        """Wait for the next step: an optimizer may have asked for further passes in this one."""
        self._pass = None

    @torch.no_grad()
    def alignment(self, labels: Tensor, num_classes: int) -> Tensor | None:
        """Alignment of each image of the step just made, and wait for the next one.

        The cosine of W, the layer's weights, and -d zᵀ, the descent direction, where z is the layer's input
        and d = softmax - one-hot label (arXiv 2510.25480). None when the network does not end in a linear
        layer of one output a class. 0 where z or W is: there is no direction then.
        """
        heard, self._pass = self._pass, None
        if self._head is None or heard is None or heard[1].shape[1:] != (num_classes,) or heard[0].dim() != 2:
            return None
        own = distributed.own(labels)
        features, logits = (part[: len(own)].float() for part in heard)
        weight = self._head.weight.float()
        # d without its length, which underflows for the surest images: a softmax among the other classes, and -1.
        direction = logits.scatter(1, own[:, None], -torch.inf).softmax(dim=1).scatter(1, own[:, None], -1.0)
        outputs = logits if self._head.bias is None else logits - self._head.bias
        length, size = _largest(features), torch.linalg.vector_norm(weight)
        smallest = torch.finfo(length.dtype).tiny
        features = features / length.clamp(min=smallest)[:, None]
        product = -(direction * outputs).sum(dim=1) / length.clamp(min=smallest)
        cosine = product / (features.norm(dim=1) * direction.norm(dim=1) * size).clamp(min=smallest)
        cosine = torch.where((length > 0) & (size > 0), cosine.clamp(-1, 1), 0)
        return distributed.whole_batch(cosine, len(labels))


def _largest(features: Tensor) -> Tensor:
    """The largest absolute value of each row, without a second array of all."""
    return torch.maximum(features.amax(dim=1), -features.amin(dim=1))


def holdout_statistics(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> HoldoutEntry:
    """Top-1 and top-5 accuracy [percent] and mean cross-entropy on held-out raw labels, as the log has them.

    `balanced_acc1` is the mean over classes of the top-1 accuracy.
    """
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    counts = np.bincount(labels, minlength=logits.shape[1])
    right = np.bincount(labels, is_right(logits, labels), minlength=logits.shape[1])
    balanced = 100 * float((right[counts > 0] / counts[counts > 0]).mean())
    return {**logged_accuracies(logits, labels), "balanced_acc1": balanced, "loss": float(loss)}


def class_size_ratio(labels: npt.NDArray[np.int64]) -> float:
    """Images of the largest class over those of the smallest that has any."""
    counts = np.bincount(labels)
    return float(counts.max() / counts[counts > 0].min())

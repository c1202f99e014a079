"""What counts as right: the one place where logits are compared with labels.

The classes are ranked by their logits in fp32, equal ones by their index, so that exactly one class is first: the
one that `argmax` names. An image that has a NaN among its logits is never right and has no predicted class, since
its network has diverged; comparisons with NaN alone say no to everything.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rawlabel.records import Accuracies

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
NO_CLASS = -1
"""The predicted class of an image whose logits are no numbers."""


def ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """Classes ahead of the true one [batch], from 0, which is right; as many as can be where a logit is NaN."""
    logits = logits.detach().float()
    own = logits.gather(1, labels[:, None])
    comes_before = torch.arange(logits.shape[1], device=logits.device) < labels[:, None]
    ahead = ((logits > own) | ((logits == own) & comes_before)).sum(dim=1)
    return ahead.masked_fill(logits.isnan().any(dim=1), torch.iinfo(ahead.dtype).max)


def predicted_classes(logits: Tensor) -> Tensor:
    """Index of the first class of each row, [batch]; `NO_CLASS` where a logit is NaN."""
    logits = logits.detach().float()
    return logits.argmax(dim=1).masked_fill(logits.isnan().any(dim=1), NO_CLASS)


def is_right(logits: Logits, labels: Labels, k: int = 1) -> npt.NDArray[np.bool_]:
    """Whether the true class is one of the first `k`, for each row of `logits` [images, classes]."""
    right: npt.NDArray[np.bool_] = (ranks(torch.from_numpy(logits), torch.from_numpy(labels)) < k).numpy()
    return right


def accuracies(top1: float, top5: float, num_classes: int) -> Accuracies:
    """Top-1 and top-5 accuracy [percent] as an entry of the log has them: no top-5 for five classes or fewer."""
    return {"acc1": top1, "acc5": top5 if has_top5(num_classes) else None}


def has_top5(num_classes: int) -> bool:
    """Whether the five best classes can miss the true one."""
    return num_classes > 5


def logged_accuracies(logits: Logits, labels: Labels) -> Accuracies:
    """As `accuracies`, of `logits` [images, classes]."""
    top1, top5 = (100 * float(is_right(logits, labels, k).mean()) for k in (1, 5))
    return accuracies(top1, top5, logits.shape[1])


def count_unanswered(logits: Logits) -> int:
    """How many rows of `logits` [images, classes] are not all finite; such an image counts as wrong."""
    return int((~np.isfinite(logits)).any(axis=1).sum())

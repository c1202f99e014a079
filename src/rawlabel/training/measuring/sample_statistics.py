"""What training says of each image in passing, for whoever looks for wrong labels later; it costs no pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.nn import functional

from rawlabel.base.correctness import ranks
from rawlabel.base.files import atomic_write
from rawlabel.images.image_source import LabeledImages


class SampleStatistics:
    """Sums over all steps so far, one number an image, on the device.

    They hold what the network said of the image's random views while it was trained, against the label that it was
    trained on: the raw one, or a student's teacher's.
    """

    def __init__(self, num_samples: int, device: torch.device) -> None:
        def zeros(dtype: torch.dtype) -> Tensor:
            return torch.zeros(num_samples, dtype=dtype, device=device)

        self.seen, self.correct, self.forgotten = zeros(torch.int32), zeros(torch.int32), zeros(torch.int32)
        self.was_correct = zeros(torch.bool)
        self.margin, self.loss = zeros(torch.float32), zeros(torch.float32)

    @torch.no_grad()
    def add(self, ids: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add one step's `logits` [batch, classes]; an image is in a step at most once."""
        logits = logits.detach().float()
        own = logits.gather(1, labels[:, None])[:, 0]
        best_other = logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
        margin = own - best_other
        is_correct = ranks(logits, labels) < 1
        self.seen[ids] += 1
        self.correct[ids] += is_correct.to(torch.int32)
        self.forgotten[ids] += (self.was_correct[ids] & ~is_correct).to(torch.int32)
        self.was_correct[ids] = is_correct
        self.margin[ids] += margin
        self.loss[ids] += functional.cross_entropy(logits, labels, reduction="none")

    def state_dict(self) -> dict[str, Tensor]:
        """All tensors by name, each with one value an image, so that a checkpoint goes on with them."""
        return dict(vars(self))

    def load_state_dict(self, saved: dict[str, Tensor]) -> None:
        """Take over what `state_dict` gave. Raises `KeyError` or `RuntimeError` when it is of other data."""
        for name, tensor in vars(self).items():
            tensor.copy_(saved[name])

    def write(self, path: Path, images: LabeledImages, class_ids: tuple[str, ...]) -> None:
        """Write `samples.parquet`: one row a training image. Raises `DiskError`.

        `label` is the raw label. What a student was trained on instead is `teacher_label`, a column that other
        runs do not have, and that the counts are against where it is there.
        """

        def called(labels: npt.NDArray[np.int64]) -> list[str]:
            return [class_ids[index] for index in labels.tolist()]

        is_student = images.raw_labels is not None
        seen = self.seen.clamp(min=1)
        table = pa.table(
            {
                "name": images.names(),
                "label": called(images.labels if images.raw_labels is None else images.raw_labels),
                **({"teacher_label": called(images.labels)} if is_student else {}),
                "times_seen": self.seen.cpu().numpy(),
                "times_correct": self.correct.cpu().numpy(),
                "times_forgotten": self.forgotten.cpu().numpy(),
                "area_under_margin": (self.margin / seen).cpu().numpy(),
                "mean_loss": (self.loss / seen).cpu().numpy(),
            }
        )
        with atomic_write(path) as stream:
            pq.write_table(table, stream)

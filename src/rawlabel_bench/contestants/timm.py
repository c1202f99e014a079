"""timm's loader and settings, in a loop that behaves as timm's train.py does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from timm.data.dataset import ImageDataset
from timm.data.loader import create_loader
from timm.utils.metrics import AverageMeter, accuracy
from torch import Tensor, nn
from torchvision import transforms

from rawlabel.models.device import choose_precision
from rawlabel_bench.contestant import Contestant
from rawlabel_bench.measuring import EpochClock
from rawlabel_bench.workload import Workload


class Timm(Contestant):
    """timm's own create_loader, with its transforms, fast_collate, prefetcher and lasting workers, and its fast
    settings: bfloat16 autocast where the hardware has it, and channels-last memory, which are both off by default.

    The loop behaves as timm's train.py; network and optimizer are those of the other contestants, and so is the
    augmentation (no color jitter, no random erasing).
    """

    compiles = False

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.train_loader, self.test_loader = self._loader("train"), self._loader("test")
        self.network = self.build_network().to(memory_format=torch.channels_last)
        self.optimizer = self.build_optimizer(self.network)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, workload.decay_epochs)
        self.precision = choose_precision("auto", self.device)
        self.criterion = nn.CrossEntropyLoss().to(self.device)
        self.model: Any = torch.compile(self.network) if self.compiles else self.network

    def loaded(self) -> Iterator[int]:
        """One pass of the loader that the prefetcher is around."""
        for images, _ in self.train_loader.loader:
            yield len(images)

    def ready(self) -> Iterator[int]:
        """One pass of the prefetcher, which normalizes on the device."""
        for images, _ in self.train_loader:
            yield len(images)

    def steps(self, count: int) -> None:
        """Make `count` steps on one fixed batch that is normalized on the device already, with timm's own loop."""
        self.model.train()
        images, target = self.fixed_batch()
        losses = AverageMeter()
        for _ in range(count):
            self._step(images, target, losses)

    def epoch(self, clock: EpochClock) -> dict[str, float]:
        """Train, validate, save a checkpoint; timm measures no accuracy on the training set."""
        self.model.train()
        losses = AverageMeter()
        for images, target in self.train_loader:
            clock.has_batch()
            self._step(images, target, losses)
        self.synchronize()
        clock.has_trained()
        test = self._validate()
        self.scheduler.step()
        state = {"state_dict": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(state, self.workload.scratch / "last.pth.tar")
        return {"test": test}

    def _step(self, images: Tensor, target: Tensor, losses: Any) -> None:
        images = images.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            loss = self.criterion(self.model(images), target)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        losses.update(loss.item(), len(images))

    @torch.inference_mode()
    def _validate(self) -> float:
        self.model.eval()
        top1, top5, losses = (AverageMeter() for _ in range(3))
        for images, target in self.test_loader:
            images = images.contiguous(memory_format=torch.channels_last)
            with self._autocast():
                output = self.model(images)
                loss = self.criterion(output, target)
            first, fifth = accuracy(output, target, topk=(1, 5))
            losses.update(loss.item(), len(images))
            top1.update(first.item(), len(images))
            top5.update(fifth.item(), len(images))
        return float(top1.avg)

    def _autocast(self) -> torch.autocast:
        # Where the processor only emulates bfloat16, it would slow timm down, and nobody would ask for it.
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16)

    def _loader(self, part: str) -> Any:
        workload, is_training = self.workload, part == "train"
        is_small = workload.case.augment == "crop_flip"
        data = ImageDataset(str(workload.root / part))
        loader = create_loader(
            data,
            input_size=(3, workload.case.image_size, workload.case.image_size),
            batch_size=workload.case.batch_size,
            is_training=is_training,
            color_jitter=0.0,
            interpolation="bilinear",
            crop_pct=None if is_training else 1.0 if is_small else 7 / 8,
            num_workers=workload.workers,
            pin_memory=self.device.type == "cuda",
            device=self.device,
        )
        if is_training and is_small:
            # What timm's users do for small images: the first transform gives way to a shifted crop.
            data.transform.transforms[0] = transforms.RandomCrop(
                workload.case.image_size, padding=workload.margin, padding_mode="reflect"
            )
        return loader


PLUGIN = Timm

"""A loop that behaves as PyTorch's own ImageNet example does, written afresh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from rawlabel_bench.contestant import Contestant
from rawlabel_bench.measuring import EpochClock
from rawlabel_bench.workload import Workload

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Examples(Contestant):
    """ImageFolder, Pillow, torchvision's transforms, a DataLoader with worker processes, float32, SGD, and a loss
    read back at every step, as github.com/pytorch/examples (imagenet/main.py) does.

    Its data sets and transforms are torchvision's own. Workers start anew with every pass.
    """

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.train_set = ImageFolder(str(workload.root / "train"), self._training_transform())
        self.test_set = ImageFolder(str(workload.root / "test"), self._evaluation_transform())
        self.train_loader = self._loader(self.train_set, shuffle=True)
        self.test_loader = self._loader(self.test_set, shuffle=False)
        self.network = self.build_network()
        self.criterion = nn.CrossEntropyLoss().to(self.device)
        self.optimizer = self.build_optimizer(self.network)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, workload.decay_epochs)

    def loaded(self) -> Iterator[int]:
        """One pass of the training loader, moved to the device; yields the images of each batch."""
        for images, target in self.train_loader:
            yield len(self._move(images, target)[0])

    def steps(self, count: int) -> None:
        """Make `count` whole steps on one fixed batch in float32, the reading of the loss included."""
        self.network.train()
        images, target = self.fixed_batch()
        meters = Meters()
        for _ in range(count):
            self.step(images, target, meters)

    def epoch(self, clock: EpochClock) -> dict[str, float]:
        """Train, validate on the test set, save a checkpoint."""
        trained = self.train(clock)
        return trained | {"test": self.validate(self.test_loader)} | self.finish()

    def train(self, clock: EpochClock) -> dict[str, float]:
        """The training pass; the accuracy is that of the training logits."""
        self.network.train()
        meters = Meters()
        for images, target in self.train_loader:
            clock.has_batch()
            self.step(*self._move(images, target), meters)
        self.synchronize()
        clock.has_trained()
        return {"train": meters.accuracy}

    def step(self, images: Tensor, target: Tensor, meters: Meters) -> None:
        """One training step as the example makes it.

        The processor reads the loss in each, before the gradients.
        """
        output = self.network(images)
        loss = self.criterion(output, target)
        meters.add(loss.item(), output, target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.no_grad()
    def validate(self, loader: Iterable[tuple[Tensor, Tensor]]) -> float:
        """Accuracy over a pass of `loader` in evaluation mode [percent]."""
        self.network.eval()
        meters = Meters()
        for images, target in loader:
            images, target = self._move(images, target)
            output = self.network(images)
            meters.add(self.criterion(output, target).item(), output, target)
        return meters.accuracy

    def finish(self) -> dict[str, float]:
        """Move the learning rate and write the checkpoint of an epoch."""
        self.scheduler.step()
        state = {"state_dict": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(state, self.workload.scratch / "checkpoint.pth.tar")
        return {}

    def _move(self, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return images.to(self.device, non_blocking=True), target.to(self.device, non_blocking=True)

    def _loader(self, data: ImageFolder, *, shuffle: bool) -> DataLoader[Any]:
        workload = self.workload
        return DataLoader(
            data,
            batch_size=workload.case.batch_size,
            shuffle=shuffle,
            num_workers=workload.workers,
            pin_memory=self.device.type == "cuda",
        )

    def _training_transform(self) -> Any:
        size = self.workload.case.image_size
        if self.workload.case.augment == "resized_crop":
            crop = transforms.RandomResizedCrop(size)
        else:
            crop = transforms.RandomCrop(size, padding=self.workload.margin, padding_mode="reflect")
        normalize = transforms.Normalize(MEAN, STD)
        return transforms.Compose([crop, transforms.RandomHorizontalFlip(), transforms.ToTensor(), normalize])

    def _evaluation_transform(self) -> Any:
        size = self.workload.case.image_size
        shorter = round(size * 8 / 7) if self.workload.case.augment == "resized_crop" else size
        return transforms.Compose(
            [
                transforms.Resize(shorter),
                transforms.CenterCrop(size),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )


class Meters:
    """Running loss and accuracies, read back from the device with every batch as the example does."""

    def __init__(self) -> None:
        self.seen, self.loss, self.top1, self.top5 = 0, 0.0, 0.0, 0.0

    def add(self, loss: float, output: Tensor, target: Tensor) -> None:
        """Count one batch into loss, top-1 and top-5.

        `output` is [batch, classes], `target` [batch] class indices.
        """
        with torch.no_grad():
            top = output.topk(min(5, output.shape[1]), dim=1).indices
            correct = top.eq(target[:, None])
            self.top1 += correct[:, 0].sum().item()
            self.top5 += correct.sum().item()
        self.seen += len(target)
        self.loss += loss * len(target)

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy over the batches counted so far [percent]; 0 before the first."""
        return 100 * self.top1 / max(self.seen, 1)


PLUGIN = Examples

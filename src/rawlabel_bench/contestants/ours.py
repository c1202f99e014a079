"""rawlabel's own loader and training loop: the product's code, not a copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import families
from rawlabel.config import TrainConfig
from rawlabel.images.loader import BatchLoader, RawBatch
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.models.predictor import build_predictor
from rawlabel.training.data import load_training_data
from rawlabel.training.epoch_timing import EpochTiming
from rawlabel.training.image_cache import KeptImages, keep_images, make_loader
from rawlabel.training.loop import Trainer
from rawlabel_bench.contestant import Contestant
from rawlabel_bench.measuring import EpochClock
from rawlabel_bench.workload import Workload


class Ours(Contestant):
    """`rawlabel train` on class folders with its defaults: images decoded once and kept in memory where they fit,
    threads that cut views (or the GPU, where small images fit into its memory), uint8 to the device, bfloat16
    where the hardware has it, channels-last memory, and no wait for the device inside an epoch.

    Nothing is held out, so that all contestants train on the same images; the accuracy on the training images is
    the running one, as in the loops that it is compared with.
    """

    main, test = "train", "test"

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.config = self.settings()
        self.data = load_training_data(self.config)
        torch.manual_seed(workload.seed)
        predictor = build_predictor(self.config, len(self.data.train), len(self.data.class_ids))
        self.run = RunDirectory(workload.scratch)
        rule: Any = families.load(families.Family.STOPPING_RULE, self.config.stop)()
        # Without a run directory, test and training images are not compared: the others do not do that either.
        evaluator = make_epoch_evaluator(self.config.model_copy(update={"outpath": None}), self.data)
        self.trainer = Trainer(self.config, self.data, predictor, rule, self.run, evaluator)
        optimizer: Any = self.trainer.optimizer
        optimizer.register_step_post_hook(self.count_step)
        self._epochs: Iterator[EpochTiming] | None = None
        self._loader: BatchLoader | None = None
        self._passes = 0

    def settings(self) -> TrainConfig:
        """The settings of the run: the product's defaults, and what the case says."""
        workload, case = self.workload, self.workload.case
        return TrainConfig(
            root=workload.root,
            main=self.main,
            test=self.test,
            outpath=workload.scratch,
            model=case.model,
            stop="last_epoch",
            epochs=workload.epochs,
            batch_size=case.batch_size,
            lr=case.lr,
            momentum=workload.momentum,
            weight_decay=workload.weight_decay,
            decay_epochs=workload.decay_epochs,
            decay_max_epochs=workload.epochs,
            image_size=case.image_size,
            augment=case.augment,
            holdout=0.0,
            train_accuracy=(),
            seed=workload.seed,
            device=workload.device,
            workers=workload.workers,
        )

    def loaded(self) -> Iterator[int]:
        """One pass of the product's loader as training makes it; yields the images of each batch."""
        for batch in self._pass():
            yield len(batch.views)

    def ready(self) -> Iterator[int]:
        """One pass with the product's normalizer behind it."""
        for batch in self._pass():
            yield len(self.trainer.predictor.normalizer(batch.views))

    def steps(self, count: int) -> None:
        """The product's step on uint8 pixels that lie on the device, normalizing included."""
        pixels, _ = self.fixed_batch()
        views = (pixels * 64 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        ids = torch.arange(len(views)) % len(self.data.train)
        self.trainer.method.train()
        for _ in range(count):
            self.trainer.train_step(RawBatch(views, ids))

    def epoch(self, clock: EpochClock) -> dict[str, float]:
        """Train and measure the next epoch of the product's run.

        Returns accuracies `train` and `test` [percent] of its log.
        """
        if self._epochs is None:
            self._epochs = self.trainer.epochs()
        timing = next(self._epochs)
        clock.first_batch_at, clock.trained_at = timing.first_batch, timing.trained
        entry = self.run.log()[-1]
        test = entry["test"]["acc1"]
        assert test is not None  # the benchmark has a test set
        return {"train": entry["train"]["acc1"], "test": test}

    def close(self) -> None:
        """End the loader's threads, and the run where one was begun."""
        for running in (self._epochs, self._loader):
            if running is not None:
                running.close()  # type: ignore[union-attr]

    def images(self) -> KeptImages:
        """The training images as the product keeps them."""
        return keep_images(self.data.train.source, self.config, self.trainer.predictor)

    def _pass(self) -> Iterator[RawBatch]:
        if self._loader is None:
            self._loader = make_loader(self.images(), self.config, self.trainer.predictor)
        self._passes += 1
        return self._loader.epoch(self._passes)


PLUGIN = Ours

"""What it costs to feed small images: views cut by threads, in memory, against views cut by the device.

Makes random images (32 x 32), then takes turns between the two loaders: one pass of the loader alone, normalizing
included, and one epoch of training, on fewer images if asked. Prints medians as JSON. Random labels cost what any
labels do.

    python benchmarks/image_cache.py --images 50000 --epoch-images 5000 --model small_convnet --repeats 5
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import families
from rawlabel.config import TrainConfig
from rawlabel.models.predictor import build_predictor
from rawlabel.training.data import TrainingData, load_training_data
from rawlabel.training.epoch_timing import EpochTiming
from rawlabel.training.image_cache import keep_images, make_loader
from rawlabel.training.loop import Trainer

_CLASSES = 10


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--epoch-images", type=int, default=0, help="images of the epochs; 0 takes all")
    parser.add_argument("--model", default="small_convnet")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (asked.images, 32, 32, 3), dtype=np.uint8)
        labels = rng.integers(0, _CLASSES, asked.images)
        np.savez(root / "set.npz", X_train=pixels, y_train=labels)
        runs = {cache: _Run(root, cache, asked) for cache in ("memory", "device")}
        for run in runs.values():
            run.warm_up()
        for _ in range(asked.repeats):
            for run in runs.values():
                run.measure()
        facts = {
            **vars(asked),
            "device": str(run.trainer.predictor.device),
            "precision": str(run.trainer.predictor.precision),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        print(json.dumps({**facts, **{f"cache_{cache}": run.medians() for cache, run in runs.items()}}, indent=2))
        for run in runs.values():
            run.close()


class _Run:
    """One way of keeping the images, with a training of its own."""

    def __init__(self, root: Path, cache: str, asked: argparse.Namespace) -> None:
        self.config = TrainConfig(
            root=root, main="set.npz", outpath=root / cache, model=asked.model, image_size=32, seed=0, holdout=0,
            batch_size=asked.batch_size, epochs=asked.repeats + 1, train_accuracy=(), stop="last_epoch", lr=0.01,
            cache=cache, device=asked.device, workers=asked.workers, keep_predictions=False,
        )  # fmt: skip
        everything: TrainingData = load_training_data(self.config)
        data = replace(everything, train=everything.train.select(np.arange(asked.epoch_images or asked.images)))
        predictor = build_predictor(self.config, len(data.train), len(data.class_ids))
        rule: Any = families.load(families.Family.STOPPING_RULE, "last_epoch")()
        self.trainer = Trainer(self.config, data, predictor, rule, RunDirectory(root / cache), None)
        kept = keep_images(everything.train.source, self.config, predictor)
        self.loader = make_loader(kept, self.config, predictor)
        self.epochs: Iterator[EpochTiming] = self.trainer.epochs()
        self.seconds: dict[str, list[float]] = {"loader": [], "loader_cpu": [], "epoch": [], "epoch_cpu": []}

    def warm_up(self) -> None:
        """One pass and one epoch off the clock."""
        self._pass(0)
        next(self.epochs)

    def measure(self) -> None:
        """One pass and one epoch on the clock."""
        started, cpu = time.perf_counter(), time.process_time()
        self._pass(len(self.seconds["loader"]) + 1)
        self.seconds["loader"].append(time.perf_counter() - started)
        self.seconds["loader_cpu"].append(time.process_time() - cpu)
        cpu = time.process_time()
        timing = next(self.epochs)
        self.seconds["epoch"].append(timing.trained - timing.started)
        self.seconds["epoch_cpu"].append(time.process_time() - cpu)

    def medians(self) -> dict[str, float]:
        """Median seconds, and seconds of processor time."""
        return {key: round(statistics.median(values), 3) for key, values in self.seconds.items()}

    def close(self) -> None:
        """End the threads."""
        self.loader.close()
        self.epochs.close()  # type: ignore[attr-defined]

    def _pass(self, number: int) -> None:
        for batch in self.loader.epoch(number):
            self.trainer.predictor.normalizer(batch.views)
        if self.trainer.predictor.device.type == "cuda":
            torch.cuda.synchronize()


if __name__ == "__main__":
    main()

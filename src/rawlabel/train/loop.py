"""The training loop, top to bottom: steps, epochs, the held-out raw labels, the rule, the checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from rawlabel.config import TrainConfig
from rawlabel.errors import CheckpointError, ConfigError
from rawlabel.metrics import top_k_correct
from rawlabel.progress import Task, progress
from rawlabel.records import EpochRecord
from rawlabel.run_directory import LogEntry, RunDirectory
from rawlabel.signals import stop_requests
from rawlabel.train import distributed
from rawlabel.train.checkpoint import load_checkpoint, save_checkpoint, save_weights
from rawlabel.train.data import TrainingData
from rawlabel.train.epoch_log import signals_entry
from rawlabel.train.image_source import LabeledImages
from rawlabel.train.images import Images
from rawlabel.train.loader import Loader, RawBatch
from rawlabel.train.methods import Batch
from rawlabel.train.predictor import Predictor
from rawlabel.train.refit import StepBudgetLoader
from rawlabel.train.sample_statistics import SampleStatistics
from rawlabel.train.schedule import decays_left, learning_rate
from rawlabel.train.statistics import HeadTap, RunningStatistics
from rawlabel.train.stopping import Selection, StoppingRule
from rawlabel.train.train_accuracy import measure_train_accuracy

EpochEvaluator = Callable[[Predictor], dict[str, Any]]
"""Measures top-1 and top-5 accuracy on each test set after an epoch, as entries of the log; the rules never see
what it returns."""


class Trainer:
    """One run. `fit` goes on from the last checkpoint if there is one."""

    def __init__(
        self,
        config: TrainConfig,
        data: TrainingData,
        predictor: Predictor,
        rule: StoppingRule[Any],
        run: RunDirectory,
        evaluator: EpochEvaluator | None,
        num_steps: int | None = None,
    ) -> None:
        """Prepare a run whose epochs have `num_steps` steps, by default those of one pass over the images."""
        self.config, self.data, self.predictor, self.rule, self.run = config, data, predictor, rule, run
        self.evaluator, self.num_steps = evaluator, num_steps
        self.method = predictor.method
        self.optimizer = torch.optim.SGD(
            self.method.parameter_groups(), config.lr, momentum=config.momentum, weight_decay=config.weight_decay
        )
        self.labels = torch.from_numpy(data.train.labels).to(predictor.device)
        self.records: list[EpochRecord] = []
        self.head = HeadTap(self.method.network)
        # What the network last said of each training image; -1 for nothing yet.
        self.predictions = torch.full((len(data.train),), -1, dtype=torch.int32, device=predictor.device)
        self.samples = SampleStatistics(len(data.train), predictor.device)
        self.epoch, self.step, self.statistics = 0, 0, RunningStatistics()

    def fit(self) -> Selection:
        """Train to the last epoch, or to where the rule halts, and return the rule's selection.

        Raises `Interrupted` after a checkpoint when asked to stop, `ConfigError` when the loss diverges,
        `DataError`, `CheckpointError` and `DiskError`.
        """
        self._resume()
        train, holdout = self._decode(self.data.train, "train"), self._decode(self.data.holdout, "holdout")
        passes = Loader(
            train,
            self.predictor.transform,
            self.config.batch_size,
            self.config.seed or 0,
            self.config.workers,
            self.method.strong_augmentation,
            pin_memory=self.predictor.device.type == "cuda",
        )
        loader = passes if self.num_steps is None else StepBudgetLoader(passes, self.num_steps)
        total = self.config.epochs * loader.num_steps
        done = self.epoch * loader.num_steps + self.step
        try:
            with stop_requests() as request, progress("training", total, done=done) as task:
                stop = distributed.SharedStop(request)
                while self.epoch < self.config.epochs and not self._is_halted():
                    started = time.perf_counter()
                    self._train_epoch(loader, stop, task)
                    distributed.average_buffers(self.method)
                    trained = time.perf_counter()
                    accuracies = measure_train_accuracy(
                        self.config, self.predictor, train, self.data.train.labels, passes, self.epoch
                    )
                    if self.epoch + 1 < self.config.epochs:
                        loader.prepare(self.epoch + 1)
                    self._finish_epoch(holdout, accuracies)
                    self._log_timing(started, trained)
                    if stop.asked():
                        stop.obey()
        finally:
            loader.close()
        self.samples.write(self.run.samples_path, self.data.train, self.data.class_ids)
        return self.rule.select(self.records)

    def _is_halted(self) -> bool:
        return bool(self.records) and self.rule.select(self.records).halt

    def _train_epoch(self, loader: Loader | StepBudgetLoader, stop: distributed.SharedStop, task: Task) -> None:
        self.method.train()
        if self.step == 0:
            self.statistics = RunningStatistics()
            self.method.on_epoch_start(self.epoch)
        for group in self.optimizer.param_groups:
            if group.get("is_scheduled", True):
                group["lr"] = learning_rate(self.config, self.epoch)
        for raw_batch in loader.epoch(self.epoch, self.step):
            self._train_step(raw_batch)
            self.step += 1
            task.advance(note=f"epoch {self.epoch + 1}/{self.config.epochs}")
            if stop.asked() and self.step < loader.num_steps:
                self._save()
                stop.obey()

    def _train_step(self, raw_batch: RawBatch) -> None:
        ids, normalize = raw_batch.sample_ids.to(self.predictor.device), self.predictor.normalizer
        strong = tuple(normalize(views) for views in raw_batch.strong_views)
        batch = Batch(normalize(raw_batch.views), self.labels[ids], ids, strong)
        precision = self.predictor.precision
        with torch.autocast(self.predictor.device.type, precision, enabled=precision != torch.float32):
            output = self.method(batch)
        self.optimizer.zero_grad(set_to_none=True)
        output.loss.backward()
        alignment = self.head.alignment(batch.labels, len(self.data.class_ids))
        self.optimizer.step()
        self.method.on_step_end()
        self.samples.add(ids, output.logits, batch.labels)
        predicted = self.statistics.add(output.loss, output.logits, batch.labels).to(self.predictions)
        self.statistics.add_changes(self.predictions[ids], predicted)
        self.predictions[ids] = predicted
        if alignment is not None:
            self.statistics.add_alignment(alignment)

    def _finish_epoch(self, holdout: Images, accuracies: dict[str, Any]) -> None:
        """Measure, let the rule choose, log, and write the checkpoints; then the epoch counts as done."""
        seen, loss = self.statistics.seen, float(self.statistics.loss)
        if not math.isfinite(loss):
            raise ConfigError(f"--lr: the loss became {loss} in epoch {self.epoch}; try a lower learning rate")
        train = dict(zip(("acc1", "acc5"), (100 * self.statistics.correct / seen).tolist(), strict=True))
        held = self._measure(holdout, self.data.holdout)
        alignment_mean, alignment_kurtosis = self.statistics.alignment_moments()
        record = EpochRecord(
            epoch=self.epoch,
            learning_rate=learning_rate(self.config, self.epoch),
            train_loss=loss / seen,
            train_accuracy=train["acc1"],
            holdout_loss=held.get("loss"),
            holdout_accuracy=held.get("acc1"),
            decays_left=decays_left(self.config, self.epoch),
            changed_predictions=self.statistics.changed_percent(),
            alignment_mean=alignment_mean,
            alignment_kurtosis=alignment_kurtosis,
        )
        # One record for all processes, so that none halts while others go on.
        self.records.append(distributed.from_first(lambda: record))
        selection = self.rule.select(self.records)
        entry: LogEntry = {
            "epoch": self.epoch,
            "lr": self.records[-1].learning_rate,
            "train": {**train, "loss": loss / seen},
            **accuracies,
            "holdout": held,
            "signals": signals_entry(self.records[-1]),
            "selected_epoch": selection.epoch,
            "test": {"acc1": None, "acc5": None},
            **(self.evaluator(self.predictor) if self.evaluator else {}),
        }
        if selection.epoch == self.epoch:
            save_weights(self.run.selected_checkpoint, self.method.state_dict(), self._facts())
        self.run.log_epoch(entry)
        self.epoch, self.step = self.epoch + 1, 0
        self._save()

    def _measure(self, images: Images, expected: LabeledImages) -> dict[str, float]:
        """Accuracy and loss on held-out raw labels; empty when nothing is held out."""
        if not len(images):
            return {}
        logits = self.predictor.logits(images)
        count = len(expected)
        loss = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(expected.labels))
        return {
            "acc1": 100 * int(top_k_correct(logits, expected.labels, 1).sum()) / count,
            "acc5": 100 * int(top_k_correct(logits, expected.labels, 5).sum()) / count,
            "loss": float(loss),
        }

    def _decode(self, images: LabeledImages, what: str) -> Images:
        side = self.predictor.transform.stored_side
        return Images(images.source, side, self.config.workers, f"reading {what} images")

    def _facts(self) -> dict[str, Any]:
        """What is needed to use the weights."""
        return {
            "config": self.config.as_json(),
            "class_ids": list(self.data.class_ids),
            "num_samples": len(self.data.train),
            "epoch": self.epoch,
        }

    def _save(self) -> None:
        """Write everything needed to go on; `epoch` is the one to go on with, the one before it is done."""
        state = {
            "epoch": self.epoch,
            "step": self.step,
            "data": self.data.fingerprint,
            "optimizer": self.optimizer.state_dict(),
            "records": [asdict(one) for one in self.records],
            "statistics": asdict(self.statistics),
            "predictions": self.predictions,
            "samples": self.samples.state_dict(),
            "random": torch.get_rng_state(),
            "buffers": distributed.buffers_of_all(self.method) if self.step else None,
        }
        save_checkpoint(self.run.last_checkpoint, self.method.state_dict(), self._facts(), state)

    def _resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        path = self.run.last_checkpoint
        saved = distributed.from_first(lambda: load_checkpoint(path) if path.exists() else None)
        if saved is None:
            return
        if saved.get("data") != self.data.fingerprint:
            raise CheckpointError(f"{path}: belongs to other training data; choose another --outpath")
        try:
            self.method.load_state_dict(saved["method"])
            distributed.restore_buffers(self.method, saved["buffers"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.records = [EpochRecord(**one) for one in saved["records"]]
            self.statistics = RunningStatistics(**saved["statistics"])
            self.predictions.copy_(saved["predictions"])
            self.samples.load_state_dict(saved["samples"])
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{path}: does not fit this run; choose another --outpath") from error
        torch.set_rng_state(saved["random"])
        self.epoch, self.step = saved["epoch"], saved["step"]

    def _log_timing(self, started: float, trained: float) -> None:
        seconds = trained - started
        self.run.log_timing(
            epoch=self.epoch - 1,
            train_seconds=round(seconds, 3),
            images_per_second=round(self.statistics.seen / seconds, 1),
            measure_seconds=round(time.perf_counter() - trained, 3),
        )

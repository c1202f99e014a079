"""The training loop, top to bottom: steps, epochs, the held-out raw labels, the rule, the checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import Any

import torch

from rawlabel.artifacts.log_entry import HoldoutEntry, LogEntry, Measures, TestAccuracies, TrainMeasures
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Signals
from rawlabel.base import distributed
from rawlabel.base.progress import Task, progress
from rawlabel.base.signals import stop_requests
from rawlabel.config import TrainConfig
from rawlabel.errors import CheckpointError, DataError
from rawlabel.images.image_source import LabeledImages, UnreadableImage
from rawlabel.images.kept_features import KeptFeatures
from rawlabel.images.loader import BatchLoader, RawBatch
from rawlabel.models.checkpoint import RunState, WeightsFacts, load_checkpoint
from rawlabel.models.device import synchronize
from rawlabel.models.memory import advice_for_steps, memory_errors
from rawlabel.models.method import Batch, StepOutput
from rawlabel.models.networks.normalization import Normalization
from rawlabel.models.predictor import Predictor
from rawlabel.models.transfer.encoding import threads
from rawlabel.models.transfer.head import centre
from rawlabel.records import EpochRecord
from rawlabel.training.acceleration import compile_if_faster
from rawlabel.training.around.refit import StepBudgetLoader
from rawlabel.training.around.weighing import weights_for_steps
from rawlabel.training.checkpoint_writer import CheckpointWriter
from rawlabel.training.data import TrainingData
from rawlabel.training.epoch_journal import EpochJournal
from rawlabel.training.epoch_timing import EpochTiming, log_timing
from rawlabel.training.expected_time import say_expected_time
from rawlabel.training.image_cache import KeptImages, keep_images, make_loader
from rawlabel.training.measuring.divergence import refuse_diverged, refuse_diverged_logits
from rawlabel.training.measuring.jacobian import jacobian_norms
from rawlabel.training.measuring.sample_statistics import SampleStatistics
from rawlabel.training.measuring.statistics import HeadTap, RunningStatistics, class_size_ratio, holdout_statistics
from rawlabel.training.measuring.step_lines import StepLines
from rawlabel.training.measuring.train_accuracy import measure_train_accuracy
from rawlabel.training.measuring.weight_tracking import WeightTracker
from rawlabel.training.optimizers import make_optimizer, set_rates
from rawlabel.training.resuming import find_start, load_into
from rawlabel.training.run_logger import repeating
from rawlabel.training.schedule import decays_left, learning_rate
from rawlabel.training.stopping_rule import Selection, StoppingRule

SECONDS_OF_HEADS = 5.0
"""Time between two checkpoints of a head, whose epochs take less than it takes to write one [seconds]."""
EpochEvaluator = Callable[[Predictor], TestAccuracies]
"""Measures top-1 and top-5 accuracy on each test set after an epoch, as entries of the log; the rules never see
what it returns."""


class _Stopped(Exception):
    """The run was asked to stop, and leaves the epoch where it is."""


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
        self.config, self.data, self.rule, self.run = config, data, rule, run
        self.predictor = replace(predictor, pause=self._pause)
        self._stop: distributed.SharedStop | None = None
        self.evaluator, self.num_steps = evaluator, num_steps
        self.method = predictor.method
        # A run that is shorter than the one whose rates it has (a refit) is given that one's settings here.
        self.schedule_config = config
        self.optimizer = make_optimizer(config, self.method)
        self.weights = WeightTracker(config.track_weights, self.method.network, run.path)
        self.labels = torch.from_numpy(data.train.labels).to(predictor.device)
        self.sample_weights = weights_for_steps(data.train, predictor)
        self.records: list[EpochRecord] = []
        self.head = HeadTap(self.method.network)
        # What the network last said of each training image; -1 for nothing yet.
        self.predictions = torch.full((len(data.train),), -1, dtype=torch.int32, device=predictor.device)
        self.samples = SampleStatistics(len(data.train), predictor.device)
        self.epoch, self.step, self.statistics = 0, 0, RunningStatistics()
        self.writer = CheckpointWriter(run)
        self.journal = EpochJournal(run, self.writer, SECONDS_OF_HEADS if predictor.store else 0.0)
        # Of the images seen in this epoch, those that an earlier start has trained on.
        self.seen_before = 0

    def fit(self) -> Selection:
        """Train to the last epoch, or to where the rule halts, and return the rule's selection.

        Raises `Interrupted`, `ConfigError` when the loss diverges, `DataError`, `CheckpointError` and `DiskError`.
        """
        for _ in self.epochs():
            pass
        self.samples.write(self.run.samples_path, self.data.train, self.data.class_ids)
        return self.rule.select(self.records)

    def epochs(self) -> Iterator[EpochTiming]:
        """Do the epochs of `fit`, one at a time; close the iterator to end the run's threads early."""
        self._resume()
        train, holdout = self._decode(self.data.train, "train"), self._decode(self.data.holdout, "holdout")
        if isinstance(train, KeptFeatures):
            centre(self.method, train)
        self.run.log_timing(cache={"train": train.place, "holdout": holdout.place})
        passes = make_loader(train, self.config, self.predictor)
        loader: BatchLoader = passes if self.num_steps is None else StepBudgetLoader(passes, self.num_steps)
        total = self.config.epochs * loader.num_steps
        done = self.epoch * loader.num_steps + self.step
        if compiled := compile_if_faster(self.predictor, self.config, total - done):
            self.run.log_timing(compile=compiled)
        try:
            with (
                self.writer,
                # On one layer several threads would only wait for each other.
                threads(1) if self.predictor.store else nullcontext(),
                repeating(self.config, self.run, self.epoch) as loggers,
                stop_requests() as request,
                progress("training", total, done=done) as task,
            ):
                task.when_estimated = lambda left: say_expected_time(
                    left, self.config, self.predictor.device, self.epoch
                )
                stop = self._stop = distributed.SharedStop(request)
                while not self._is_last():
                    started = time.perf_counter()
                    with self._to_go_on_with(stop):
                        with memory_errors(advice_for_steps(self.config)):
                            first_batch = self._train_epoch(loader, task)
                        distributed.average_buffers(self.method)
                        synchronize(self.predictor.device)
                        trained = time.perf_counter()
                        on_train = self._measure_train(train, passes)
                        if self.epoch + 1 < self.config.epochs:
                            loader.prepare(self.epoch + 1)
                        measured = self._measure_others(on_train, holdout)
                        task.pass_over(time.perf_counter() - trained)
                    self._finish_epoch(measured)
                    timing = EpochTiming(started, first_batch or started, trained, time.perf_counter())
                    log_timing(self.run, self.epoch - 1, timing, self.statistics.seen - self.seen_before)
                    is_asked = stop.asked()
                    if not self.journal.is_empty and (is_asked or self._is_last()):
                        self._save()
                    if self.journal.is_empty:
                        loggers.repeat(self.epoch)
                    if is_asked:
                        self.writer.finish()
                        stop.obey()
                    yield timing
        finally:
            loader.close()

    def _pause(self) -> None:
        """Between two steps, or two batches of a measurement: leave the epoch if asked to stop.

        Raises `DiskError` where the last checkpoint could not be written.
        """
        self.writer.check()
        if self._stop is not None and self._stop.asked():
            raise _Stopped

    @contextmanager
    def _to_go_on_with(self, stop: distributed.SharedStop) -> Iterator[None]:
        """When an epoch is left before it is done, keep its steps; what was measured is measured again.

        Raises `Interrupted` where that was asked for, and `DataError` where an image is gone or damaged.
        """
        try:
            yield
        except _Stopped:
            self._save_now()
            stop.obey()
        except DataError as error:
            # Several processes save together, and the others know nothing of this.
            if self.step and distributed.count() == 1:
                self._save_now()
            if isinstance(error, UnreadableImage):
                raise DataError(
                    f"{error.fact}; put it back as it was and give the same command, which goes on from here, or "
                    "leave it out (of a manifest with `rawlabel curate`) and train anew"
                ) from error
            raise

    def _is_last(self) -> bool:
        """Whether no epoch follows."""
        return self.epoch >= self.config.epochs or (bool(self.records) and self.rule.select(self.records).halt)

    def _train_epoch(self, loader: BatchLoader, task: Task) -> float | None:
        """Make the steps that are left of an epoch; return when its first batch was there."""
        self.method.train()
        self.method.epoch = self.epoch
        if self.step == 0:
            self.statistics = RunningStatistics()
            self.method.on_epoch_start()
        lines = StepLines(self.config.print_freq, self.epoch, loader.num_steps, len(self.data.class_ids))
        first_batch: float | None = None
        began, self.seen_before = time.perf_counter(), self.statistics.seen
        for raw_batch in loader.epoch(self.epoch, self.step):
            first_batch = first_batch or time.perf_counter()
            lines.loaded(self.step, self.statistics)
            set_rates(self.optimizer, learning_rate(self.schedule_config, self.epoch, self.step, loader.num_steps))
            self.train_step(raw_batch)
            lines.done(self.step, self.statistics)
            self.step += 1
            rate = (self.statistics.seen - self.seen_before) / (time.perf_counter() - began)
            task.advance(note=f"epoch {self.epoch + 1}/{self.config.epochs}, {rate:.0f} images/s")
            self._pause()
        return first_batch

    def train_step(self, raw_batch: RawBatch) -> None:
        """One step on one batch; nothing in it waits for the device."""
        parts, has_answered = list(raw_batch.parts()), False

        def descend() -> torch.Tensor:
            """Loss and gradient; an optimizer may ask again, and what is measured is the first answer."""
            nonlocal has_answered
            self.optimizer.zero_grad(set_to_none=True)
            total = len(raw_batch.sample_ids)
            losses = [self._add_gradient(part, len(part.sample_ids) / total, not has_answered) for part in parts]
            has_answered = True
            return torch.stack(losses).sum()

        self.optimizer.step(descend)
        self.head.forget()
        self.method.on_step_end()

    def _add_gradient(self, part: RawBatch, share: float, is_measured: bool) -> torch.Tensor:
        """Add the gradient of a part of the batch, which counts as `share` of the whole, and return its loss."""
        device, precision, normalize = self.predictor.device, self.predictor.precision, self.predictor.normalizer
        ids = part.sample_ids.to(device, non_blocking=device.type == "cuda")
        strong = tuple(normalize(views) for views in part.strong_views)
        weights = None if self.sample_weights is None else self.sample_weights[ids]
        batch = Batch(normalize(part.views), self.labels[ids], ids, strong, weights)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            output: StepOutput = self.method(batch)
        loss = output.loss if share == 1 else output.loss * share
        loss.backward()  # type: ignore[no-untyped-call]
        if is_measured:
            self._note_step(output, batch)
        return loss.detach()

    def _note_step(self, output: StepOutput, batch: Batch) -> None:
        """Add what a part of the batch tells to the statistics."""
        ids = batch.sample_ids
        alignment = self.head.alignment(batch.labels, len(self.data.class_ids))
        self.samples.add(ids, output.logits, batch.labels)
        predicted = self.statistics.add(output.loss, output.logits, batch.labels).to(self.predictions)
        self.statistics.add_changes(self.predictions[ids], predicted)
        self.predictions[ids] = predicted
        if alignment is not None:
            self.statistics.add_alignment(alignment)

    def _measure_train(self, train: KeptImages, passes: BatchLoader) -> TrainMeasures:
        """Entries of the log about training images, where they are asked for."""
        self._refuse_divergence()
        labels = self.data.train.labels
        entries = measure_train_accuracy(self.config, self.predictor, train, labels, passes, self.epoch)
        if self.config.compute_jacobian and not isinstance(train, KeptFeatures):
            return {**entries, "J_norm": jacobian_norms(self.predictor, train, self.config.seed or 0)}
        return {**entries}

    def _measure_others(self, train: TrainMeasures, holdout: KeptImages) -> Measures:
        """What there is beside `train`: the holdout, for the rule, and the test sets, for people."""
        held: HoldoutEntry | None = None
        if len(holdout):
            logits = refuse_diverged_logits(self.predictor.logits(holdout), "held-out images", self.epoch)
            held = holdout_statistics(logits, self.data.holdout.labels)
        return Measures(train, held, self.evaluator(self.predictor) if self.evaluator else {})

    def _finish_epoch(self, measured: Measures) -> None:
        """Let the rule choose, log, and write the checkpoints; then the epoch counts as done."""
        train, held = self.statistics.entry(len(self.data.class_ids)), measured.holdout
        alignment_mean, alignment_kurtosis = self.statistics.alignment_moments()
        reads_epochs_left = "epochs_left" in self.rule.signals
        record = EpochRecord(
            epoch=self.epoch,
            learning_rate=learning_rate(self.schedule_config, self.epoch, self.step - 1, self.step),
            train_loss=train["loss"],
            train_accuracy=train["acc1"],
            holdout_loss=held and held["loss"],
            holdout_accuracy=held and held["acc1"],
            holdout_balanced_accuracy=held and held["balanced_acc1"],
            decays_left=decays_left(self.config, self.epoch),
            changed_predictions=self.statistics.changed_percent(),
            alignment_mean=alignment_mean,
            alignment_kurtosis=alignment_kurtosis,
            class_size_ratio=class_size_ratio(self.data.train.labels),
            holdout_images=held and len(self.data.holdout),
            # How far a run was to go is no part of what came of it: only the log of a rule that reads it says so.
            epochs_left=max(0, self.config.epochs - 1 - self.epoch) if reads_epochs_left else None,
        )
        # One record for all processes, so that none halts while others go on.
        self.records.append(distributed.from_first(lambda: record))
        selection = self.rule.select(self.records)
        entry: LogEntry = {
            "epoch": self.epoch,
            "lr": self.records[-1].learning_rate,
            "train": train,
            **measured.train,
            **self.weights.measure(self.epoch),
            "holdout": held or {},
            "signals": Signals.of(self.records[-1]).as_json(),
            "selected_epoch": selection.epoch,
            "test": {"acc1": None, "acc5": None},
            **measured.tests,
        }
        self.journal.add(entry, self.predictions if self.config.keep_predictions else None)
        if selection.epoch == self.epoch:
            self.journal.select(self.method.state_dict(), self._facts())
        self.epoch, self.step = self.epoch + 1, 0
        if self.journal.is_due:
            self._save()

    def _refuse_divergence(self) -> None:
        """Before anything is saved from which no run could go on. Raises `ConfigError`."""
        refuse_diverged(self.method, float(self.statistics.loss), self.epoch)

    def _decode(self, images: LabeledImages, what: str) -> KeptImages:
        verb = "reading" if self.predictor.store is None else "features of"
        return keep_images(images.source, self.config, self.predictor, f"{verb} {what} images")

    def _facts(self) -> WeightsFacts:
        """What is needed to use the weights."""
        facts: WeightsFacts = {
            "config": self.config.as_json(),
            "class_ids": list(self.data.class_ids),
            "num_samples": len(self.data.train),
            "epoch": self.epoch,
            "normalization": self.predictor.normalizer.normalization.as_json(),
        }
        if (encoder := self.predictor.encoder_facts()) is not None:
            facts["encoder"] = encoder
        return facts

    def _save_now(self) -> None:
        """Write everything needed to go on in the middle of the epoch, and wait until it is written."""
        self._refuse_divergence()
        self._save()
        self.writer.finish()

    def _save(self) -> None:
        """Have everything written that is needed to go on; `epoch` is the one to go on with."""
        state: RunState = {
            "epoch": self.epoch,
            "step": self.step,
            "data": self.data.fingerprint,
            "optimizer": self.optimizer.state_dict(),
            "records": [asdict(one) for one in self.records],
            "statistics": asdict(self.statistics),
            "predictions": self.predictions,
            "samples": self.samples.state_dict(),
            "weights_before": self.weights.state_dict(),
            "random": torch.get_rng_state(),
            "buffers": distributed.buffers_of_all(self.method) if self.step else None,
        }
        self.journal.save(self.method.state_dict(), self._facts(), state)

    def _resume(self) -> None:
        """Go on from the last checkpoint, if there is one, or from what --resume names."""
        start = distributed.from_first(lambda: find_start(self.config, self.run))
        self.epoch, path = start.epoch, start.checkpoint
        if start.normalization is not None:
            self.predictor.normalizer.use(start.normalization)
        if start.weights is not None:
            load_into(self.method, start.weights, self.config.resume)
        if start.network is not None:
            load_into(self.method.network, start.network, self.config.resume)
        if path is None:
            self.weights = WeightTracker(self.config.track_weights, self.method.network, self.run.path)
            return
        saved = distributed.from_first(lambda: load_checkpoint(path))
        if saved.get("data") != self.data.fingerprint:
            raise CheckpointError(f"{path}: belongs to other training data; choose another --outpath")
        self.predictor.normalizer.use(Normalization.of_weights_file(saved))
        try:
            self.method.load_state_dict(saved["method"])
            distributed.restore_buffers(self.method, saved.get("buffers"))
            self.optimizer.load_state_dict(saved["optimizer"])
            self.records = [EpochRecord(**one) for one in saved["records"]]
            self.statistics = RunningStatistics(**saved["statistics"])
            self.predictions.copy_(saved["predictions"])
            self.samples.load_state_dict(saved["samples"])
            self.weights.load_state_dict(saved.get("weights_before", {}))
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{path}: does not fit this run; choose another --outpath") from error
        torch.set_rng_state(saved["random"])
        self.epoch, self.step = saved["epoch"], saved["step"]

"""The published trainer's line on the standard output, every `--print-freq` steps."""

from __future__ import annotations

import sys
import time

from torch import Tensor

from rawlabel.base import processes
from rawlabel.base.correctness import has_top5
from rawlabel.training.measuring.statistics import RunningStatistics


class StepLines:
    """Watches the steps of one epoch; nothing waits for the device but the steps that print.

    Each quantity is shown of the step and, in brackets, as the mean of the epoch since it began or went on.
    """

    def __init__(self, every: int | None, epoch: int, num_steps: int, num_classes: int) -> None:
        """Print a line every so many steps, if at all; top-5 accuracies, as the logs, where they say anything."""
        self._every, self._epoch, self._num_steps = every, epoch, num_steps
        names = ["Loss {:.4f} ({:.4f})", "Acc@1 {:.3f} ({:.3f})", "Acc@5 {:.3f} ({:.3f})"]
        self._names = names if has_top5(num_classes) else names[:2]
        self._count, self._data, self._total = 0, 0.0, 0.0
        self._start = self._loaded = time.perf_counter()
        self._before: tuple[int, Tensor, Tensor] | None = None

    def loaded(self, step: int, statistics: RunningStatistics) -> None:
        """Say that the batch of `step` is there, from which on its time counts.

        `statistics` are the sums before the step.
        """
        self._loaded = time.perf_counter()
        # The sums are never changed in place, so that to keep them is to keep what they are now.
        is_due = processes.is_first() and self._every is not None and step % self._every == 0
        self._before = (statistics.seen, statistics.loss, statistics.correct) if is_due else None

    def done(self, step: int, statistics: RunningStatistics) -> None:
        """Say that `step` is made; prints if it is its turn."""
        line = self._values(statistics) if self._before is not None else ""
        now = time.perf_counter()
        seconds, waited = now - self._start, self._loaded - self._start
        self._start, self._count = now, self._count + 1
        self._total, self._data = self._total + seconds, self._data + waited
        if line:
            times = f"Time {seconds:.3f} ({self._total / self._count:.3f})\t"
            times += f"Data {waited:.3f} ({self._data / self._count:.3f})\t"
            sys.stdout.write(f"Epoch: [{self._epoch}][{step}/{self._num_steps}]\t{times}{line}\n")
            sys.stdout.flush()

    def _values(self, statistics: RunningStatistics) -> str:
        assert self._before is not None
        seen, loss, correct = self._before
        count = statistics.seen - seen
        now = [float(statistics.loss), *(100.0 * statistics.correct).tolist()]
        before = [float(loss), *(100.0 * correct).tolist()]
        return "\t".join(
            name.format((one - earlier) / count, one / statistics.seen)
            for name, one, earlier in zip(self._names, now, before, strict=False)
        )

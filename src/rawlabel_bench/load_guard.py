"""Says how busy other processes keep the machine while something is measured, and waits until they do not."""

from __future__ import annotations

import contextlib
import time

import psutil

BUSY = 0.10
"""Share of one core that other processes may use before a reading counts as disturbed."""


class LoadGuard:
    """Counts the processor time of all processes but this one and those it started."""

    def __init__(self, patience: float) -> None:
        """Make a guard that waits for a quiet machine for at most `patience` seconds in all."""
        self._patience = patience
        self.waited = 0.0
        self.begin()

    def begin(self) -> None:
        """Start a span: what other processes do to the machine from now on counts against it."""
        self._before, self._since = self._seen(), time.monotonic()

    def others(self) -> float:
        """Cores that other processes have used since `begin`, on average."""
        spent = self._seen() - self._before
        return max(spent, 0.0) / max(time.monotonic() - self._since, 1e-3)

    def wait_for_quiet(self) -> None:
        """Return when others use less than `BUSY` of a core for a second, or the patience is used up."""
        while self.waited < self._patience:
            started = time.monotonic()
            self.begin()
            time.sleep(1.0)
            if self.others() < BUSY:
                return
            self.waited += time.monotonic() - started

    @staticmethod
    def _seen() -> float:
        """Processor time of all other processes so far [seconds].

        Children that have ended count for their parent, which has their time from then on, so the sum does not
        jump when a process ends.
        """
        this = psutil.Process()
        ours = {this.pid, *(child.pid for child in this.children(recursive=True))}
        total = 0.0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid not in ours:
                    total += sum(process.cpu_times()[:4])
        return total

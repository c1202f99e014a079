"""Run loggers: one file each. A logger shows the epochs of `log.json` in a tool that people watch runs with.

`log.json` is always written, and a logger only repeats it: what it has repeated is noted in `loggers.json` of the
run directory, so a run that goes on repeats what is missing and nothing twice. Loggers work in a thread of their
own, where training neither waits for them nor ends with them. To add one, write `<name>.py` with a subclass of
`RunLogger` named by `PLUGIN`.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rawlabel.artifacts.log_entry import LogEntry
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Timing
from rawlabel.base import families, messages, processes
from rawlabel.base.files import read_json, write_json
from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError

_FOR_PEOPLE = ("test", "subset")
"""Parts of an entry that are measured on clean labels, which no choice may rest on."""
_TIMES = {"images_per_second", "train_seconds", "measure_seconds"}


class RunLogger(ABC):
    """Base of all loggers. One object logs one start of one run; any exception ends the logger, not the run."""

    package: str = ""
    """The package that the logger needs and rawlabel does not; an extra of rawlabel has the logger's name."""

    @abstractmethod
    def start(self, config: TrainConfig, run_path: Path, first_epoch: int) -> None:
        """Begin, or go on with, the log of the run in `run_path`.

        `first_epoch` is the first one that `epoch` will be told of; what the tool may have of it or of later ones,
        from before an interruption, is to give way.
        """

    @abstractmethod
    def epoch(self, epoch: int, scalars: Mapping[str, float]) -> None:
        """Log one epoch: its number, counted from 0, and values by names such as `train/acc1` (percent)."""

    @abstractmethod
    def flush(self) -> None:
        """Return when a killed process no longer loses what was logged."""

    @abstractmethod
    def close(self) -> None:
        """Finish what is under way and let go of files and connections; nothing is logged afterwards."""


def require(names: Sequence[str]) -> None:
    """Raise `PluginError` for an unknown logger, and `ConfigError` for one whose package is not installed."""
    for name in names:
        package = families.load(families.Family.LOGGER, name).package
        if package and importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"--logger {name}: the package {package} is not installed; run `pip install 'rawlabel[{name}]'`"
            )


@contextmanager
def repeating(config: TrainConfig, run: RunDirectory, first_epoch: int) -> Iterator[LogRepeater]:
    """Yield what tells the loggers of `config` about each epoch, after those before `first_epoch`."""
    with ThreadPoolExecutor(1, thread_name_prefix="run-loggers") as thread:
        repeater = LogRepeater(config, run, thread)
        repeater.repeat(first_epoch)
        try:
            yield repeater
        finally:
            repeater.close()


class LogRepeater:
    """Repeats the log of a run to its loggers. One that fails is reported once and left alone."""

    def __init__(self, config: TrainConfig, run: RunDirectory, thread: ThreadPoolExecutor) -> None:
        self._run, self._thread = run, thread
        # Of several processes that make one run, the first alone writes.
        names = dict.fromkeys(config.logger) if processes.is_first() else {}
        self._active = {name: _Repeating(name, config, run) for name in names}
        self._jobs: list[tuple[str, Future[None]]] = []

    def repeat(self, next_epoch: int) -> None:
        """Pass on the epochs before `next_epoch` that are new."""
        for name, logger in self._active.items():
            logger.next_epoch = next_epoch
            self._jobs.append((name, self._thread.submit(logger.repeat)))
        self._report()

    def close(self) -> None:
        """Wait for the loggers to write what they were given, and say once which of them failed and why."""
        for name, logger in self._active.items():
            self._jobs.append((name, self._thread.submit(logger.close)))
        for _, job in self._jobs:
            job.exception()
        self._report()

    def _report(self) -> None:
        """Say which loggers failed, and tell these nothing more."""
        for name, error in ((name, job.exception()) for name, job in self._jobs if job.done()):
            if error is not None and name in self._active:
                del self._active[name]
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                messages.warn(f"--logger {name}: failed ({reason}); training goes on without it")
        self._jobs = [(name, job) for name, job in self._jobs if not job.done()]


class _Repeating:
    """One logger, and the last epoch that it has, which outlives the process."""

    def __init__(self, name: str, config: TrainConfig, run: RunDirectory) -> None:
        self._name, self._config, self._run = name, config, run
        self._logger: RunLogger = families.load(families.Family.LOGGER, name)()
        self._path, self._last, self._is_started = run.path / "loggers.json", -1, False
        self.next_epoch = 0
        """The first epoch that is not done; a logger that is slower than the run takes several in one go."""

    def repeat(self) -> None:
        """Log the epochs that are done and that the logger does not have yet."""
        if not self._is_started:
            self._last = int(self._state().get(self._name, -1))
            self._logger.start(self._config, self._run.path, self._last + 1)
            self._is_started = True
        if self.next_epoch <= self._last + 1:
            return
        next_epoch, timings = self.next_epoch, self._run.read().timings
        for entry in self._run.log():
            if self._last < entry["epoch"] < next_epoch:
                self._last = entry["epoch"]
                self._logger.epoch(self._last, scalars(entry, timings.get(self._last)))
        self._logger.flush()
        write_json(self._path, self._state() | {self._name: self._last})

    def close(self) -> None:
        """Finish."""
        if self._is_started:
            self._logger.close()

    def _state(self) -> dict[str, int]:
        return dict(read_json(self._path, "the last epoch of each logger")) if self._path.exists() else {}


def scalars(entry: LogEntry, timing: Timing | None) -> dict[str, float]:
    """The numbers of one epoch by name, such as `train/acc1`, `lr` and `speed/images_per_second`.

    What was measured on clean labels is marked: `test_for_people/acc1`. Parts that are not measured are left out.
    """
    named = {f"{key}_for_people" if key in _FOR_PEOPLE else key: value for key, value in entry.items()}
    named.pop("epoch", None)
    return _flat(named, "") | _flat(
        timing.model_dump(include=_TIMES, exclude_unset=True) if timing else {}, "speed/"
    )


def _flat(values: Mapping[str, Any], prefix: str) -> dict[str, float]:
    flat: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[f"{prefix}{key}"] = float(value)
    return flat

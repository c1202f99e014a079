"""Where the test sets of a run lie now: the one that it logged, and the one that an evaluation measured."""

from __future__ import annotations

from pathlib import Path

from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_records import Measurement
from rawlabel.errors import ConfigError
from rawlabel.images.input import is_address, locate


def logged_test_set(run: Run) -> Path:
    """The test set whose accuracies the log has, where it lies now. Raises `ConfigError` where there is none."""
    config = run.settings
    if config.test is None:
        raise ConfigError("--test: the run logged no test set; name a folder of class folders")
    return locate(config.root, config.test)


def measured_folder(run: Run, measured: Measurement) -> Path:
    """The test set of a measurement in `summary.json`, where it lies now."""
    given = Path(measured.folder)
    if is_address(given):
        return given
    place, config = measured.place.find(run.path, given), run.config
    # Older versions noted no place, but the test set may be the one that was logged.
    is_logged = not place.exists() and config.test is not None and given == config.root / config.test
    return logged_test_set(run) if is_logged else place


def is_of_logged_test_set(run: Run, measured: Measurement) -> bool:
    """Whether an evaluation measured the test set whose accuracies the log has, wherever both lie now."""
    if measured.oracle is not None:  # which an evaluation notes of that one alone
        return True
    if run.config.test is None:
        return False
    return measured_folder(run, measured).resolve() == logged_test_set(run).resolve()

"""The run directory: the evidence of one training run.

======================  ================================================================================
`config.json`           resolved settings; `rawlabel train --config` on it repeats the run
`environment.json`      versions, processor, commit and time of each start
`log.json`              one entry an epoch, in the published format with more keys; nothing of the clock
`timing.jsonl`          seconds and images a second of each epoch
`checkpoints/`          `selected.safetensors` (weights of the rule's epoch), `last-….safetensors` (those of the
                        last one) and `last.pt` (what else is needed to go on from there)
`label_noise.json`      what `--inject-noise` changed, label by label (`mix.json`: what `--mix` replaced)
`samples.parquet`       one row a training image: its raw label (a student's: its teacher's label, too), how often
                        the steps found right what it was trained on, its mean margin
`training_predictions/` predicted class of each training image, one file an epoch
`summary.json`          selected, last and oracle epoch
`encoder.json`          the frozen network that a head was trained on, and which of the classes it was taught
`choice.json`           each candidate's score, and the head that was chosen by them (`--choose`);
                        `choice_regret.json`: what that cost on a test set, by `evaluate`
`label_weights.parquet` one row a photo: what its raw label counted in training, and why (`--weighing`)
`responsible.json`      for each confusion on a test set, the nearest training photos of the predicted raw label
`label_groups.json`     groups of suspected photos inside a class, by `rawlabel labels`
`test_overlap.json`     which images of a test set are among those of the run, by fingerprint
`test_copies.json`      which images were left out as copies of test images; `decontamination.json`: the
                        certificates of that, and `decontamination_review.parquet` what a person should look at
`loggers.json`          the last epoch that each `--logger` has; what they wrote is in `tensorboard/` and `wandb/`
`frozen/`               run directory of the head, with its choice and weighing, where `--finetune` came after it;
                        `weights_choice.json` beside it says which weights were kept
`teacher/`, `refit/`    run directories of the teacher that labeled for this run, and of the refit that followed it
`folds/`                run directories of the networks that judged the labels for `--confident-learning`, by fold
`confident_learning.parquet`  one row a training image: its label, what was said of it, and whether it was kept
`probe.json`            simple classifiers on frozen features, beside the run; `probe_features/` keeps the
                        features and may be deleted
`predictions.parquet`   one row a test image; with `corr.json`, `confmat.npy`, `idx2cls.json`: written by
                        the evaluation
======================  ================================================================================

While a process trains there, it holds the lock `.lock`, which it removes at its end.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.log_entry import LogEntry
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_records import Environment, Overlap, Place, Start, Summary
from rawlabel.base import processes
from rawlabel.base.files import atomic_write, disk_errors, locked, read_json, write_json
from rawlabel.base.version import __version__
from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError, DataError, DiskError, ProcessLost, RawlabelError

_OF_A_START = frozenset(
    {"config.json", "environment.json", "encoder.json", "test_copies.json", "mix.json", "label_noise.json"}
)
"""What is written before anything is trained or measured."""


class RunDirectory:
    """Paths of one run directory, and writing in it; `read` gives what it holds as records."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def existing(cls, path: Path) -> RunDirectory:
        """Open a run directory; raises `DataError` when `path` is none."""
        return cls(Run.existing(path).path)

    @property
    def log_path(self) -> Path:
        """The log, `log.json`: a JSON list with one entry an epoch, in the format of the published logs."""
        return self.path / "log.json"

    @property
    def samples_path(self) -> Path:
        """What the training steps said of each image."""
        return self.path / "samples.parquet"

    @property
    def last_checkpoint(self) -> Path:
        """Everything needed to go on where the run stands."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def last_weights(self) -> Path:
        """Weights where the run stands; a name that may not exist when there are none."""
        found = sorted((self.path / "checkpoints").glob("last-*.safetensors"))
        return found[-1] if found else self.path / "checkpoints" / "last.safetensors"

    @property
    def selected_checkpoint(self) -> Path:
        """Weights of the epoch that the stopping rule selects so far."""
        return self.path / "checkpoints" / "selected.safetensors"

    def read(self) -> Run:
        """What the directory holds now, as frozen records."""
        return Run(self.path)

    def place_of(self, path: Path) -> Place:
        """Where `path` lies, by itself and from the run, so that it is found from anywhere and after a move."""
        place, own = path.resolve(), self.path.resolve()
        try:
            from_run = Path(os.path.relpath(place, own)).as_posix()
        except ValueError:  # on another drive
            return Place(absolute=str(place))
        return Place(absolute=str(place), from_run=from_run)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Make the directory and keep other processes from training in it; of one run's processes, the first does.

        What a killed process left half written is removed, and so is a directory that is still empty at the end.
        Raises `ConfigError` when another process trains here.
        The claim ends with the process, however that ends. A file system without such locks has none.
        """
        if not processes.is_first():
            yield
            return
        made = [one for one in (self.path, *self.path.absolute().parents) if not one.exists()]
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        try:
            with locked(self.path / ".lock") as is_ours:
                if not is_ours:
                    raise ConfigError(
                        f"--outpath: {self.path} is being trained by another process; "
                        "wait for it, or choose another"
                    )
                with disk_errors(self.path):
                    for left in self.path.rglob(".*.part"):
                        left.unlink(missing_ok=True)
                yield
        finally:
            # Where nothing came of it, as with a network that nobody has, no folder is left.
            with suppress(OSError):
                for folder in made:
                    folder.rmdir()

    @contextmanager
    def removed_if_refused(self) -> Iterator[None]:
        """Where a start is refused before its first step, leave nothing of it: no settings, and no folder.

        A directory that was there before stays as it is, and so does one that holds more than a start notes.
        """
        made = [one for one in (self.path, *self.path.absolute().parents) if not one.exists()]
        try:
            yield
        except ProcessLost:
            raise
        except RawlabelError:
            if made and processes.is_first() and self.path.exists():
                self._forget_start(made)
            raise

    def _forget_start(self, made: Sequence[Path]) -> None:
        # Whatever the system refuses here, the error that is under way is the one to be told.
        with suppress(OSError, DiskError), locked(self.path / ".lock") as is_ours:
            files = [one for one in self.path.rglob("*") if not one.is_dir() and one.name != ".lock"]
            if not is_ours or not all(one.name in _OF_A_START for one in files):
                return
            for file in files:
                file.unlink()
        with suppress(OSError):
            for folder in sorted((one for one in self.path.rglob("*") if one.is_dir()), reverse=True):
                folder.rmdir()
            for folder in made:
                folder.rmdir()

    def start(self, config: TrainConfig, start: Start) -> None:
        """Write the settings, and add this start to `environment.json`."""
        if not processes.is_first():
            return
        write_json(self.path / "config.json", config.as_json())
        starts = [one.as_json() for one in (*self.read().starts, start)]
        write_json(self.path / "environment.json", starts)

    def log(self) -> list[LogEntry]:
        """All logged epochs as they were written; empty before the first."""
        if not self.log_path.exists():
            return []
        entries = read_json(self.log_path, "one entry an epoch")
        if not isinstance(entries, list) or not all(isinstance(one, dict) and "epoch" in one for one in entries):
            raise DataError(f"{self.log_path}: should be a list of epochs; remove it and resume the run")
        return entries

    def log_epoch(self, entry: LogEntry) -> None:
        """Add one epoch to `log.json`, by the first process alone, as `log_epochs` does with several."""
        self.log_epochs([entry])

    def log_epochs(self, entries: Sequence[LogEntry]) -> None:
        """Add epochs in their order; entries of the first or later ones, from before an interruption, give way."""
        if entries and processes.is_first():
            before = [one for one in self.log() if one["epoch"] < entries[0]["epoch"]]
            write_json(self.log_path, [*before, *entries])

    def log_timing(self, **facts: Any) -> None:
        """Add one line of clock readings, kept apart so that equal runs have equal logs."""
        if not processes.is_first():
            return
        path = self.path / "timing.jsonl"
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(facts) + "\n")

    def keep_training_predictions(self, epoch: int, predictions: npt.NDArray[np.int32]) -> None:
        """Write the class that the network gave each training image in the pass of `epoch`; -1 for none yet."""
        smallest = np.int16 if predictions.max(initial=0) <= np.iinfo(np.int16).max else np.int32
        with atomic_write(self._predictions_path(epoch)) as stream:
            np.savez_compressed(stream, predictions=predictions.astype(smallest))

    def training_predictions(self) -> npt.NDArray[np.int32] | None:
        """Predicted class [epochs, training images] in the order of the training data; None where none were kept.

        Raises `DataError` when a file is missing or damaged.
        """
        epochs = [one.epoch for one in self.read().epochs]
        if not epochs or not self._predictions_path(0).parent.is_dir():
            return None
        rows = []
        for path in map(self._predictions_path, epochs):
            try:
                with np.load(path, allow_pickle=False) as saved:
                    rows.append(saved["predictions"].astype(np.int32))
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                raise DataError(f"{path}: is missing or damaged; repeat the run in another --outpath") from error
        if len({row.shape for row in rows}) > 1:
            raise DataError(f"{path.parent}: its epochs are of different images; repeat the run")
        return np.stack(rows)

    def take_over_predictions(self, other: RunDirectory, epoch: int) -> None:
        """Copy those of an epoch from another run, where it kept them."""
        path = other._predictions_path(epoch)
        if path.exists() and processes.is_first():
            with disk_errors(path), atomic_write(self._predictions_path(epoch)) as stream:
                stream.write(path.read_bytes())

    def _predictions_path(self, epoch: int) -> Path:
        return self.path / "training_predictions" / f"{epoch:05d}.npz"

    def summary(self) -> Summary:
        """Selected, last and oracle epoch with why, from `summary.json`.

        Raises `DataError` before a run is finished.
        """
        return self.read().summary

    @property
    def overlap_path(self) -> Path:
        """Which images of each test set are among those of the run, too."""
        return self.path / "test_overlap.json"

    @property
    def left_out_path(self) -> Path:
        """Which copies of test images were left out of the data."""
        return self.path / "test_copies.json"

    def overlap_counts(self) -> dict[str, Overlap]:
        """The counts of what test sets share with the run, for the summary."""
        return {key: one.counts() for key, one in self.read().overlap.items()}

    def write_summary(self, summary: Summary) -> None:
        """Write `summary.json`, which only a finished run has, in the place of one that was there."""
        write_json(self.path / "summary.json", summary.as_json())


def describe_environment() -> Environment:
    """What a reader of a number needs to know about where it was made."""
    packages = ("torch", "torchvision", "timm", "numpy", "pillow", "opencv-python-headless")
    return Environment(
        started_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        rawlabel=__version__,
        commit=source_commit(),
        python=platform.python_version(),
        packages={name: version(name) for name in packages},
        platform=platform.platform(),
        processor=processor_name(),
        command=" ".join(sys.argv[1:]),
    )


def source_commit() -> str:
    """Commit of the source tree this code runs from, `+dirty` when changed; the version when installed."""
    here = Path(__file__).parent
    try:
        # An installed package may lie inside somebody else's repository, whose commit says nothing of ours.
        _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        commit = _git(here, "rev-parse", "--short=12", "HEAD")
        return commit + ("+dirty" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return f"release {__version__}"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def processor_name() -> str:
    """The processor's name as the system has it ("AMD EPYC 7R13"), or its architecture where it has none."""
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        for line in cpu_info.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

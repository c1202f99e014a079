"""A run directory as frozen records: the one place that reads its settings, starts, log, timings and summary.

`run_directory` writes them. Nothing here needs torch, and a folder with a published log alone is read too: what
is not there is None or empty. Each file is read when it is first asked for, and checked then; a damaged one
raises `DataError` of one line. Entries of older versions lack what was not written yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rawlabel.artifacts.certificate import Certificate, read_certificates
from rawlabel.artifacts.evidence.head_choice import HeadChoice, read_head_choice
from rawlabel.artifacts.evidence.labels import LabelEvidence, read_label_evidence
from rawlabel.artifacts.evidence.probe import Probe, read_probes
from rawlabel.artifacts.evidence.weights import WeightsChoice, read_weights_choice
from rawlabel.artifacts.manifest import is_manifest
from rawlabel.artifacts.project import export_path, is_project, manifests_path, runs_path
from rawlabel.artifacts.run_records import (
    EncoderRecord,
    Epoch,
    LeftOutCopies,
    Measurement,
    Overlap,
    Place,
    Start,
    Summary,
    Timing,
    accuracies_on_test,
    oracle_epoch,
)
from rawlabel.base.checked import check_record
from rawlabel.base.files import read_json
from rawlabel.config import TrainConfig
from rawlabel.errors import DataError

AGAIN = "train again into another --outpath"
FROZEN = "frozen"
"""Folder in the run directory of a fine-tuned run, with the run that chose and trained its head."""


@dataclass(frozen=True)
class Run:
    """A run directory, as it is when each of its files is first looked at."""

    path: Path

    @classmethod
    def existing(cls, path: Path) -> Run:
        """Open a run directory; raises `DataError` when `path` is none, such as the project that has the run."""
        if not (path / "config.json").is_file():
            if is_project(path):
                raise DataError(f"{path}: is a project and no run; {_run_to_name(path)}")
            raise DataError(f"{path}: is no run directory (no config.json); name the folder that training made")
        return cls(path)

    @property
    def log_path(self) -> Path:
        """The per-epoch log, whether it is there yet or not."""
        return self.path / "log.json"

    @cached_property
    def given(self) -> Mapping[str, Any]:
        """The settings by name, as they were given; what an older version did not have is at its default."""
        values = read_json(self.path / "config.json", "the settings of a run")
        if not isinstance(values, dict):
            raise DataError(f"{self.path / 'config.json'}: holds no settings; {AGAIN}")
        return TrainConfig().as_json() | values

    @cached_property
    def config(self) -> TrainConfig:
        """The resolved settings, as they were given. Raises `DataError`."""
        return settings_of(self.given, self.path / "config.json")

    @cached_property
    def settings(self) -> TrainConfig:
        """The resolved settings, with what they name where it lies now: the data, and the encoder's weights.

        Raises `DataError`.
        """
        noted = self.last_start.root
        # Runs of older versions noted nothing, but theirs may be the project that they lie in.
        if noted == Place() and self.path.resolve().parent.name == runs_path(Path()).name:
            noted = Place(absolute=str(self.path.resolve().parent.parent))
        root = noted.find(self.path, self.config.root, lambda place: _holds_data_of(place, self.config))
        main, manifest = self.config.main, self.manifest_path
        if main is None and manifest is not None:
            # The project's newest one may be another by now, such as that of `curate --drop`.
            main = str(manifest.absolute())
        weights = self.config.weights
        if weights is not None:
            weights = self.last_start.weights.find(self.path, weights, Path.is_file)
        return self.config.model_copy(update={"root": root, "main": main, "weights": weights})

    @cached_property
    def starts(self) -> tuple[Start, ...]:
        """Each start of the run; empty where nothing was noted."""
        path = self.path / "environment.json"
        if not path.is_file():
            return ()
        return check_record(tuple[Start, ...], read_json(path, "the starts of a run"), path, AGAIN)

    @property
    def last_start(self) -> Start:
        """The last start; one that says nothing where none was noted."""
        return self.starts[-1] if self.starts else Start()

    @cached_property
    def encoder(self) -> EncoderRecord | None:
        """The frozen network that a head was trained on; None for a network trained on pixels."""
        path = self.path / "encoder.json"
        if not path.is_file():
            return None
        return check_record(EncoderRecord, read_json(path, "the encoder of a run"), path, AGAIN)

    @cached_property
    def weights_choice(self) -> WeightsChoice | None:
        """Which weights fine-tuning kept; None for every other run."""
        return read_weights_choice(self.path)

    @cached_property
    def epochs(self) -> tuple[Epoch, ...]:
        """All logged epochs, which count up; empty before the first."""
        if not self.log_path.is_file():
            return ()
        entries = read_json(self.log_path, "one entry an epoch")
        epochs = check_record(tuple[Epoch, ...], entries, self.log_path, AGAIN)
        if any(now.epoch <= before.epoch for before, now in pairwise(epochs)):
            raise DataError(f"{self.log_path}: its epochs do not count up; {AGAIN}")
        return epochs

    @cached_property
    def timings(self) -> Mapping[int, Timing]:
        """The last timing of each epoch; a line that a killed process left unfinished is passed over."""
        path, timings = self.path / "timing.jsonl", {}
        for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
            with suppress(ValueError):
                if "epoch" in (entry := json.loads(line)):
                    timings[entry["epoch"]] = Timing.model_validate(entry)
        return timings

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end and wrote `summary.json`."""
        return (self.path / "summary.json").is_file()

    @cached_property
    def summary(self) -> Summary:
        """Selected, last and oracle epoch, and what an evaluation measured. Raises `DataError` before the end."""
        path = self.path / "summary.json"
        if self.path.is_dir() and not path.exists():
            raise DataError(
                f"{path}: no such file; it should hold the summary of a finished run: give its `rawlabel "
                "train` command again, which goes on"
            )
        return check_record(Summary, read_json(path, "the summary of a finished run"), path, AGAIN)

    @property
    def selected_epoch(self) -> int | None:
        """Epoch that the stopping rule selects, so far where the run is not finished."""
        if self.is_finished:
            return self.summary.selected_epoch
        return self.epochs[-1].selected_epoch if self.epochs else None

    @property
    def test_accuracies(self) -> dict[int, float]:
        """Top-1 test accuracy [percent] by epoch, as far as it was logged."""
        return accuracies_on_test(self.epochs)

    @property
    def oracle_epoch(self) -> int | None:
        """Epoch with the highest logged test accuracy, which nobody could have chosen; None without any."""
        return oracle_epoch(self.test_accuracies)

    @property
    def oracle_weights(self) -> tuple[str, float] | None:
        """Of what fine-tuning had to choose from, the best on the test set, and its accuracy [percent].

        None where no such weights were measured, or an epoch is as good.
        """
        told = self.weights_choice.test_accuracies if self.weights_choice else {}
        name = max(told, key=lambda one: told[one], default=None)
        if name is None or told[name] <= max(self.test_accuracies.values(), default=-1.0):
            return None
        return name, told[name]

    @property
    def data_fingerprint(self) -> str:
        """Fingerprint of the data it was trained on; empty when nothing says."""
        noted = self.summary.data if self.is_finished else ""
        return noted or self.last_start.data.fingerprint

    def is_trained_on(self, fingerprint: str) -> bool:
        """Whether its data are those of that fingerprint, but for the copies of test images that it left out."""
        left_out = self.left_out_copies
        return fingerprint in (self.data_fingerprint, left_out.data if left_out else None)

    @property
    def manifest_path(self) -> Path | None:
        """The manifest that it was trained on, where it lies now; None where the data were something else."""
        noted = self.last_start.data
        origin = noted.place.find(self.path, Path(noted.origin))
        file = origin / "manifest.parquet" if origin.is_dir() else origin
        return file if is_manifest(file) else None

    @cached_property
    def overlap(self) -> Mapping[str, Overlap]:
        """What was counted of each test set, by `test` and `subset`; empty where nothing was."""
        path = self.path / "test_overlap.json"
        if not path.is_file():
            return {}
        remedy = "remove it and evaluate again"
        return check_record(dict[str, Overlap], read_json(path, "the overlap with test sets"), path, remedy)

    @cached_property
    def left_out_copies(self) -> LeftOutCopies | None:
        """Copies of test images that were left out of its data; None where nobody looked for any."""
        path = self.path / "test_copies.json"
        if not path.is_file():
            return None
        return check_record(LeftOutCopies, read_json(path, "what was left out of a run"), path, AGAIN)

    @property
    def head_run(self) -> Run:
        """The run that trained the head: that in the folder `frozen` of a fine-tuned one, or else this one."""
        frozen = Run(self.path / FROZEN)
        return frozen if frozen.path.is_dir() else self

    @cached_property
    def head_choice(self) -> HeadChoice | None:
        """Which head was trained, of which, by raw labels alone; None where nothing was to choose."""
        return read_head_choice(self.head_run.path)

    @property
    def choice_evaluations(self) -> Sequence[tuple[Run, Measurement]]:
        """Evaluations that say what the choice of the head cost, each with its run: this one, or `head_run`."""
        runs = [one for one in (self, self.head_run) if one.is_finished]
        return [(one, test) for one in runs if (test := one.summary.test) is not None and test.choice is not None]

    @cached_property
    def probes(self) -> tuple[Probe, ...]:
        """Simple classifiers on frozen features, beside the run; none before `rawlabel probe`."""
        return read_probes(self.path)

    @cached_property
    def label_evidence(self) -> LabelEvidence | None:
        """What held-out predictions say of the raw labels; None before `rawlabel labels`."""
        return read_label_evidence(self.path)

    @cached_property
    def certificates(self) -> Sequence[Certificate]:
        """What says that no image of a test set is among those of the run; empty where nothing does."""
        return read_certificates(self.path)


def settings_of(values: Mapping[str, Any], path: Path) -> TrainConfig:
    """The settings that were saved in `path`; newer ones are at their defaults, and this version must know all.

    Raises `DataError`.
    """
    try:
        return TrainConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{first['loc'][0] if first['loc'] else 'the whole'}: {first['msg'].lower()}"
        message = f"{path}: holds settings that are not known here ({what}); update rawlabel, or {AGAIN}"
        raise DataError(" ".join(message.split())) from error


def _holds_data_of(root: Path, config: TrainConfig) -> bool:
    """Whether what the settings name lies under `root`; an address, such as hub:NAME, lies nowhere."""
    if config.main is None:
        return manifests_path(root).is_dir() or export_path(root).is_dir()
    return ":" in config.main or (root / config.main).exists()


def _run_to_name(project: Path) -> str:
    runs = sorted(one.parent for one in runs_path(project).glob("*/config.json"))
    return f"name one of its runs, such as {runs[-1]}" if runs else f"run `rawlabel train --root {project}` first"

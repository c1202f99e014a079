"""Measure a frozen-encoder probe of a finished run, and keep the result beside the run's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rawlabel.artifacts.evidence.probe import PROBE, Probe, ProbedTestSet, ProbeFile, read_probes
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Accuracy
from rawlabel.base.files import write_json
from rawlabel.config import ProbeConfig
from rawlabel.errors import ConfigError, RawlabelError
from rawlabel.images.input import locate
from rawlabel.judge.evaluate.measured_sets import measured_folder
from rawlabel.judge.evaluate.opening import read_test_input, test_request
from rawlabel.judge.evaluate.overlap import note_overlap_of_run
from rawlabel.judge.evaluate.stage import note_opening, with_interval
from rawlabel.judge.probe.encoders import FILE, OWN
from rawlabel.judge.probe.of_run import FittedProbe, fit_probe

MOST_IMAGES = 100_000
"""Images of a run that is probed without being asked for: more take hours on a processor, and much memory."""


def measure_probe(config: ProbeConfig) -> Probe:
    """Fit a probe to a run's raw labels, then measure its test accuracy where there is a test set.

    Returns what it adds to `probe.json`, which keeps one entry for each network and weights. Raises `ConfigError`,
    `DataError`, `CheckpointError`, `DiskError`.
    """
    if config.run is None:
        raise ConfigError("RUN: name a finished run directory, for example `rawlabel probe project/runs/NAME`")
    run = RunDirectory.existing(config.run)
    before = read_probes(run.path)
    probe = fit_probe(run, config)
    measured = probe.record(config.confidence, *_measure_test(run, config, probe))
    kept = [one for one in before if _identity(one) != _identity(measured)]
    probes = tuple(sorted([*kept, measured], key=_order))
    write_json(run.path / PROBE, ProbeFile(probes=probes).as_json())
    return measured


def add_own_probe(path: Path) -> str:
    """Measure the probe on the own features of the finished run in `path`, for a page that shows it if it can.

    Returns in a phrase why it could not be measured, else nothing. Stopped, it goes on with the features it has.
    """
    try:
        start = Run(path).last_start
        count = (start.training_images or 0) + (start.holdout_images or 0)
        if count > MOST_IMAGES:
            return f"its {count:,} images take long; `rawlabel probe {path}` measures them"
        measure_probe(ProbeConfig(run=path))
    except RawlabelError as error:
        return str(error)
    return ""


def _measure_test(
    run: RunDirectory, config: ProbeConfig, probe: FittedProbe
) -> tuple[dict[str, Accuracy | None], ProbedTestSet | None]:
    """The test accuracy of each classifier, and on which test set; None without any."""
    finished = run.read()
    folder, name = _test_set(finished) if config.test is None else (config.test, str(config.test))
    if folder is None:
        return dict.fromkeys(probe.choices), None
    trained, data = finished.settings, probe.data
    # What `rawlabel evaluate` measured on request is measured here as well.
    evaluated = finished.summary.test
    lacked_classes = config.test is None and evaluated is not None and evaluated.classes is not None
    request = replace(test_request(trained), may_lack_classes=trained.partial_test or lacked_classes)
    found = read_test_input(folder, list(data.class_ids), request, data.left_out)
    note_opening(run, folder, by="probe")
    note_overlap_of_run(run, found, folder)
    features = probe.encoder.store.features(found.images.source, "features of test images").numpy()
    labels = found.images.labels
    tests: dict[str, Accuracy | None] = {}
    for key, choice in probe.choices.items():
        correct = int((choice.predict(features) == labels).sum())
        tests[key] = with_interval(correct, len(labels), config.confidence)
    return tests, ProbedTestSet(folder=name, place=run.place_of(folder), images=len(labels))


def _test_set(run: Run) -> tuple[Path | None, str]:
    """The test set that the run was evaluated on, or else the one that it logged; and how it was called."""
    measured = run.summary.test
    if measured is not None:
        return measured_folder(run, measured), measured.folder
    trained = run.settings
    folder = locate(trained.root, trained.test) if trained.test is not None else None
    return folder, str(folder)


def _identity(probe: Probe) -> tuple[str | None, ...]:
    """An entry replaces the one of the same network and weights; a run has one entry of its own features."""
    if probe.origin == OWN:
        return (OWN,)
    return probe.backbone, probe.origin, probe.weights_sha256 if probe.origin == FILE else None


def _order(probe: Probe) -> tuple[bool, str, str]:
    return probe.origin != OWN, probe.backbone, probe.weights_sha256

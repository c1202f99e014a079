"""Measure a frozen-encoder probe of a finished run, and keep the result beside the run's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.files import read_json, write_json
from rawlabel.config import ProbeConfig
from rawlabel.errors import ConfigError, DataError, RawlabelError
from rawlabel.images.input import locate
from rawlabel.judge.evaluate.stage import (
    measured_folder,
    note_opening,
    read_test_input,
    test_request,
    with_interval,
)
from rawlabel.judge.probe.encoders import FILE, OWN
from rawlabel.judge.probe.of_run import FittedProbe, fit_probe

PROBE = "probe.json"
MOST_IMAGES = 100_000
"""Images of a run that is probed without being asked for: more take hours on a processor, and much memory."""


def measure_probe(config: ProbeConfig) -> dict[str, Any]:
    """Fit a probe to a run's raw labels, then measure its test accuracy where there is a test set.

    Returns what it adds to `probe.json`, which keeps one entry for each network and weights. Raises `ConfigError`,
    `DataError`, `CheckpointError`, `DiskError`.
    """
    if config.run is None:
        raise ConfigError("RUN: name a finished run directory, for example `rawlabel probe project/runs/NAME`")
    run = RunDirectory.existing(config.run)
    before = _read_entries(run.path / PROBE)
    probe = fit_probe(run, config)
    entry = probe.describe()
    entry["confidence"] = config.confidence
    entry["test"] = _measure_test(run, config, probe, entry)
    kept = [one for one in before if _identity(one) != _identity(entry)]
    write_json(run.path / PROBE, {"probes": sorted([*kept, entry], key=_order)})
    return entry


def add_own_probe(path: Path) -> str:
    """Measure the probe on the own features of the finished run in `path`, for a page that shows it if it can.

    Returns in a phrase why it could not be measured, else nothing. Stopped, it goes on with the features it has.
    """
    try:
        starts = read_json(path / "environment.json", "the starts of a run")
        count = sum(starts[-1].get(key, 0) for key in ("training_images", "holdout_images")) if starts else 0
        if count > MOST_IMAGES:
            return f"its {count:,} images take long; `rawlabel probe {path}` measures them"
        measure_probe(ProbeConfig(run=path))
    except RawlabelError as error:
        return str(error)
    return ""


def _measure_test(
    run: RunDirectory, config: ProbeConfig, probe: FittedProbe, entry: dict[str, Any]
) -> dict[str, Any] | None:
    """Add the test accuracies to `entry`; return which test set, None without any."""
    folder, name = _test_set(run) if config.test is None else (config.test, str(config.test))
    if folder is None:
        for name in probe.choices:
            entry[name]["test"] = None
        return None
    trained, data = run.settings(), probe.data
    # What `rawlabel evaluate` measured on request is measured here as well.
    is_partial = trained.partial_test or (config.test is None and "classes" in run.summary().get("test", {}))
    request = replace(test_request(trained), may_lack_classes=is_partial)
    found = read_test_input(folder, list(data.class_ids), request, data.left_out)
    note_opening(run, folder, by="probe")
    features = probe.encoder.store.features(found.images.source, "features of test images").numpy()
    labels = found.images.labels
    for name, choice in probe.choices.items():
        correct = int((choice.predict(features) == labels).sum())
        entry[name]["test"] = with_interval(correct, len(labels), config.confidence)
    return {"folder": name, "place": run.place_of(folder), "images": len(labels)}


def _test_set(run: RunDirectory) -> tuple[Path | None, str]:
    """The test set that the run was evaluated on, or else the one that it logged; and how it was called."""
    measured = run.summary().get("test")
    if measured:
        return measured_folder(run, measured), measured["folder"]
    trained = run.settings()
    folder = locate(trained.root, trained.test) if trained.test is not None else None
    return folder, str(folder)


def _read_entries(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    saved = read_json(path, "probes of a run")
    entries = saved.get("probes") if isinstance(saved, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) and "backbone" in one for one in entries):
        raise DataError(f"{path}: holds no probes; remove it and run `rawlabel probe` again")
    return entries


def _identity(entry: dict[str, Any]) -> tuple[Any, ...]:
    """An entry replaces the one of the same network and weights; a run has one entry of its own features."""
    origin = entry.get("origin")
    if origin == OWN:
        return (OWN,)
    return entry["backbone"], origin, entry.get("weights_sha256") if origin == FILE else None


def _order(entry: dict[str, Any]) -> tuple[bool, str, str]:
    return entry.get("origin") != OWN, str(entry["backbone"]), str(entry.get("weights_sha256"))

"""Which command comes next for a run: what it lacks decides, so that the hint can be typed as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rawlabel.artifacts.run import Run

Command = tuple[object, ...]
"""The words behind `rawlabel`."""


def after_training(place: Path) -> Command:
    """Measure it where a test set was named, look at it in the page of its project, or use it."""
    run, project = _facts(place)
    if not run.is_finished:
        return "watch", place
    if run.config.test is not None and run.summary.test is None:
        return "evaluate", place
    return ("report", project, "--run", place) if project else ("predict", place, "photo.jpg")


def after_evaluating(place: Path) -> Command:
    """The page of its project says what the numbers rest on; without a project, the model is handed over."""
    _, project = _facts(place)
    return ("report", project, "--run", place) if project else ("export-model", place)


def after_doubting(place: Path) -> Command:
    """A person may look at the doubted photos of a project; else the run is measured, or handed over."""
    run, project = _facts(place)
    if project:
        return "review", project, "--run", place
    return _measure_or_hand_over(run.summary.test is not None, place)


def after_reporting(place: Path | None, project: Path) -> Command:
    """Train where there is no run, wait for one that is not finished, else use it."""
    if place is None:
        return "train", "--root", project
    return ("predict", place, "photo.jpg") if _facts(place)[0].is_finished else ("watch", place)


def after_predicting(place: Path) -> Command:
    """Measure a run, hand over one that was measured, serve what was handed over."""
    from rawlabel.artifacts.run import Run

    run = Run(place)
    return _measure_or_hand_over(run.summary.test is not None, place) if run.is_finished else ("serve", place)


def after_exporting_model(place: Path, out: Path, model_format: str) -> Command:
    """Use what was written where `predict` reads it; other formats are for other programs."""
    return ("predict", out, "photo.jpg") if model_format == "safetensors" else ("serve", place)


def _measure_or_hand_over(is_measured: bool, place: Path) -> Command:
    return ("export-model", place) if is_measured else ("evaluate", place, "--test", "FOLDER")


def _facts(place: Path) -> tuple[Run, Path | None]:
    """The run, and the project whose newest or former manifest it was trained on; None where it was none."""
    from rawlabel.artifacts.project import is_project
    from rawlabel.artifacts.run import Run

    run = Run(place)
    manifest = run.manifest_path
    # PROJECT/manifests/FINGERPRINT/manifest.parquet
    project = manifest.parents[2] if manifest is not None and len(manifest.parents) > 2 else None
    if project is None or not is_project(project):
        return run, None
    # As short as the run was named: people type it, too.
    is_here = not place.is_absolute() and project.is_absolute() and project.is_relative_to(Path.cwd())
    return run, project.relative_to(Path.cwd()) if is_here else project

"""Hand a run's model over: its images, its card and its network, brought together for `rawlabel export-model`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rawlabel.artifacts.manifest import read_manifest
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.families import Family, names
from rawlabel.config import ExportModelConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.models.model_format import WriteRequest
from rawlabel.models.portable.model import portable_model
from rawlabel.models.portable.photos import RunPhotos
from rawlabel.models.portable.records import ModelRecord
from rawlabel.models.portable.writing import load_format, refuse_foreign, write_export
from rawlabel.show.model_card import card_files
from rawlabel.training.around.leaving_out import as_trained
from rawlabel.training.data import load_training_data


@dataclass(frozen=True)
class ExportedModel:
    """What was written, and proven."""

    out: Path
    """The folder."""
    record: ModelRecord


def export_model(config: ExportModelConfig) -> ExportedModel:
    """Write the model of a run in a format, and prove that it answers as the run does.

    Raises `ConfigError`, also for a run without a finished epoch, `PluginError` for an unknown format, `DataError`
    where the run's own images are not at hand, `CheckpointError` where the export answers otherwise, and
    `DiskError`. In all these cases nothing is left.
    """
    if config.run is None:
        known = ", ".join(names(Family.MODEL_FORMAT))
        raise ConfigError(f"RUN: name a run directory; --format takes one of {known}")
    run = RunDirectory.existing(config.run)
    writer = load_format(config.format)
    if config.int8 and config.format != "onnx":
        raise ConfigError(f"--int8: goes with --format onnx; {config.format} is written in float32")
    out = config.out or run.path / "exports" / (config.format + ("-int8" if config.int8 else ""))
    refuse_foreign(out)
    read = run.read()
    photos = photos_of(read)
    model = portable_model(run, labels_of(read), lambda record: card_files(read, record))
    return ExportedModel(out, write_export(model, writer, out, WriteRequest(photos, config.int8)))


def photos_of(run: Run) -> RunPhotos:
    """The images of a run, from where its data lie now.

    Raises `DataError`, which says that they are what an export is tried on.
    """
    try:
        data = as_trained(run, load_training_data(run.settings))
    except DataError as error:
        raise DataError(f"{error}; an export is tried on the run's own images") from error
    return RunPhotos(data.train, data.holdout)


def labels_of(run: Run) -> dict[str, str]:
    """Names of the classes by id, from the manifest that the run was trained on; empty where there is none."""
    path = run.manifest_path
    if path is None:
        return {}
    return {spec.class_id: spec.name for spec in read_manifest(path).all_classes}

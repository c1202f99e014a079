"""What the page is about: the collection's facts and decisions, and the files of one run, read strictly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import QueryState
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import Manifest, newest_manifest, read_manifest
from rawlabel.artifacts.project import catalogue_path, runs_path
from rawlabel.artifacts.run_directory import RunDirectory, find_place
from rawlabel.base.files import read_json
from rawlabel.config import CollectConfig, CurateConfig, TrainConfig
from rawlabel.errors import DataError

Checked = TypeVar("Checked")


class _Record(BaseModel):
    """Base of the records below; later versions may write more keys."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Accuracy(_Record):
    """Correct test images, the accuracy and its interval, both in percent."""

    correct: int
    accuracy: FiniteFloat
    interval: tuple[FiniteFloat, FiniteFloat]


class EpochAccuracy(_Record):
    """Test accuracy of the weights of one epoch."""

    epoch: int
    top1: Accuracy
    unanswered: int = 0
    """Images to which the network, having diverged, gave no answer that is a number."""


class Measurement(_Record):
    """The `test` block that an evaluation adds to the summary of a run."""

    folder: str
    place: dict[str, str] = {}
    images: int
    confidence: FiniteFloat
    selected: EpochAccuracy
    last: EpochAccuracy
    oracle: EpochAccuracy | None = None


class Summary(_Record):
    """`summary.json` of a finished run."""

    rule: str
    selected_epoch: int
    why: str
    doubt: str = ""
    last_epoch: int
    seed: int | None = None
    data: str = ""
    test: Measurement | None = None


class LoggedAccuracy(_Record):
    """Top-1 accuracy [percent] and loss [nats] of one epoch on one set; None where not measured."""

    acc1: FiniteFloat | None = None
    loss: FiniteFloat | None = None


class Epoch(_Record):
    """One entry of `log.json`."""

    epoch: int
    lr: FiniteFloat | None = None
    train: LoggedAccuracy = LoggedAccuracy()
    holdout: LoggedAccuracy = LoggedAccuracy()
    test: LoggedAccuracy = LoggedAccuracy()
    selected_epoch: int | None = None


@dataclass(frozen=True)
class CollectionEvidence:
    """A project's catalogue and its newest manifest."""

    project: Path
    manifest: Manifest
    queries: list[QueryState]
    catalogue_fingerprint: str
    """Fingerprint of the catalogue as it is now."""
    curated_fingerprint: str
    """Fingerprint of the catalogue that the manifest was made from."""
    collect: CollectConfig | None
    """None when the project does not say how it was collected."""
    curate: CurateConfig

    @cached_property
    def photos(self) -> ProjectPhotos:
        """The bytes of the photos that the manifest names."""
        return ProjectPhotos(self.project)

    @cached_property
    def num_photos(self) -> int:
        """Photos among the label events; one found twice counts once."""
        return int(self.manifest.table.group_by(["source", "photo_id"]).aggregate([]).num_rows)

    @cached_property
    def labels(self) -> dict[str, str]:
        """How each class is called on the page, by class id: its name, and its id where that is another."""
        specs = self.manifest.all_classes
        return {
            one.class_id: one.name if one.name == one.class_id else f"{one.name} ({one.class_id})" for one in specs
        }

    def label(self, class_id: str) -> str:
        """Name of a class; classes that only the run knows go by their id."""
        return self.labels.get(class_id, class_id)


@dataclass(frozen=True)
class RunEvidence:
    """One run directory, as far as it goes."""

    directory: RunDirectory
    config: TrainConfig
    starts: list[dict[str, Any]]
    log: list[Epoch]
    summary: Summary | None
    """None while the training is not finished."""
    class_ids: list[str]
    matrix: NDArray[np.int64] | None
    """Test images by true class (row) and predicted class (column); None until the run is evaluated."""

    @property
    def path(self) -> Path:
        """The run directory that the evidence was read from, for links and names."""
        return self.directory.path

    @property
    def measurement(self) -> Measurement | None:
        """What the evaluation measured; None until then."""
        return self.summary.test if self.summary else None

    @property
    def test_folder(self) -> Path | None:
        """The test set that was measured, where it lies now."""
        if (measured := self.measurement) is None:
            return None
        return find_place(self.path, measured.place, Path(measured.folder), Path.exists)

    @property
    def selected_epoch(self) -> int | None:
        """Epoch that the stopping rule selects (so far)."""
        if self.summary:
            return self.summary.selected_epoch
        return self.log[-1].selected_epoch if self.log else None

    @property
    def data_fingerprint(self) -> str:
        """Fingerprint of the data it was trained on; empty when nothing says."""
        if self.summary and self.summary.data:
            return self.summary.data
        data = self.starts[-1].get("data") if self.starts else None
        return str(data.get("fingerprint", "")) if isinstance(data, dict) else ""

    def predictions(self) -> list[dict[str, Any]]:
        """Rows of `predictions.parquet`, one a test image."""
        import pyarrow.parquet as pq

        path = self.path / "predictions.parquet"
        columns = ["file", "true_class", "predicted_class", "probability"]
        try:
            rows: list[dict[str, Any]] = pq.read_table(path, columns=columns).to_pylist()
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such file; run `rawlabel evaluate` again") from error
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: is not a table of predictions; run `rawlabel evaluate` again") from error
        return rows


def read_collection(project: Path) -> CollectionEvidence:
    """Read the catalogue and the newest manifest of `project`; raises `DataError` when one is missing."""
    with Catalogue(catalogue_path(project)) as catalogue:
        queries, fingerprint = catalogue.queries(), catalogue.fingerprint()
    path = newest_manifest(project)
    if path is None:
        raise DataError(f"{project}: nothing has been curated yet; run `rawlabel curate` first")
    manifest = read_manifest(path)
    header = json.loads(manifest.table.schema.metadata[b"rawlabel"])
    collect_path = project / "collect.json"
    collect = None
    if collect_path.is_file():
        settings = read_json(collect_path, "the settings of `rawlabel collect`")
        collect = check_record(CollectConfig, settings, collect_path, "collect again")
    return CollectionEvidence(
        project,
        manifest,
        queries,
        fingerprint,
        str(header.get("catalogue_fingerprint", "")),
        collect,
        check_record(CurateConfig, header.get("config"), path, "run `rawlabel curate` again"),
    )


def newest_run(project: Path) -> Path | None:
    """The run of `project` whose log or summary changed last; None when there is none."""
    found = []
    for config_file in runs_path(project).glob("*/config.json"):
        run = config_file.parent
        files = [run / name for name in ("summary.json", "log.json")]
        times = [file.stat().st_mtime_ns for file in files if file.is_file()]
        if times:
            found.append((max(times), run.name, run))
    return max(found)[2] if found else None


def read_run(path: Path) -> RunEvidence:
    """Read the run directory `path`, finished and evaluated or not; raises `DataError`."""
    run = RunDirectory.existing(path)
    again = "train again into another --outpath"
    config = check_record(TrainConfig, run.config(), path / "config.json", again)
    log = check_record(list[Epoch], run.log(), run.log_path, again)
    environment, summary_path = path / "environment.json", path / "summary.json"
    starts: list[dict[str, Any]] = []
    if environment.is_file():
        starts = check_record(
            list[dict[str, Any]], read_json(environment, "the starts of a run"), environment, again
        )
    summary = None
    if summary_path.is_file():
        summary = check_record(Summary, read_json(summary_path, "the summary of a run"), summary_path, again)
    if summary is None or summary.test is None:
        return RunEvidence(run, config, starts, log, summary, [], None)
    class_ids, matrix = _read_confusions(path, summary.test.images, summary.test.selected.unanswered)
    return RunEvidence(run, config, starts, log, summary, class_ids, matrix)


def _read_confusions(path: Path, images: int, unanswered: int) -> tuple[list[str], NDArray[np.int64]]:
    """Class ids and counts of an evaluated run, checked against each other and the number of test images.

    Those to which the network gave no answer are not in the counts.
    """
    index_path, matrix_path = path / "idx2cls.json", path / "confmat.npy"
    index = check_record(
        dict[int, str], read_json(index_path, "the class of each index"), index_path, "evaluate again"
    )
    try:
        matrix = np.load(matrix_path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{matrix_path}: no such file; run `rawlabel evaluate` again") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{matrix_path}: is not an array of counts; run `rawlabel evaluate` again") from error
    counts = isinstance(matrix, np.ndarray) and matrix.dtype.kind in "iu"
    if not counts or matrix.shape != (len(index), len(index)) or matrix.min(initial=0) < 0:
        raise DataError(f"{matrix_path}: does not fit {index_path.name}; run `rawlabel evaluate` again")
    if sorted(index) != list(range(len(index))) or int(matrix.sum()) + unanswered != images:
        raise DataError(f"{matrix_path}: counts other images than summary.json; run `rawlabel evaluate` again")
    return [index[i] for i in range(len(index))], matrix.astype(np.int64)


def check_record(kind: type[Checked], value: Any, path: Path, remedy: str) -> Checked:
    """Return `value` as `kind`; raises `DataError` that names the file and the place in it."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        message = f"{path}: {place} is not as expected ({first['msg'].lower()}); {remedy}"
        raise DataError(" ".join(message.split())) from error

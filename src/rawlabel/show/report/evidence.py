"""What the page is about: the collection's facts and decisions, and the files of one run, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import QueryState
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import METADATA_KEY, Manifest, newest_manifest, read_manifest
from rawlabel.artifacts.manifest_rows import ManifestRows
from rawlabel.artifacts.project import catalogue_path, manifests_path, runs_path
from rawlabel.artifacts.projects import collect_settings, is_simulated
from rawlabel.artifacts.review.answer_file import answers_path, read_answers
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_records import Measurement
from rawlabel.base.checked import check_record
from rawlabel.base.files import read_json
from rawlabel.base.untrusted_text import web_address
from rawlabel.config import (
    CollectConfig,
    CurateConfig,
    DecontaminateConfig,
    NoiseConfig,
    PruneConfig,
    RebuildConfig,
    Section,
)
from rawlabel.errors import DataError
from rawlabel.show.report.photos.counting import Counted, count_photos
from rawlabel.show.report.simulated import SiteTruth, read_truth

NARROW = ("source", "class_id", "keyword", "verdict", "reason", "split")
"""Columns with few different texts, which are kept in memory."""
_DECIDING: tuple[tuple[str, type[Section]], ...] = (
    ("curate", CurateConfig),
    ("decontaminate", DecontaminateConfig),
    ("noise", NoiseConfig),
    ("prune", PruneConfig),
    ("rebuild", RebuildConfig),
)
"""What writes manifests, with its settings."""
_AGAIN = "run `rawlabel curate` again"


class Prediction(NamedTuple):
    """What an evaluated run said of one test image: a row of `predictions.parquet`."""

    file: str
    true_class: str
    predicted_class: str | None
    """None where the network gave no answer."""
    probability: float


@dataclass(frozen=True)
class CollectionEvidence:
    """A project's catalogue and its newest manifest."""

    project: Path
    manifest: Manifest
    """Its table has `NARROW` columns alone, so that a million rows take little memory; `rows` has all."""
    queries: list[QueryState]
    catalogue_fingerprint: str
    """Fingerprint of the catalogue as it is now."""
    curated_fingerprint: str
    """Fingerprint of the catalogue that the manifest was made from."""
    collect: CollectConfig | None
    """None when the project does not say how it was collected."""
    decided: tuple[tuple[str, Section], ...]
    """Verbs that decided, with their settings: `curate`, then what made another manifest of its, if any."""

    @cached_property
    def photos(self) -> ProjectPhotos:
        """The bytes of the photos that the manifest names."""
        return ProjectPhotos(self.project)

    @cached_property
    def rows(self) -> ManifestRows:
        """All columns of the manifest's rows, from its file."""
        return ManifestRows(self.manifest.path)

    @cached_property
    def counted(self) -> Counted:
        """What is counted over all rows of the manifest."""
        return count_photos(self.rows)

    @property
    def num_photos(self) -> int:
        """Photos among the label events; one found twice counts once."""
        return self.counted.photos

    @cached_property
    def labels(self) -> dict[str, str]:
        """How each class is called on the page, by class id: its name, and its id where that is another."""
        specs = self.manifest.all_classes
        return {
            one.class_id: one.name if one.name == one.class_id else f"{one.name} ({one.class_id})" for one in specs
        }

    @cached_property
    def is_simulated(self) -> bool:
        """Whether the photos come from a simulated photo site."""
        return is_simulated(self.collect)

    @cached_property
    def truth(self) -> SiteTruth | None:
        """What a simulated site says that its photos show; None where it is a real one, or says nothing."""
        return read_truth(self.project, self.manifest, self.rows) if self.is_simulated else None

    @cached_property
    def answered(self) -> int:
        """Photos about which a person gave an answer in `rawlabel review`, whether or not it was applied."""
        return len(read_answers(answers_path(self.project)).answers.looked_at)

    def web(self, address: str | None) -> str | None:
        """An address to link to; None where it is none, or the photos are simulated and it is other people's."""
        return None if self.is_simulated else web_address(address)

    def shows(self, photo_id: str) -> str | None:
        """What a photo shows by the account of its simulated site; None where nobody knows."""
        content = self.truth.shows.get(photo_id) if self.truth else None
        return None if content is None else self.label(content)

    def codes(self, column: str, values: Sequence[str]) -> NDArray[np.int64]:
        """Which of `values` each row has in a `NARROW` column, by its place; -1 for none of them."""
        found = self.manifest.table[column].combine_chunks()
        places = pc.fill_null(pc.index_in(found.dictionary, value_set=pa.array(values, pa.string())), -1)
        # A row without a text takes the last place.
        of_text = np.append(places.to_numpy(), -1).astype(np.int64)
        codes: NDArray[np.int64] = of_text[pc.fill_null(found.indices, -1).to_numpy()]
        return codes

    def label(self, class_id: str) -> str:
        """Name of a class; classes that only the run knows go by their id."""
        return self.labels.get(class_id, class_id)


@dataclass(frozen=True)
class RunEvidence(Run):
    """One run directory, as far as it goes."""

    class_ids: tuple[str, ...] = ()
    matrix: NDArray[np.int64] | None = None
    """Test images by true class (row) and predicted class (column); None until the run is evaluated."""

    @property
    def measurement(self) -> Measurement | None:
        """What the evaluation measured; None until then."""
        return self.summary.test if self.is_finished else None

    @property
    def test_folder(self) -> Path | None:
        """The test set that was measured, where it lies now."""
        if (measured := self.measurement) is None:
            return None
        return measured.place.find(self.path, Path(measured.folder))

    def predictions(self) -> list[Prediction]:
        """What the run said of each test image, in the order of the set. Raises `DataError`."""
        import pyarrow.parquet as pq

        path = self.path / "predictions.parquet"
        try:
            table = pq.read_table(path, columns=list(Prediction._fields))
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such file; run `rawlabel evaluate` again") from error
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: is not a table of predictions; run `rawlabel evaluate` again") from error
        return [Prediction(*row) for row in zip(*(one.to_pylist() for one in table.columns), strict=True)]


def read_collection(project: Path) -> CollectionEvidence:
    """Read the catalogue and the newest manifest of `project`; raises `DataError` when one is missing."""
    with Catalogue(catalogue_path(project)) as catalogue:
        queries, fingerprint = catalogue.queries(), catalogue.fingerprint()
    path = newest_manifest(project)
    if path is None:
        raise DataError(f"{project}: nothing has been curated yet; run `rawlabel curate` first")
    manifest = read_manifest(path, NARROW)
    header = json.loads(manifest.table.schema.metadata[METADATA_KEY])
    return CollectionEvidence(
        project,
        manifest,
        queries,
        fingerprint,
        str(header.get("catalogue_fingerprint", "")),
        collect_settings(project),
        _verbs_behind(project, header, path),
    )


def _verbs_behind(project: Path, header: Mapping[str, object], path: Path) -> tuple[tuple[str, Section], ...]:
    """The verbs behind a manifest, first to last, as far as the manifests that it was made from are there."""
    found: list[tuple[str, Section]] = []
    seen = {path}
    while True:
        values = dict(check_record(dict[str, object], header.get("config"), path, _AGAIN))
        values.pop("injected", None)  # what `noise` adds to its settings
        # A header does not name its verb; no two verbs have the same settings.
        fitting = [one for one in _DECIDING if values.keys() <= one[1].model_fields.keys()]
        verb, section = fitting[0] if fitting else _DECIDING[0]
        found.append((verb, check_record(section, values, path, _AGAIN)))
        path = manifests_path(project) / str(header.get("parent") or "")[:12] / path.name
        if not header.get("parent") or path in seen or not path.is_file():
            return tuple(reversed(found))
        seen.add(path)
        header = json.loads(read_manifest(path, NARROW).table.schema.metadata[METADATA_KEY])


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
    run = Run.existing(path)
    # A page that is half made is no use: what is damaged is found before anything is drawn.
    _ = run.config, run.epochs, run.starts
    measured = run.summary.test if run.is_finished else None
    if measured is None:
        return RunEvidence(path)
    return RunEvidence(path, *_read_confusions(path, measured.images, measured.selected.unanswered))


def _read_confusions(path: Path, images: int, unanswered: int) -> tuple[tuple[str, ...], NDArray[np.int64]]:
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
    return tuple(index[i] for i in range(len(index))), matrix.astype(np.int64)

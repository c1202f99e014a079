"""The most frequent errors on the test set, with the pictures behind them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rawlabel.base.metrics import clopper_pearson, top_confusions
from rawlabel.base.progress import progress
from rawlabel.base.untrusted_text import plain_text
from rawlabel.show.report.evidence import CollectionEvidence, Prediction, RunEvidence
from rawlabel.show.report.heat_map import HeatMap, make_heat_map
from rawlabel.show.report.photos.suspects import Suspects
from rawlabel.show.report.photos.training import TrainingPhotos, beside_confusions
from rawlabel.show.report.thumbnails import Thumbnails

MOST_CONFUSIONS = 12
MOST_TEST_PHOTOS = 6
MOST_WRONG_PHOTOS = 600
"""Wrongly classified test photos on the page, beside those of the most frequent confusions."""


@dataclass(frozen=True, slots=True)
class ConfusedPhoto:
    """A test photo that was taken for another class."""

    picture: str
    name: str
    """Of its file."""
    sure: float
    """Probability that the network gave its answer [percent]."""
    true: str
    predicted: str


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """Of `trials` test images of `true`, `errors` were taken for `predicted`; limits in percent."""

    true: str
    predicted: str
    errors: int
    trials: int
    rate: float
    lower: float
    upper: float
    test_photos: list[ConfusedPhoto]
    training: TrainingPhotos | None
    """Photos with the wrong class's label; None where the run was trained on other data than the page shows."""


@dataclass(frozen=True, slots=True)
class TopConfusions:
    """The section's rows, and whether the test pictures could be shown."""

    rows: list[ConfusionRow]
    has_test_folder: bool
    has_training_photos: bool
    folder: str
    confidence: float
    """Of the intervals [percent]."""
    heat_map: HeatMap | None
    other_photos: list[ConfusedPhoto]
    """Further test photos that were wrongly classified, by true and predicted class."""
    num_wrong: int


def make_confusions(
    collection: CollectionEvidence, run: RunEvidence, suspects: Suspects | None, thumbnails: Thumbnails
) -> TopConfusions | None:
    """Take the most frequent cells off the diagonal; None when the run is not evaluated.

    Training photos are shown where the page's manifest is the one that the run was trained on.
    """
    measurement = run.measurement
    if run.matrix is None or measurement is None:
        return None
    top = top_confusions(run.matrix, MOST_CONFUSIONS)
    folder = run.test_folder or Path(measurement.folder)
    has_folder = folder.is_dir()
    wrong = _wrong_files(run) if has_folder else {}
    same_data = run.is_trained_on(collection.manifest.fingerprint)
    rows, label = [], collection.label
    pairs = [(run.class_ids[one.true], run.class_ids[one.predicted]) for one in top]
    training = beside_confusions(collection, run, pairs, suspects, thumbnails) if same_data else {}
    with progress("looking up confused photos", len(top)) as task:
        for one, pair in zip(top, pairs, strict=True):
            lower, upper = clopper_pearson(one.errors, one.trials, measurement.confidence)
            photos = _test_photos(wrong.get(pair, [])[:MOST_TEST_PHOTOS], folder, label, thumbnails)
            wrong[pair] = wrong.get(pair, [])[MOST_TEST_PHOTOS:]
            rows.append(
                ConfusionRow(
                    label(pair[0]),
                    label(pair[1]),
                    one.errors,
                    one.trials,
                    100 * one.errors / one.trials,
                    100 * lower,
                    100 * upper,
                    photos,
                    training.get(pair),
                )
            )
            task.advance()
    others = [one for pair in sorted(wrong) for one in wrong[pair]][:MOST_WRONG_PHOTOS]
    return TopConfusions(
        rows, has_folder, same_data, measurement.folder, 100 * measurement.confidence,
        make_heat_map(run.matrix, [label(one) for one in run.class_ids]),
        _test_photos(others, folder, label, thumbnails),
        int(run.matrix.sum() - run.matrix.trace()),
    )  # fmt: skip


def _wrong_files(run: RunEvidence) -> dict[tuple[str, str], list[Prediction]]:
    """Wrong predictions by true and predicted class, the network's surest first."""
    wrong = defaultdict(list)
    for row in run.predictions():
        if row.predicted_class is not None and row.predicted_class != row.true_class:
            wrong[row.true_class, row.predicted_class].append(row)
    for rows in wrong.values():
        rows.sort(key=lambda row: (-row.probability, row.file))
    return wrong


def _test_photos(
    rows: list[Prediction], folder: Path, label: Callable[[str], str], thumbnails: Thumbnails
) -> list[ConfusedPhoto]:
    photos: list[ConfusedPhoto] = []
    for row in rows:
        relative = PurePosixPath(row.file)
        # The table may have been edited; no file outside the test folder belongs on the page.
        if relative.is_absolute() or ".." in relative.parts:
            continue
        picture = thumbnails.address(folder / relative)
        if picture is not None:
            name = plain_text(relative.name, 40)
            predicted = label(row.predicted_class) if row.predicted_class is not None else "no answer"
            photos.append(ConfusedPhoto(picture, name, 100 * row.probability, label(row.true_class), predicted))
    return photos

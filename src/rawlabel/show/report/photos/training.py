"""The training photos that stand beside each confusion: those that may have taught it, as far as that is known."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rawlabel.artifacts.review.responsible_photos import ResponsiblePhotos
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence
from rawlabel.show.report.montage import draw_training_photos
from rawlabel.show.report.photos.looked_up import KnownPhoto, look_up
from rawlabel.show.report.photos.suspects import Suspects
from rawlabel.show.report.thumbnails import Thumbnails

MOST_NEAREST, MOST_DRAWN = 8, 4

Pair = tuple[str, str]
"""True and predicted class (ids)."""


@dataclass(frozen=True, slots=True)
class TrainingPhoto:
    """A training photo with the raw label of the class that test photos were taken for."""

    photo: KnownPhoto
    near: int | None = None
    """How many of the confused test photos it is one of the nearest of; None where that was not measured."""


@dataclass(frozen=True, slots=True)
class TrainingPhotos:
    """What stands beside one confusion, and why just that."""

    why: Literal["nearest", "doubted", "drawn"]
    """Nearest to the confused test photos; doubted, since they look like the true class; or drawn by chance."""
    photos: list[TrainingPhoto]


def beside_confusions(
    collection: CollectionEvidence,
    run: RunEvidence,
    pairs: Collection[Pair],
    suspects: Suspects | None,
    thumbnails: Thumbnails,
) -> dict[Pair, TrainingPhotos]:
    """Training photos for each pair of classes: the nearest ones where `evaluate` measured them.

    Else those that `labels` doubts, else a random sample. Raises `DataError` for damaged evidence.
    """
    found = _nearest(collection, run, pairs, thumbnails)
    for pair, doubted in (suspects.of_pairs if suspects else {}).items():
        if pair in pairs and pair not in found:
            found[pair] = TrainingPhotos("doubted", [TrainingPhoto(one.photo) for one in doubted])
    missing = [pair for pair in pairs if pair not in found]
    drawn = draw_training_photos(collection, {predicted for _, predicted in missing}, MOST_DRAWN)
    left_out = {Path(one).name for one in run.left_out_copies.images} if run.left_out_copies else set()
    paths = [
        one.path for rows in drawn.values() for one in rows if one.path and Path(one.path).name not in left_out
    ]
    known = look_up(collection, paths, thumbnails)
    for pair in missing:
        photos = [TrainingPhoto(known[one.path]) for one in drawn[pair[1]] if one.path and one.path in known]
        found[pair] = TrainingPhotos("drawn", photos)
    return found


def _nearest(
    collection: CollectionEvidence, run: RunEvidence, pairs: Collection[Pair], thumbnails: Thumbnails
) -> dict[Pair, TrainingPhotos]:
    """What `responsible.json` of the run says of these pairs, as far as the photos can be shown."""
    read = ResponsiblePhotos.read(run.path)
    if read is None:
        return {}
    of_pairs = {
        (one.true_class, one.predicted_class): one.training_photos[:MOST_NEAREST]
        for one in read.confusions
        if (one.true_class, one.predicted_class) in pairs
    }
    known = look_up(collection, [one.photo for photos in of_pairs.values() for one in photos], thumbnails)
    found = {
        pair: [TrainingPhoto(known[one.photo], one.test_photos) for one in photos if one.photo in known]
        for pair, photos in of_pairs.items()
    }
    return {pair: TrainingPhotos("nearest", photos) for pair, photos in found.items() if photos}

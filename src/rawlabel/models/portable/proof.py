"""Whether an export answers as the run does: the same images, another program, two sizes of batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from rawlabel.errors import CheckpointError
from rawlabel.images.decoding import Pixels
from rawlabel.models.model_format import Opened
from rawlabel.models.portable.model import PortableModel, Probabilities
from rawlabel.models.portable.photos import RunPhotos, as_pillow, pixels_of
from rawlabel.models.portable.preprocessing import normalized
from rawlabel.models.portable.records import OwnArithmetic, Proof
from rawlabel.models.transfer.encoded_views import EncodedViews

BATCH_SIZES = (1, 7)
_TIE = 0.05
"""Difference of the two best probabilities up to which another class of them is no other answer."""
PREPROCESSED_SHARE = 0.9
"""Least share of images whose best class is the same when the other program decodes and cuts them, too: a network
on pixels sees views that are interpolated a little otherwise."""


@dataclass(frozen=True, eq=False)
class Expected:
    """What the run says of its own images."""

    names: list[str]
    """Of the images."""
    views: Pixels
    """As the run cuts them [images, side, side, 3]."""
    probabilities: Probabilities
    own_arithmetic: OwnArithmetic | None
    """Beside the run in its own arithmetic; None where that is float32."""


def expected_of(model: PortableModel, photos: RunPhotos) -> Expected:
    """Ask the run. Raises `DataError` for an image that cannot be read, or where there is none."""
    images = photos.proof_images()
    if not images:
        raise CheckpointError(f"{model.run.path}: has no images to try an export on; check where its data lie")
    pixels = pixels_of(images, model.predictor.transform)
    views = np.stack([model.predictor.transform.evaluation_view(one) for one in pixels])
    said = model.probabilities(pixels)
    return Expected([source.where(place) for source, place in images], views, said, _own(model, pixels, said))


def _own(model: PortableModel, pixels: list[Pixels], said: Probabilities) -> OwnArithmetic | None:
    if model.own is None or not isinstance(model.own.normalizer, EncodedViews):
        return None
    own = model.probabilities(pixels, model.own)
    return OwnArithmetic(
        arithmetic=model.own.normalizer.encoding.arithmetic,
        images=len(own),
        same_class=int((own.argmax(axis=1) == said.argmax(axis=1)).sum()),
        mean_difference=round(float(np.abs(own - said).max(axis=1).mean()), 6),
    )


def prove(model: PortableModel, opened: Opened, photos: RunPhotos, expected: Expected) -> Proof:
    """Compare an export with the run. Raises `CheckpointError`, which says in what they differ."""
    who = f"{model.run.path}: the export was not kept, since {opened.read_by}"
    if opened.classes != model.class_ids:
        place = next(
            (i for i, pair in enumerate(zip(opened.classes, model.class_ids, strict=False)) if pair[0] != pair[1]),
            0,
        )
        raise CheckpointError(
            f"{who} finds other classes in it, from class {place} on ({', '.join(opened.classes[place:][:2])} "
            f"and not "
            f"{', '.join(model.class_ids[place:][:2])}); please report this"
        )
    images = normalized(expected.views, model.record.preprocessing)
    largest, same = 0.0, len(images)
    for size in BATCH_SIZES:
        parts = [opened.answer(images[start : start + size]) for start in range(0, len(images), size)]
        said: Probabilities = softmax(np.concatenate(parts).astype(np.float64), axis=1)
        largest = max(largest, float(np.abs(said - expected.probabilities).max()))
        same = min(same, int((said.argmax(axis=1) == expected.probabilities.argmax(axis=1)).sum()))
        _refuse_other(said, opened, expected, f"{who} in batches of {size}")
    proof = Proof(
        read_by=opened.read_by, images=len(images), is_all=len(images) == photos.num_images,
        batch_sizes=BATCH_SIZES, tolerance=opened.tolerance, largest_difference=round(largest, 6), same_class=same,
    )  # fmt: skip
    return proof if opened.preprocess is None else _with_own_views(proof, who, opened, photos, expected)


def _are_ties(
    own: Probabilities, ours: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64], most: float = _TIE
) -> npt.NDArray[np.bool_]:
    """For which images the class that somebody else sees is as likely to the run as its own."""
    rows = np.arange(len(own))
    found: npt.NDArray[np.bool_] = own[rows, ours] - own[rows, theirs] <= most
    return found


def _refuse_other(said: Probabilities, opened: Opened, expected: Expected, who: str) -> None:
    """Raise `CheckpointError` for the first image of another probability, or of another class that is no tie."""
    if opened.tolerance is None:
        return
    own = expected.probabilities
    difference = np.abs(said - own).max(axis=1)
    theirs, ours = said.argmax(axis=1), own.argmax(axis=1)
    is_tie = _are_ties(own, ours, theirs, min(2 * opened.tolerance, _TIE))
    # Not `>`, which is false of NaN.
    other = ~(difference <= opened.tolerance) | ((theirs != ours) & ~is_tie)
    if other.any():
        one = int(other.argmax())
        raise CheckpointError(
            f"{who} says {said[one].max():.4f} {opened.classes[theirs[one]]} where the run says "
            f"{own[one].max():.4f} "
            f"{opened.classes[ours[one]]} ({expected.names[one]}), and {other.sum()} of {len(said)} images "
            f"differ; "
            "please report this"
        )


def _with_own_views(proof: Proof, who: str, opened: Opened, photos: RunPhotos, expected: Expected) -> Proof:
    """The same from the image files, which the other program decodes and cuts as the export says."""
    assert opened.preprocess is not None
    views = [opened.preprocess(as_pillow(source, place)) for source, place in photos.proof_images()]
    parts = [opened.answer(np.concatenate(views[start : start + 7])) for start in range(0, len(views), 7)]
    said: Probabilities = softmax(np.concatenate(parts).astype(np.float64), axis=1)
    theirs, ours = said.argmax(axis=1), expected.probabilities.argmax(axis=1)
    same, ties = theirs == ours, _are_ties(expected.probabilities, ours, theirs)
    if (same | ties).sum() < PREPROCESSED_SHARE * len(views):
        raise CheckpointError(
            f"{who} and {opened.preprocessed_by}, which cuts the views as the export says, see another class "
            f"than the "
            f"run in {(~same & ~ties).sum()} of {len(views)} images; please report this"
        )
    difference = float(np.abs(said - expected.probabilities).max(axis=1).mean())
    return proof.model_copy(
        update={
            "preprocessed_by": opened.preprocessed_by,
            "preprocessed_images": len(views),
            "preprocessed_same_class": int(same.sum()),
            "preprocessed_mean_difference": round(difference, 6),
        }
    )

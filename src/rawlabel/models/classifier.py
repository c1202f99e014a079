"""What a run has become: a classifier of images, whether they are files, Pillow's or arrays.

`rawlabel predict` and `rl.load(run).predict` are this, so equal pictures get equal answers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.special import softmax

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import messages, processes
from rawlabel.base.correctness import count_unanswered
from rawlabel.base.image_header import NotDecodable, refuse_many_pixels
from rawlabel.base.image_pixels import PILLOW_FAULTS, stated_orientation, upright_rgb
from rawlabel.config.declaring import MAX_MEGAPIXELS, Device, Precision
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.decoding import Pixels, read_pixels
from rawlabel.images.image_source import ImageFiles, ImageSource, StoredImage, UnreadableImage
from rawlabel.models.calibration import NONE_OF_THESE, Calibration
from rawlabel.models.features import features_heard, joined
from rawlabel.models.predictor import Predictor, load_predictor

Picture = str | os.PathLike[str] | Image.Image | npt.NDArray[Any]
"""An image: the path of a file, a picture of Pillow's, or pixels, uint8 [height, width, 3] in RGB or
[height, width] in grey, upright."""
PictureType = TypeVar("PictureType", bound=Picture)
BATCH_SIZE = 64
_REMEDY = "check the path, or leave it out"


@dataclass(frozen=True, slots=True)
class Guess:
    """A class and its probability, of the raw label as the run's calibration has it, else the network's own.

    Of `none of these` it is that of the likeliest class.
    """

    class_id: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """All that a run says of an image."""

    guesses: list[Guess]
    """The likeliest classes, best first, whether the image is like them or not."""
    is_none: bool | None
    """Whether it is unlike every class; None where the run cannot tell."""
    features: npt.NDArray[np.float32] | None
    """What reached the last layer [features]; None where the network has no such layer."""


class Classifier:
    """A finished run, ready to classify images."""

    def __init__(
        self,
        predictor: Predictor,
        class_ids: Sequence[str],
        epoch: int,
        run: Path,
        *,
        calibration: Calibration | None = None,
        none_of_these: bool = False,
        batch_size: int = BATCH_SIZE,
        max_megapixels: float = MAX_MEGAPIXELS,
    ) -> None:
        self.predictor, self.run = predictor, run
        self.class_ids = tuple(class_ids)
        """The classes in the order of the probabilities."""
        self.epoch = epoch
        """The epoch of the weights, which the run's rule selected, counted from 0."""
        self.calibration, self.none_of_these = calibration, none_of_these
        self.batch_size, self.max_megapixels = batch_size, max_megapixels

    @classmethod
    def load(
        cls,
        run: Path | str,
        *,
        device: Device | None = None,
        precision: Precision = "auto",
        none_of_these: bool = False,
        batch_size: int = BATCH_SIZE,
        max_megapixels: float = MAX_MEGAPIXELS,
    ) -> Classifier:
        """Load the weights that the rule of a run selected; on the run's own device unless one is named.

        With `none_of_these`, an image that is unlike all classes (`rawlabel.models.calibration`) gets that guess
        alone. Raises `DataError` for a folder that is no run, `ConfigError` for a run without a finished epoch, or
        without what tells such images, and `CheckpointError` for damaged weights.
        """
        directory = RunDirectory.existing(Path(run))
        calibration = Calibration.read(directory.path)
        if none_of_these and calibration is None:
            raise ConfigError(
                f"--none-of-these: {directory.path} has no calibration.json; train with --recipe transfer, which "
                "writes one at its end"
            )
        overrides = {} if device is None else {"device": device}
        predictor, class_ids, epoch = load_predictor(selected_weights(directory), precision=precision, **overrides)
        return cls(
            predictor,
            class_ids,
            epoch,
            directory.path,
            calibration=calibration,
            none_of_these=none_of_these,
            batch_size=batch_size,
            max_megapixels=max_megapixels,
        )

    def __repr__(self) -> str:
        return f"Classifier({str(self.run)!r}, {len(self.class_ids)} classes, epoch {self.epoch})"

    @overload
    def predict(self, images: Picture, top: int = 1) -> list[Guess]: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, images: Iterable[Picture], top: int = 1) -> list[list[Guess]]: ...
    def predict(self, images: Picture | Iterable[Picture], top: int = 1) -> list[Guess] | list[list[Guess]]:
        """The `top` best classes of an image, best first; for several images a list of such lists, in order.

        An image is the path of a file, a picture of Pillow's (which is turned upright as its metadata say) or an
        array, uint8, [height, width, 3] in RGB or [height, width] in grey; an array of four dimensions is several
        images. Raises `DataError` for one that cannot be read or decoded.
        """
        if isinstance(images, str | os.PathLike | Image.Image) or (
            isinstance(images, np.ndarray) and images.ndim < 4
        ):
            return next(guesses for _, guesses in self.each([images], top))
        return [guesses for _, guesses in self.each(images, top)]

    def each(
        self,
        images: Iterable[PictureType],
        top: int = 1,
        tell: Callable[[UnreadableImage], None] | None = None,
    ) -> Iterator[tuple[PictureType, list[Guess]]]:
        """Yield each image with its `top` best classes, as batches of `batch_size` are done.

        An image that cannot be read or decoded is handed to `tell`, and the others go on; without `tell`, the
        first one is raised. Raises `DataError` where the network has diverged.
        """
        waiting = iter(images)
        with ThreadPoolExecutor(processes.own_cores()) as pool:
            while batch := list(islice(waiting, self.batch_size)):
                source = _Given(batch)
                source.max_megapixels, source.remedy = self.max_megapixels, _REMEDY
                read = partial(_read, source, self.predictor.transform.stored_side)
                kept: list[PictureType] = []
                pixels: list[Pixels] = []
                for image, found in zip(batch, pool.map(read, range(len(batch))), strict=True):
                    if not isinstance(found, UnreadableImage):
                        kept.append(image)
                        pixels.append(found)
                    elif tell is None:
                        raise found
                    else:
                        tell(found)
                if kept:
                    yield from zip(kept, self._guesses(pixels, top), strict=True)

    def look(self, pixels: Sequence[Pixels], top: int = 1) -> list[Look]:
        """Classify images that are decoded, and shrunk as the run's own are (`Transform.stored_side`).

        Raises `DataError` where the network has diverged.
        """
        with features_heard(self.predictor.method) as heard:
            logits = self.predictor.logits(pixels, self.batch_size)
        if count_unanswered(logits):
            raise DataError(f"{self.run}: its network has diverged and says NaN; train again with a lower --lr")
        known, features = self.calibration, joined(heard, len(logits))
        probabilities = softmax(logits, axis=1) if known is None else known.probabilities(logits)
        are_none = known.is_none(features) if known and features is not None else None
        looks = []
        for place, row in enumerate(logits):
            best = np.argsort(-row, kind="stable")[:top]
            guesses = [Guess(self.class_ids[index], float(probabilities[place][index])) for index in best]
            is_none = None if are_none is None else bool(are_none[place])
            looks.append(Look(guesses, is_none, None if features is None else features[place]))
        return looks

    def _guesses(self, pixels: Sequence[Pixels], top: int) -> Iterator[list[Guess]]:
        """The best classes of images that are decoded and shrunk."""
        for one in self.look(pixels, top):
            if self.none_of_these and one.is_none:
                yield [Guess(NONE_OF_THESE, one.guesses[0].probability)]
            else:
                yield one.guesses


class _Given(ImageSource):
    """Images as somebody hands them over."""

    def __init__(self, images: Sequence[Picture]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int) -> StoredImage:
        """The bytes of a file, or pixels."""
        image = self._images[index]
        if isinstance(image, Image.Image):
            return self._of_pillow(image, index)
        if isinstance(image, np.ndarray):
            return self._of_array(image, index)
        files = ImageFiles([Path(image)])
        files.remedy = self.remedy
        return files.read(0)

    def _of_pillow(self, image: Image.Image, index: int) -> StoredImage:
        try:
            refuse_many_pixels(*image.size, self.max_megapixels)
            return np.asarray(upright_rgb(image, stated_orientation(image)))
        except NotDecodable as error:
            raise UnreadableImage(f"{self.where(index)}: {error}", error.remedy or self.remedy) from error
        except PILLOW_FAULTS as error:
            raise UnreadableImage(f"{self.where(index)}: cannot be decoded ({error})", self.remedy) from error

    def _of_array(self, image: npt.NDArray[Any], index: int) -> StoredImage:
        grey = image[..., None] if image.ndim == 2 else image
        if image.dtype != np.uint8 or grey.ndim != 3 or grey.shape[2] not in (1, 3) or not image.size:
            raise UnreadableImage(
                f"{self.where(index)}: is {image.dtype} {list(image.shape)}",
                "give uint8 [height, width, 3] in RGB, or [height, width] in grey",
            )
        return np.ascontiguousarray(np.broadcast_to(grey, (*grey.shape[:2], 3)))

    def name(self, index: int) -> str:
        """The path, or its place in the list."""
        image = self._images[index]
        return f"image {index}" if isinstance(image, Image.Image | np.ndarray) else os.fspath(image)


def _read(source: ImageSource, shorter_side: int, index: int) -> Pixels | UnreadableImage:
    try:
        return read_pixels(source, index, shorter_side)
    except UnreadableImage as error:
        return error


def selected_weights(run: RunDirectory) -> Path:
    """The weights to use of a run; says so where it was not finished.

    Raises `ConfigError` for a run without a finished epoch.
    """
    if not run.selected_checkpoint.exists():
        raise ConfigError(
            f"{run.path}: has finished no epoch, so there is nothing to predict with; "
            "give its `rawlabel train` command again"
        )
    if not (run.path / "summary.json").exists():
        epoch = run.read().epochs[-1].epoch
        messages.warn(f"{run.path}: is not finished; predicts with what its rule selects of epochs 0 to {epoch}")
    return run.selected_checkpoint

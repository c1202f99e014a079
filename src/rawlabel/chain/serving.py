"""A run, or an exported model, behind `rawlabel serve`: classes, likeness to training photos, and who took
those."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from rawlabel.artifacts.manifest import read_manifest
from rawlabel.artifacts.projects import SIMULATED, has_simulated_photos
from rawlabel.artifacts.run import Run
from rawlabel.base import messages
from rawlabel.base.image_header import NotDecodable
from rawlabel.base.signals import run_until_stopped
from rawlabel.base.untrusted_text import plain_text, web_address
from rawlabel.chain.export_model import labels_of
from rawlabel.config import ServeConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.gather.collect.engines.pixel_pool import PixelPool
from rawlabel.images.decoding import Pixels, read_pixels, shrunk
from rawlabel.images.image_source import LabeledImages, UnreadableImage
from rawlabel.models.classifier import Classifier
from rawlabel.models.features import features_heard, joined
from rawlabel.models.portable.loading import exported_file, open_classifier, read_export
from rawlabel.show.serve.answers import Answer, GuessedClass, Neighbour, NotAPhoto, ServedModel
from rawlabel.show.serve.limits import Proxies
from rawlabel.show.serve.server import Service
from rawlabel.show.serve.server import serve as serve_pages
from rawlabel.training.around.leaving_out import as_trained
from rawlabel.training.data import load_training_data

_MOST_NEIGHBOURS = 20_000
"""Training photos that are compared with a photo where their features are kept; without, as many as
`_MOST_SEEN`."""
_MOST_SEEN = 2_000
_SIDE = 240
"""Of the training photos that are shown [pixels]."""
_KEPT_THUMBNAILS = 512

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Credit:
    """What the manifest says of a photo's origin."""

    author: str
    license: str
    page: str | None


@dataclass(frozen=True, eq=False)
class TrainingPhotos:
    """Training photos with the direction of their features [photos, features]."""

    images: LabeledImages
    directions: Floats
    credits: Mapping[str, Credit]
    """By the name of the photo."""

    def nearest(self, features: Floats, count: int) -> list[tuple[int, float]]:
        """Positions and cosines of those nearest to `features`, the nearest first."""
        likeness = self.directions @ _direction(features[None])[0]
        order = np.argsort(-likeness, kind="stable")[:count]
        return [(int(one), float(likeness[one])) for one in order]


class ServedRun:
    """A classifier that answers requests; the network takes one photo at a time."""

    def __init__(
        self,
        classifier: Classifier,
        model: ServedModel,
        names: Mapping[str, str],
        photos: TrainingPhotos | None,
        pool: PixelPool,
    ) -> None:
        self.model, self._classifier, self._photos = model, classifier, photos
        self._names, self.pool = names, pool
        self._network = threading.Lock()
        self.thumbnail = lru_cache(_KEPT_THUMBNAILS)(self._thumbnail)

    async def decode(self, photo: bytes) -> Pixels:
        """The pixels of the bytes of an image file, as `predict` sees them. Raises `NotAPhoto`, `DataError`."""
        try:
            pixels = await self.pool.pixels(photo)
        except NotDecodable as error:
            raise NotAPhoto(f"this {error}" + (f"; {error.remedy}" if error.remedy else "")) from error
        return await asyncio.to_thread(shrunk, pixels, self._classifier.predictor.transform.stored_side)

    def answer(self, pixels: Pixels, top: int, nearest: int) -> Answer:
        """Classify a photo by its pixels, as `decode` returned them."""
        started = time.monotonic()
        with self._network:
            seen = self._classifier.look([pixels], top)[0]
        guesses = tuple(
            GuessedClass(
                class_id=one.class_id,
                name=self._names.get(one.class_id, one.class_id),
                probability=round(one.probability, 6),
            )
            for one in seen.guesses
        )
        found = () if self._photos is None or seen.features is None else self._neighbours(seen.features, nearest)
        return Answer(
            classes=guesses, none_of_these=seen.is_none, nearest=found,
            milliseconds=round(1000 * (time.monotonic() - started), 1),
        )  # fmt: skip

    def _neighbours(self, features: Floats, count: int) -> tuple[Neighbour, ...]:
        photos = self._photos
        assert photos is not None
        told = []
        for place, likeness in photos.nearest(features, count):
            credit = photos.credits.get(photos.images.source.name(place), Credit("", "", None))
            label = self._classifier.class_ids[int(photos.images.labels[place])]
            told.append(
                Neighbour(
                    number=place, likeness=round(likeness, 4), raw_label=self._names.get(label, label),
                    author=credit.author, license=credit.license, page=credit.page,
                )
            )  # fmt: skip
        return tuple(told)

    def _thumbnail(self, number: int) -> bytes | None:
        """A training photo as a small JPEG; None where there is none."""
        if self._photos is None or number >= len(self._photos.images):
            return None
        try:
            pixels = read_pixels(self._photos.images.source, number, _SIDE)
        except UnreadableImage:
            return None
        image = Image.fromarray(pixels)
        image.thumbnail((2 * _SIDE, 2 * _SIDE))
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=85)
        return stream.getvalue()


def load_served(config: ServeConfig) -> ServedRun:
    """Load what `config` names, with the training photos where they are at hand.

    Raises `ConfigError`, also for a run without a finished epoch, `DataError` and `CheckpointError`.
    """
    if config.run is None:
        raise ConfigError("RUN: name a run directory, or a model that `rawlabel export-model` wrote")
    classifier = open_classifier(
        config.run, device=config.device, precision=config.precision, max_megapixels=config.max_megapixels
    )
    file = exported_file(config.run)
    if file is not None:
        record, _ = read_export(file)
        names, photos, notes = dict(record.labels), None, [record.origin.encoder]
        name = record.origin.run
    else:
        run = Run(config.run)
        names, name = labels_of(run), config.run.resolve().name
        photos = _training_photos(run, classifier) if config.nearest else None
        notes = [
            SIMULATED if has_simulated_photos(run.manifest_path) else "",
            "" if run.encoder is None else run.encoder.describe(),
        ]
    shown = tuple(names.get(one, one) for one in classifier.class_ids)
    model = ServedModel(
        title="What is on this photo?", run=name, epoch=classifier.epoch, classes=shown,
        training_photos=0 if photos is None else len(photos.images), notes=tuple(one for one in notes if one),
    )  # fmt: skip
    pool = PixelPool(
        max_megapixels=config.max_megapixels, megabytes=config.decode_megabytes, seconds=config.decode_seconds
    )
    return ServedRun(classifier, model, names, photos, pool)


def _training_photos(run: Run, classifier: Classifier) -> TrainingPhotos | None:
    """The training photos with their features; None, with a warning, where they are not at hand."""
    try:
        images = as_trained(run, load_training_data(run.settings)).train
        most = _MOST_SEEN if classifier.predictor.store is None else _MOST_NEIGHBOURS
        if len(images) > most:
            images = images.select(np.sort(np.random.default_rng(0).permutation(len(images))[:most]))
        features = _features(images, classifier)
    except DataError as error:
        messages.warn(f"{error}; serves without training photos")
        return None
    if features is None:
        return None
    return TrainingPhotos(images, _direction(features), _credits(run))


def _features(images: LabeledImages, classifier: Classifier) -> Floats | None:
    """What reaches the last layer of each photo [photos, features]; None of a network without such a layer."""
    from rawlabel.images.decoding import Images

    predictor = classifier.predictor
    title = "features of training photos"
    with features_heard(predictor.method) as heard:
        if predictor.store is not None:
            predictor.logits(predictor.store.features(images.source, title))
        else:
            predictor.logits(Images(images.source, predictor.transform.stored_side, 1, title, cache="none"))
    return joined(heard, len(images))


def _direction(features: Floats) -> Floats:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    found: Floats = (features / np.maximum(lengths, 1e-12)).astype(np.float32)
    return found


def _credits(run: Run) -> dict[str, Credit]:
    """Author, license and page by the name of a photo's file; empty where the run had no manifest."""
    path = run.manifest_path
    if path is None:
        return {}
    is_simulated = has_simulated_photos(path)
    rows = read_manifest(path).kept().select(["path", "author", "license_name", "license_id", "page_url"])
    return {
        one["path"]: Credit(
            plain_text(one["author"]),
            plain_text(one["license_name"] or one["license_id"]),
            None if is_simulated else web_address(one["page_url"]),
        )
        for one in rows.to_pylist()
    }


def serve(config: ServeConfig, announce: Callable[[str], None]) -> None:
    """Load a model and serve it until Ctrl-C or SIGTERM; `announce` gets the address.

    Raises what `load_served` raises, and `ConfigError` where the address cannot be listened on.
    """
    Proxies(config.proxy)  # refused before minutes go into the features of training photos
    run_until_stopped(_serve(config, load_served(config), announce))


async def _serve(config: ServeConfig, served: ServedRun, announce: Callable[[str], None]) -> None:
    async with served.pool:
        await serve_pages(Service(config, served), announce)

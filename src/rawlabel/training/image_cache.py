"""Where images are kept while a run goes on (`--cache`), and the loader that goes with the place.

features
    of an encoder, in the place of images (`KeptFeatures`): wherever a head is trained;
device
    small images as one array on the device, from which it cuts views itself (`ResidentLoader`);
memory
    decoded, in this machine's memory; threads cut the views (`Loader`);
none
    nowhere: read and decoded in every epoch.

`auto` takes the first of them for which the images are right and which has room. Views are the same to the bit
wherever they are cut, so the choice is none of the run's settings.
"""

from __future__ import annotations

from functools import partial

import torch

from rawlabel.base import messages, processes
from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError
from rawlabel.images.decoding import AUTO_SHARE, Images, free_memory, room_for
from rawlabel.images.feature_loader import FeatureLoader
from rawlabel.images.image_source import ImageSource
from rawlabel.images.kept_features import KeptFeatures
from rawlabel.images.loader import BatchLoader, Loader
from rawlabel.images.resident_images import OtherSizes, ResidentImages
from rawlabel.images.resident_loader import ResidentLoader
from rawlabel.images.view_size import image_size_at
from rawlabel.models.predictor import Predictor
from rawlabel.models.transfer.whole import WholeTransform

KeptImages = Images | ResidentImages | KeptFeatures


def keep_images(
    source: ImageSource, config: TrainConfig, predictor: Predictor, title: str | None = None
) -> KeptImages:
    """Put the images of `source` where `config.cache` says, with progress under `title`.

    Raises `ConfigError` when that place has too little room or the run cannot use it, and `DataError` that names
    an image which cannot be read or decoded, or does not fit among the others.
    """
    transform, device = predictor.transform, predictor.device
    if predictor.store is not None:
        return predictor.store.features(source, title or "features", device)
    if len(source) and _is_for_device(source, config, predictor):
        try:
            return ResidentImages.load(source, transform, device, config.reading_threads, title)
        except OtherSizes:
            if config.cache == "device":
                raise
    # Where the device is asked for, this is reached by no images alone.
    cache = "none" if config.cache == "device" else config.cache
    return Images(source, transform.stored_side, config.reading_threads, title, cache)


def images_to_measure(
    source: ImageSource, predictor: Predictor, workers: int, title: str
) -> Images | KeptFeatures:
    """The images of `source` for a finished run's `predictor`, with progress under `title`.

    Where that has an encoder, their features, which are kept. Raises `DataError` that names an image.
    """
    if predictor.store is not None:
        return predictor.store.features(source, title.replace("reading", "features of"), predictor.device)
    return Images(source, predictor.transform.stored_side, workers, title)


def make_loader(images: KeptImages, config: TrainConfig, predictor: Predictor) -> BatchLoader:
    """The loader of training batches of `images`; close it to end its threads.

    Where images will be slow to read, one line says what helps.
    """
    advice = images.source.advice_at_random if isinstance(images, Images) and images.place == "none" else None
    if advice and processes.is_first():
        messages.inform(advice, lead=messages.COMMAND)
    seed, size_of = config.seed or 0, partial(image_size_at, config)
    transform, batch_size = predictor.transform, config.batch_size
    if isinstance(images, KeptFeatures):
        return FeatureLoader(images, batch_size, seed, config.accumulate)
    if isinstance(images, ResidentImages):
        return ResidentLoader(images, transform, batch_size, seed, size_of, config.accumulate)
    return Loader(
        images,
        transform,
        batch_size,
        seed,
        config.loading_threads,
        predictor.method.strong_augmentation,
        pin_memory=predictor.device.type == "cuda",
        size_of=size_of,
        parts=config.accumulate,
    )


def _is_for_device(source: ImageSource, config: TrainConfig, predictor: Predictor) -> bool:
    """Whether to try the device; raises `ConfigError` where it is asked for and cannot be."""
    transform = predictor.transform
    needed = len(source) * transform.image_size**2 * 3 * (2 if config.progressive_from else 1)
    free = _free_bytes(predictor.device)
    if config.cache == "device":
        reason = _obstacle(predictor)
        if reason:
            raise ConfigError(f"--cache device: {reason}; leave --cache out, or use --cache memory")
        what, remedy = f"--cache device: {len(source)} images", "use --cache auto, or a smaller --image-size"
        room_for(needed, free, what, remedy)
        return True
    # On the processor, whose memory an Apple GPU shares, the threads' views cost an epoch no more
    # (benchmarks/image_cache.py).
    is_apart = predictor.device.type == "cuda"
    return config.cache == "auto" and is_apart and not _obstacle(predictor) and needed <= AUTO_SHARE * free


def _obstacle(predictor: Predictor) -> str | None:
    if isinstance(predictor.transform, WholeTransform):
        return "an encoder's own views are cut from photos in memory"
    if predictor.transform.is_resized_crop:
        return f"--augment {predictor.transform.augment} cuts its views from photos in memory"
    if predictor.method.strong_augmentation is not None:
        return "the strong views of this --method are made in memory"
    return None


def _free_bytes(device: torch.device) -> float:
    return float(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else free_memory()

"""Classify images with a finished run, or with a model that was exported from one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rawlabel.base.image_files import images_below
from rawlabel.base.image_header import extra_extensions
from rawlabel.config import PredictConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.image_source import UnreadableImage
from rawlabel.models.portable.loading import open_classifier, refuse_no_model


@dataclass(frozen=True, slots=True)
class Prediction:
    """One guess for one image; what its `probability` is, `Guess` says."""

    path: Path
    class_id: str
    probability: float
    rank: int = 1
    """Its place among the classes of the image, from 1."""


def predict(config: PredictConfig, tell: Callable[[UnreadableImage], None] | None = None) -> Iterator[Prediction]:
    """Yield the `config.top` best classes of each image, best first, as batches are done.

    An image that cannot be read or decoded is handed to `tell`, and the others go on; without `tell`, the first
    one is raised. Raises `ConfigError`, for a run without a finished epoch too, `DataError`, `CheckpointError`.
    """
    if config.run is None or not config.images:
        raise ConfigError("RUN IMAGE: name a run directory and images, folders, or `-` for paths from a pipe")
    refuse_no_model(config.run)
    # Before the network is built: a folder without an image is not worth the wait.
    waiting = _expand(config.images)
    classifier = open_classifier(
        config.run,
        precision=config.precision,
        none_of_these=config.none_of_these,
        batch_size=config.batch_size,
        max_megapixels=config.max_megapixels,
    )
    for path, guesses in classifier.each(waiting, config.top, tell):
        for rank, one in enumerate(guesses, start=1):
            yield Prediction(path, one.class_id, one.probability, rank)


def _expand(names: Sequence[str]) -> Iterator[Path]:
    """The images that the names on the command line mean. Raises `DataError` for any of them before the first."""
    return _expanded([(name, [] if name == "-" else _images_at(Path(name))) for name in names])


def _expanded(found: Iterable[tuple[str, Iterable[Path]]]) -> Iterator[Path]:
    for name, paths in found:
        yield from _listed() if name == "-" else paths


def _images_at(path: Path) -> Sequence[Path]:
    if not path.exists():
        raise DataError(f"{path}: no such image or folder; check the path")
    if not path.is_dir():
        return [path]
    try:
        found = images_below(path, extra=extra_extensions())
    except OSError as error:
        raise DataError(
            f"{error.filename or path}: cannot be read ({error.strerror}); check the folder"
        ) from error
    if not found.files:
        raise DataError(f"{path}: holds no images; name another folder")
    return [path / name for name, _ in found.files]


def _listed() -> Iterator[Path]:
    """Paths on the standard input, one a line, as any system writes lines; names need not be UTF-8."""
    for line in sys.stdin.buffer:
        name = line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
        if name.strip():
            yield Path(os.fsdecode(name))

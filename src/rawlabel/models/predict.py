"""Classify images with a finished run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from scipy.special import softmax

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import processes
from rawlabel.base.correctness import count_unanswered
from rawlabel.base.image_files import images_below
from rawlabel.base.image_header import extra_extensions
from rawlabel.config import PredictConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.decoding import Pixels, read_pixels
from rawlabel.images.image_source import ImageFiles, UnreadableImage
from rawlabel.models.predictor import load_predictor

_REMEDY = "check the path, or leave it out"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One guess for one image; `probability` is the network's own, and not calibrated."""

    path: Path
    class_id: str
    probability: float


def predict(config: PredictConfig, tell: Callable[[UnreadableImage], None] | None = None) -> Iterator[Prediction]:
    """Yield the `config.top` best classes of each image, best first, as batches are done.

    An image that cannot be read or decoded is handed to `tell`, and the others go on; without `tell`, the first
    one is raised. Raises `ConfigError`, for a run without a finished epoch too, `DataError`, `CheckpointError`.
    """
    if config.run is None or not config.images:
        raise ConfigError("RUN IMAGE: name a run directory and images, folders, or `-` for paths from a pipe")
    checkpoint = _selected(RunDirectory.existing(config.run))
    # Before the network is built: a folder without an image is not worth the wait.
    waiting = _expand(config.images)
    predictor, class_ids, _ = load_predictor(checkpoint, precision=config.precision)
    with ThreadPoolExecutor(processes.own_cores()) as pool:
        while paths := list(islice(waiting, config.batch_size)):
            source = ImageFiles(paths)
            source.max_megapixels, source.remedy = config.max_megapixels, _REMEDY
            read = partial(_read, source, predictor.transform.stored_side)
            kept: list[Path] = []
            images: list[Pixels] = []
            for path, pixels in zip(paths, pool.map(read, range(len(paths))), strict=True):
                if isinstance(pixels, UnreadableImage):
                    if tell is None:
                        raise pixels
                    tell(pixels)
                else:
                    kept.append(path)
                    images.append(pixels)
            if not images:
                continue
            logits = predictor.logits(images, config.batch_size)
            if count_unanswered(logits):
                raise DataError(
                    f"{config.run}: its network has diverged and says NaN; train again with a lower --lr"
                )
            probabilities = softmax(logits, axis=1)
            for path, own, row in zip(kept, logits, probabilities, strict=True):
                for index in np.argsort(-own, kind="stable")[: config.top]:
                    yield Prediction(path, class_ids[index], float(row[index]))


def _selected(run: RunDirectory) -> Path:
    """The weights to use; says so where the run was not finished."""
    if not run.selected_checkpoint.exists():
        raise ConfigError(
            f"{run.path}: has finished no epoch, so there is nothing to predict with; "
            "give its `rawlabel train` command again"
        )
    if not run.read().is_finished:
        epoch = run.read().epochs[-1].epoch
        sys.stderr.write(
            f"rawlabel: {run.path}: is not finished; predicts with what its rule selects of epochs 0 to {epoch}\n"
        )
    return run.selected_checkpoint


def _read(source: ImageFiles, shorter_side: int, index: int) -> Pixels | UnreadableImage:
    try:
        return read_pixels(source, index, shorter_side)
    except UnreadableImage as error:
        return error


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

"""Write an export beside its place, prove it, and only then put it there: what is refused leaves nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.base import families
from rawlabel.base.files import disk_errors, write_json
from rawlabel.base.progress import note
from rawlabel.errors import ConfigError
from rawlabel.models.model_format import ModelFormat, Opened, WriteRequest
from rawlabel.models.portable.model import PortableModel
from rawlabel.models.portable.photos import RunPhotos, drawn, pixels_of
from rawlabel.models.portable.preprocessing import normalized
from rawlabel.models.portable.proof import expected_of, prove
from rawlabel.models.portable.records import ABOUT, HoldoutAccuracy, ModelRecord

_MOST_HELD_OUT = 2000
"""Held-out images on which 8-bit integers are measured."""


def load_format(name: str) -> ModelFormat:
    """The format `name`. Raises `PluginError`, and `ConfigError` where a package that it needs is missing."""
    found: ModelFormat = families.load(families.Family.MODEL_FORMAT, name)()
    found.refuse_missing(name)
    return found


def write_export(model: PortableModel, writer: ModelFormat, out: Path, request: WriteRequest) -> ModelRecord:
    """Write `model` to the folder `out`, and return what it says of itself, its proof included.

    An export that was there before gives way once the new one is proven. Raises `ConfigError`, `CheckpointError`
    where the export does not answer as the run does, `DataError` for images that cannot be read, and `DiskError`.
    """
    refuse_foreign(out)
    expected = expected_of(model, request.photos)
    with _beside(out) as folder:
        note(f"writes {out}")
        writer.write(model, folder, request)
        note("compares its answers with the run's")
        opened = writer.open(folder)
        proofs = tuple(prove(model, one, request.photos, expected) for one in opened)
        record = model.record.model_copy(update={"proofs": proofs, "own_arithmetic": expected.own_arithmetic})
        if request.int8:
            record = record.model_copy(update={"int8": _measure(model, opened[0], request.photos)})
        write_json(folder / ABOUT, record.as_json())
        writer.finish(model, folder, record)
        _put(folder, out)
    return record


def refuse_foreign(out: Path) -> None:
    """Raise `ConfigError` for a place that holds something else than an earlier export."""
    if out.is_dir() and any(out.iterdir()) and not (out / ABOUT).is_file():
        raise ConfigError(f"--out {out}: holds something else than an exported model; name another folder")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: is a file; name a folder")


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """An empty folder on the same disk, which is gone behind the block unless it was put somewhere."""
    folder = out.with_name(f".{out.name}.part")
    made = [one for one in (out.parent, *out.parent.absolute().parents) if not one.exists()]
    try:
        with disk_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for one in made:
            if one.is_dir() and not any(one.iterdir()):
                one.rmdir()


def _put(folder: Path, out: Path) -> None:
    """Give the folder its name; the one that had it goes."""
    old = out.with_name(f".{out.name}.old")
    with disk_errors(out):
        shutil.rmtree(old, ignore_errors=True)
        if out.exists():
            out.rename(old)
        folder.rename(out)
        shutil.rmtree(old, ignore_errors=True)


def _measure(model: PortableModel, opened: Opened, photos: RunPhotos) -> HoldoutAccuracy:
    """What 8-bit integers cost on the raw labels that were held out."""
    count = min(len(photos.holdout), _MOST_HELD_OUT)
    places = [place for _, place in drawn(photos.holdout, count)]
    images = [(photos.holdout.source, place) for place in places]
    pixels = pixels_of(images, model.predictor.transform)
    labels: npt.NDArray[np.int64] = photos.holdout.labels[places]
    plain = model.probabilities(pixels).argmax(axis=1) if pixels else np.zeros(0, dtype=np.int64)
    transform, how = model.predictor.transform, model.record.preprocessing
    said = [opened.answer(normalized(transform.evaluation_view(one)[None], how)).argmax() for one in pixels]
    small = np.array(said, dtype=np.int64)
    return HoldoutAccuracy(
        images=len(labels),
        correct=int((small == labels).sum()),
        correct_float32=int((plain == labels).sum()),
        same_class_as_float32=int((small == plain).sum()),
    )

"""Which test images are also among the images of a run: counted, told, and what they are worth to its accuracy.

Training cannot know: what reads a test set is handed to it from above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.certificate import Certificate, digest_of, read_certificates
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Overlap, SamePicture
from rawlabel.base import distributed, processes
from rawlabel.base.files import write_json
from rawlabel.base.progress import note
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.image_source import ImageSource
from rawlabel.images.input import InputSet
from rawlabel.judge.decontaminate.comparing import Settings
from rawlabel.judge.decontaminate.decontaminating import Decontamination, decontaminate, pixel_digests
from rawlabel.judge.decontaminate.matches import Match
from rawlabel.judge.evaluate.left_out import QUICK, cache_of, images_of
from rawlabel.training.around.holdout import data_of_run
from rawlabel.training.data import TrainingData

_MOST_PAIRS = 1_000_000_000
"""Pairs of a training and a test image up to which an evaluation looks for crops and flips, too."""


@dataclass(frozen=True, eq=False)
class RunOverlap:
    """What a test set and the images of a run, or those that it left out, have in common."""

    rows: npt.NDArray[np.int64]
    """Positions of the test images of which there is a copy."""
    certificate: Certificate | None
    """What says that the copies were left out; None where they were trained on."""


def note_overlap(
    run: RunDirectory,
    data: TrainingData,
    test: InputSet,
    place: Path,
    key: str = "test",
    pause: Callable[[], None] = lambda: None,
) -> None:
    """Count the images of `test` that the run trains on or holds out, `data`, tell it, and write it down.

    What was counted before on the same images is not counted again, and of a test set whose copies were left out
    nothing is. Raises what `pause` raises, and `DiskError`.
    """
    if distributed.from_first(lambda: _is_known(run, key, data.fingerprint, test.fingerprint)):
        return
    quiet = pause if distributed.count() == 1 else lambda: None
    settings = replace(QUICK, pause=quiet)

    def look() -> None:
        left_out = data.left_out_copies
        is_clean = left_out is not None and test.fingerprint in left_out.test_sets
        found = None if is_clean else _compare(run.read(), data, test, key, settings)
        _write(run, key, _counted(data, test, place, found))

    distributed.from_first(look)


def overlap_of_run(run: RunDirectory, test: InputSet, place: Path) -> RunOverlap | None:
    """What a finished run has in common with a test set, also counted, told and written down.

    A certificate in the run directory or beside its manifest that speaks of both is believed. None where the
    images of the run are not there any more, which is said. Raises `DiskError`.
    """
    try:
        data = data_of_run(run)
        read = run.read()
        sources = (images_of(data), test.images.source)
        kept, theirs = pixel_digests(sources, cache_of(read.settings.root), ("training images", "test images"))
    except (ConfigError, DataError) as error:
        note(f"{place}: is not compared with the training images, which cannot be read: {error}")
        return None
    digests = digest_of(kept), digest_of(theirs)
    certificate = next((one for one in _certificates(read) if one.matches(*digests)), None)
    found = None
    if certificate is None:
        is_large = len(kept) * len(theirs) > _MOST_PAIRS
        found = _compare(read, data, test, "test", QUICK if is_large else Settings(canaries=False))
        rows = found.overlapping()
    else:
        known = set(certificate.overlapping)
        hits = [row for row, digest in enumerate(theirs) if digest is not None and digest.hex() in known]
        rows = np.array(hits, dtype=np.int64)
    _write(run, "test", _counted(data, test, place, found))
    return RunOverlap(rows, certificate)


def note_overlap_of_run(run: RunDirectory, test: InputSet, place: Path) -> None:
    """Count and tell the overlap of a test set with a run, for a number that says no more of it."""
    if processes.is_first():
        overlap_of_run(run, test, place)


def _certificates(run: Run) -> Sequence[Certificate]:
    beside = run.manifest_path
    return (*run.certificates, *(read_certificates(beside.parent) if beside is not None else ()))


def _compare(run: Run, data: TrainingData, test: InputSet, key: str, settings: Settings) -> Decontamination:
    titles = (f"comparing {key} with training images", f"comparing {key} images")
    cache = cache_of(run.settings.root)
    return decontaminate(images_of(data), test.images.source, cache, settings=settings, titles=titles)


def _write(run: RunDirectory, key: str, counted: Overlap) -> None:
    known = {**run.read().overlap, key: counted}
    write_json(run.overlap_path, {name: one.as_json() for name, one in known.items()})
    if said := describe(counted):
        note(f"{said}; {run.overlap_path} lists them")


def describe(one: Overlap) -> str:
    """One line about one test set; empty where nothing was found."""
    count = one.equal + one.near
    if not count:
        return ""
    return (
        f"{count} of {one.test_images} test images are among the images of the run too ({one.equal} equal in all "
        f"pixels, {one.near} near copies), so that the test accuracy flatters"
    )


def _is_known(run: RunDirectory, key: str, data: str, test_set: str) -> bool:
    known = run.read().overlap.get(key)
    return known is not None and (known.data, known.test_set) == (data, test_set)


def _counted(data: TrainingData, test: InputSet, place: Path, found: Decontamination | None) -> Overlap:
    """The counts; without a pass, there is nothing in common."""
    hits = found.outcome.hits if found is not None else ()
    equal = sum(one.tier == "equal" for one in hits)
    images = images_of(data)
    return Overlap(
        data=data.fingerprint,
        test_set=test.fingerprint,
        place=str(place),
        test_images=len(test.images),
        training_images=len(data.train),
        held_out_images=len(data.holdout),
        equal=equal,
        near=len(hits) - equal,
        compared_by_pixels_alone=found.outcome.flat_tests if found is not None else 0,
        pairs=tuple(_pair(one, test.images.source, images, len(data.train)) for one in hits),
    )


def _pair(one: Match, test: ImageSource, images: ImageSource, num_training: int) -> SamePicture:
    return SamePicture(
        test=test.where(one.test),
        other=images.where(one.candidate),
        kind="training image" if one.candidate < num_training else "held-out image",
        equal_pixels=one.tier == "equal",
        different_bits=one.bits or 0,
        correlation=one.correlation,
        probe=one.probe,
    )

"""Which test images are also among the images of a run, by fingerprint: counted and told, and nothing is left out.

Training cannot know: what reads a test set is handed to it from above.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rawlabel.artifacts.copies.fingerprint import Fingerprint, fingerprint
from rawlabel.artifacts.copies.same_pictures import SamePictures, same_pictures
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Overlap, SamePicture
from rawlabel.base import distributed, processes
from rawlabel.base.files import write_json
from rawlabel.base.progress import note, progress
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.decoding import read_pixels
from rawlabel.images.image_source import ImageSource, JoinedImages
from rawlabel.images.input import InputSet
from rawlabel.training.around.holdout import data_of_run
from rawlabel.training.data import TrainingData

_CHUNK = 512
"""Images between two looks at whether the run shall stop; the same in all processes of a run."""


def note_overlap(
    run: RunDirectory,
    data: TrainingData | None,
    test: InputSet,
    place: Path,
    key: str = "test",
    pause: Callable[[], None] = lambda: None,
) -> None:
    """Count the images of `test` that the run has trained on or held out, tell it, and write it down.

    What was counted before on the same images is not counted again. `data` are those of the run, which are read
    when they are not given; where they are not there any more, that is said instead. Raises what `pause` raises,
    and `DiskError`.
    """
    fingerprint_of_data = data.fingerprint if data else run.summary().data
    if distributed.from_first(lambda: _is_known(run, key, fingerprint_of_data, test.fingerprint)):
        if data is None:
            _tell(run, key)
        return
    try:
        data = data or data_of_run(run)
    except (ConfigError, DataError) as error:
        note(f"{place}: is not compared with the training images, which cannot be read: {error}")
        return
    images = JoinedImages((data.train.source, data.holdout.source))
    ones = _fingerprints(test.images.source, f"comparing {key} images", pause)
    others = _fingerprints(images, f"comparing {key} with training images", pause)
    if not processes.is_first():
        return
    # Other processes, which pause together with this one, are not at work here.
    found = same_pictures(ones, others, pause if distributed.count() == 1 else lambda: None)
    counted = Overlap(
        data=data.fingerprint,
        test_set=test.fingerprint,
        place=str(place),
        test_images=len(ones),
        training_images=len(data.train),
        held_out_images=len(data.holdout),
        equal=int(found.is_equal.sum()),
        near=int((found.found >= 0).sum() - found.is_equal.sum()),
        compared_by_pixels_alone=sum(one is None or one.perceptual is None for one in ones),
        pairs=_pairs(found, test.images.source, images, len(data.train)),
    )
    known = {**run.read().overlap, key: counted}
    write_json(run.overlap_path, {name: one.as_json() for name, one in known.items()})
    _tell(run, key)


def _tell(run: RunDirectory, key: str) -> None:
    if said := describe(run.read().overlap[key]):
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


def _is_known(run: RunDirectory, key: str, data: str | None, test_set: str) -> bool:
    known = run.read().overlap.get(key)
    return known is not None and (known.data, known.test_set) == (data, test_set)


def _fingerprints(source: ImageSource, title: str, pause: Callable[[], None]) -> list[Fingerprint | None]:
    """Those of all images, in order, in the first process of a run; the others keep it company."""
    found: list[Fingerprint | None] = []
    with ThreadPoolExecutor(processes.own_cores()) as pool, progress(title, len(source)) as task:
        for start in range(0, len(source), _CHUNK):
            pause()
            rows = range(start, min(start + _CHUNK, len(source)))
            if processes.is_first():
                found += pool.map(partial(_fingerprint, source), rows)
            task.advance(len(rows))
    return found


def _fingerprint(source: ImageSource, index: int) -> Fingerprint | None:
    """None of an image that cannot be read, which whoever needs it says."""
    try:
        return fingerprint(read_pixels(source, index, None))
    except DataError:
        return None


def _pairs(
    found: SamePictures, test: ImageSource, images: ImageSource, num_training: int
) -> tuple[SamePicture, ...]:
    rows = [row for row, place in enumerate(found.found.tolist()) if place >= 0]
    return tuple(
        SamePicture(
            test=test.where(row),
            other=images.where(place := int(found.found[row])),
            kind="training image" if place < num_training else "held-out image",
            equal_pixels=bool(found.is_equal[row]),
            different_bits=int(found.bits[row]),
        )
        for row in rows
    )

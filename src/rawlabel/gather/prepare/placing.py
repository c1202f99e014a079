"""Put photos into class folders so that a killed run goes on, and count what became of each.

`OUT/prepare.json` notes each batch whose photos are on the disk. Photos of a batch that it does not have are
compared with the source byte by byte, so a file that a power cut left empty is written again.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from rawlabel.base.files import disk_errors, read_json, write_json
from rawlabel.base.progress import Task, progress
from rawlabel.errors import ConfigError, DataError
from rawlabel.gather.prepare.found import Batch, Found, LeftOut, Part, PartSource, Wanted, count_files

JOURNAL, _SCRATCH = "prepare.json", ".prepare"
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)
_NOTED_PHOTOS = 100


@dataclass
class Counts:
    """What became of files: found = written + left out, by class and by reason."""

    by_class: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def written(self) -> int:
        """How many photos were put into class folders; one that lay there already counts too."""
        return self.by_class.total()

    @property
    def found(self) -> int:
        """How many files the source handed over: those written and those left out, so that the counts add up."""
        return self.written + self.left_out.total()

    def add(self, other: Counts) -> None:
        """Add the counts of a batch to these, by class and by reason for leaving out."""
        self.by_class.update(other.by_class)
        self.left_out.update(other.left_out)


@dataclass
class PreparedPart:
    """One part of the data set, in its class folders."""

    part: Part
    folder: Path
    counts: Counts
    skipped_classes: int
    """Classes that were not asked for and whose photos were not looked at."""
    remarks: list[str]
    """What the source lacks, a line each; empty when all is well."""


class MadeFrom(TypedDict):
    """What decides the files of a part."""

    source: str
    classes: Literal["all"] | list[str]
    link: str


class _DoneBatch(TypedDict):
    """Counts of a batch: files written by class, and left out by reason."""

    written: dict[str, int]
    left_out: dict[str, int]


class _DonePart(TypedDict):
    """What a part was made from, and its batches by their keys."""

    made_from: MadeFrom
    done: dict[str, _DoneBatch]


class Journal:
    """The batches of one part that are done."""

    def __init__(self, out: Path, part: Part, made_from: MadeFrom) -> None:
        """Go on with the journal in `out`, or begin one.

        Raises `ConfigError` when the part was made from something else, `DataError` when it is not ours.
        """
        self._path, self._part, self._folder = out / JOURNAL, part, out / part
        self._parts: dict[str, _DonePart] = self._read() if self._path.exists() else {}
        before = self._parts.get(part)
        if before is None and count_files(self._folder):
            raise DataError(f"{self._folder}: is there already and not of this command; choose another --out")
        if before is not None and before["made_from"] != made_from:
            earlier = before["made_from"]
            key = next(key for key, value in made_from.items() if earlier.get(key) != value)
            raise ConfigError(f"--out: {self._folder} was made with other {key}; choose another --out")
        self._done: dict[str, _DoneBatch] = before["done"] if before else {}
        self._parts[part] = {"made_from": made_from, "done": self._done}

    def done(self, batch: Batch) -> Counts | None:
        """The counts of a batch that is done and whose files are still there; else None."""
        entry = self._done.get(batch.key)
        if entry is None:
            return None
        counts = Counts(Counter(entry["written"]), Counter(entry["left_out"]))
        are_there = all(count_files(self._folder / one) == number for one, number in counts.by_class.items())
        return counts if are_there else None

    def begin(self) -> None:
        """Write the journal before the first photo is, so that the folder is known for ours."""
        write_json(self._path, self._parts)

    def finish(self, batch: Batch, counts: Counts) -> None:
        """Note a batch, once its photos are on the disk."""
        # One call is much faster than one for each photo.
        os.sync()
        self._done[batch.key] = {"written": dict(counts.by_class), "left_out": dict(counts.left_out)}
        write_json(self._path, self._parts)

    def _read(self) -> dict[str, _DonePart]:
        what = "what `rawlabel prepare` has done"
        parts = read_json(self._path, what)
        entries = list(parts.values()) if isinstance(parts, dict) else [None]
        if not all(isinstance(one, dict) and {"made_from", "done"} <= one.keys() for one in entries):
            raise DataError(f"{self._path}: should hold {what}; choose another --out")
        return dict(parts)


def place_part(part: Part, source: PartSource, out: Path, wanted: Wanted, link: str) -> PreparedPart:
    """Write `out`/`part`/<class>/<photo> for the photos of the wanted classes.

    Raises `ConfigError`, `DataError` and `DiskError`; what is written until then stays and counts.
    """
    made_from: MadeFrom = {
        "source": source.where.name,
        "classes": "all" if wanted is None else sorted(wanted),
        "link": link,
    }
    journal, folder, scratch, counts = Journal(out, part, made_from), out / part, out / _SCRATCH, Counts()
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
        journal.begin()
        scratch.mkdir()
    with progress(f"preparing {part.describe()} photos", _total(source, wanted)) as task:
        for batch in source.batches(wanted):
            done = journal.done(batch)
            if done is None:
                done = _Placer(folder, scratch, link, task, source.labels is not None).place(batch)
                journal.finish(batch, done)
            elif source.labels is not None:
                task.advance(done.written)
            counts.add(done)
            if source.labels is None:
                task.advance(1, note=f"classes, {counts.written:,} photos")
    shutil.rmtree(scratch, ignore_errors=True)
    absent = sorted((wanted or frozenset()) - counts.by_class.keys())
    if absent or not counts.written:
        which = f"{absent[0]} ({len(absent)} of the classes asked for)" if absent else "any class"
        raise DataError(f"{source.where}: holds no photo of {which}; download it again or change --classes")
    return PreparedPart(part, folder, counts, source.skipped_classes, _remarks(source, wanted, counts))


def _total(source: PartSource, wanted: Wanted) -> int:
    """Photos, where there is a list of labels, else classes."""
    if source.labels is not None:
        return _num_labels(source.labels.values(), wanted)
    return len(wanted) if wanted is not None else source.num_batches or 1000


def _num_labels(labels: Any, wanted: Wanted) -> int:
    return sum(1 for one in labels if wanted is None or one in wanted)


def _remarks(source: PartSource, wanted: Wanted, counts: Counts) -> list[str]:
    if source.labels is None:
        return []
    lacking = _num_labels(source.labels.values(), wanted) - counts.written
    unlabeled = counts.left_out[LeftOut.NO_LABEL]
    lines = [f"{source.where}: lacks {lacking} of the photos that have a label; download it again"] * (lacking > 0)
    return lines + [f"{source.where}: the list of labels lacks {unlabeled} of its photos"] * (unlabeled > 0)


class _Placer:
    """Places the photos of one batch."""

    def __init__(self, folder: Path, scratch: Path, link: str, task: Task, counts_photos: bool) -> None:
        self._folder, self._unfinished, self._link = folder, scratch / "photo", link
        self._task, self._counts_photos = task, counts_photos

    def place(self, batch: Batch) -> Counts:
        """Place all; the folders hold these photos and nothing else, or `DataError` is raised."""
        counts, seen = Counts(), set()
        for found in batch.photos:
            reason = found.left_out
            if reason is None and (found.class_id, found.name) in seen:
                reason = LeftOut.REPEATED
            if reason is not None:
                counts.left_out[reason] += 1
                continue
            seen.add((found.class_id, found.name))
            self._place(
                found, self._folder / found.class_id / found.name, is_first=not counts.by_class[found.class_id]
            )
            counts.by_class[found.class_id] += 1
            if self._counts_photos:
                self._task.advance()
            elif counts.written % _NOTED_PHOTOS == 0:
                self._task.advance(0, note=f"classes, {counts.written:,} photos of {found.class_id}")
        for class_id, number in counts.by_class.items():
            if count_files(self._folder / class_id) != number:
                folder = self._folder / class_id
                raise DataError(f"{folder}: holds files that the source does not have; remove them or the folder")
        return counts

    def _place(self, found: Found, target: Path, *, is_first: bool) -> None:
        if is_first:
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
        if found.path is None or self._link == "copy" or not self._linked(found.path, target):
            data = found.data()
            with disk_errors(target):
                if target.is_symlink() or not target.is_file() or target.read_bytes() != data:
                    self._unfinished.write_bytes(data)
                    self._unfinished.replace(target)

    def _linked(self, path: Path, target: Path) -> bool:
        """Link the target to the photo; False where the disk has no hard links."""
        origin, is_symbolic = path.resolve(), self._link == "symlink"
        with disk_errors(target):
            if target.exists() and target.samefile(origin) and target.is_symlink() == is_symbolic:
                return True
            self._unfinished.unlink(missing_ok=True)
            try:
                (os.symlink if is_symbolic else os.link)(origin, self._unfinished)
            except OSError as error:
                if is_symbolic or error.errno not in _NO_LINKS:
                    raise
                return False
            self._unfinished.replace(target)
        return True

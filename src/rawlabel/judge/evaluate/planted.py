"""Copies that a simulated photo site planted, and which of them were found; for evaluation only.

The site's truth says which photos are re-uploads of others and which show photos of its clean test set. Curating
and decontaminating never read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rawlabel.artifacts.manifest import Manifest
from rawlabel.base.files import read_json
from rawlabel.records import Reason, Verdict

SITE = "flickr"
"""The source whose photo ids the truth has."""
_ONE_PICTURE = frozenset(
    {Reason.SAME_PHOTO, Reason.EXACT_DUPLICATE, Reason.NEAR_DUPLICATE, Reason.CROSS_CLASS, Reason.TEST_COPY}
)


@dataclass(frozen=True, slots=True)
class Planted:
    """Planted copies of one kind that reached the collection, by what became of them."""

    found: int
    missed: int
    missed_photos: tuple[str, ...] = ()
    """Ids of the missed ones."""

    @property
    def total(self) -> int:
        """How many of the planted copies could be found."""
        return self.found + self.missed


@dataclass(frozen=True, slots=True)
class PlantedCopies:
    """What a simulated site planted in a collection, beside what was found of it."""

    reuploads: Planted
    """Second uploads: found where they and their originals are not both kept."""
    leaks: Planted
    """Photos of the test set: found where none is among the photos that are trained on."""
    other_copies: int
    """Photos that were taken for copies of others, though the site planted no copy there."""
    other_leaks: int
    """Photos that were taken for copies of test photos, though the site says otherwise."""


def find_planted(manifest: Manifest, truth_file: Path, left_out: Iterable[str] = ()) -> PlantedCopies | None:
    """Compare a manifest, and the images that a run on it left out, with the truth of the site.

    `left_out` are paths of images. None where the truth tells nothing of copies, as older ones do not. Raises
    `DataError` for a damaged file.
    """
    truth = dict(read_json(truth_file, "the truth of a simulated photo site").get("photos", {}))
    if not any(one.get("reupload_of") or one.get("copy_of_test") for one in truth.values()):
        return None
    rows = manifest.table.select(["source", "photo_id", "class_id", "verdict", "reason", "path"]).to_pylist()
    out = {Path(one).name for one in left_out}
    kept: set[tuple[str, str]] = set()
    leaked: set[str] = set()
    state: dict[tuple[str, str], str] = {}
    for row in rows:
        if row["source"] != SITE or row["photo_id"] not in truth:
            continue
        key = (row["class_id"], row["photo_id"])
        is_leak = row["reason"] == Reason.TEST_COPY or (
            row["verdict"] == Verdict.KEPT and row["path"] is not None and Path(row["path"]).name in out
        )
        if is_leak:
            leaked.add(row["photo_id"])
        if row["verdict"] == Verdict.KEPT:
            kept.add(key)
            state[key] = "kept"
        elif row["reason"] in _ONE_PICTURE:
            state.setdefault(key, str(row["reason"]))
    return PlantedCopies(
        _reuploads(truth, state), _leaks(truth, state, leaked), _other_copies(truth, state),
        sum(not _shows_test(truth, one) for one in leaked),
    )  # fmt: skip


_Truth = dict[str, dict[str, str | None]]


def _reuploads(truth: _Truth, state: dict[tuple[str, str], str]) -> Planted:
    """Second uploads in a class in which their originals are, too; what was lost for another reason is no case."""
    found, missed = 0, []
    for class_id, photo in state:
        original = truth[photo].get("reupload_of")
        if original is None or (class_id, original) not in state:
            continue
        if state[class_id, photo] == state[class_id, original] == "kept":
            missed.append(photo)
        else:
            found += 1
    return Planted(found, len(missed), tuple(sorted(missed)))


def _leaks(truth: _Truth, state: dict[tuple[str, str], str], leaked: set[str]) -> Planted:
    """Photos of the test set that curating kept, or that were left out as copies of it."""
    there = {photo for (_, photo), one in state.items() if one in ("kept", Reason.TEST_COPY)}
    planted = {photo for photo in there if _shows_test(truth, photo)}
    return Planted(len(planted & leaked), len(planted - leaked), tuple(sorted(planted - leaked)))


def _shows_test(truth: _Truth, photo: str) -> bool:
    original = truth[photo].get("reupload_of")
    return bool(truth[photo].get("copy_of_test") or (original in truth and truth[original].get("copy_of_test")))


def _other_copies(truth: _Truth, state: dict[tuple[str, str], str]) -> int:
    """Near duplicates that are neither a second upload nor the original of one."""
    originals = {one.get("reupload_of") for one in truth.values()}
    return sum(
        reason == Reason.NEAR_DUPLICATE and not truth[photo].get("reupload_of") and photo not in originals
        for (_, photo), reason in state.items()
    )

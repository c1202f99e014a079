"""Pairs of pictures that somebody should see side by side: copies, contradicting labels, suspected leaks.

They are read from what curation and decontamination leave: a list of copies beside the manifest, or else the
decisions of the manifest itself, and a list of suspected leaks in a run directory. What is not there is no fault:
a project that nobody decontaminated has no leaks to look at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rawlabel.artifacts.copies.listed import EQUAL, FILE, LOOK_ALIKE
from rawlabel.base import messages
from rawlabel.errors import DataError
from rawlabel.records import Reason

Kind = Literal["copies", "conflicts", "leaks"]
KINDS: tuple[Kind, ...] = ("copies", "conflicts", "leaks")
LEAKS, CERTIFICATE = "decontamination_review.parquet", "decontamination.json"
"""In a run directory."""

_REASONS: dict[str, Kind] = {Reason.NEAR_DUPLICATE.value: "copies", Reason.CROSS_CLASS.value: "conflicts"}
_DECIDED = ["source", "photo_id", "class_id", "reason", "duplicate_of"]
_LISTED = ["best", "best_class", "copy", "copy_class", "kind"]
_AT_ONCE = 10_000


@dataclass(frozen=True)
class PhotoPair:
    """Two label events of a manifest whose photos show one picture, or may do so."""

    kind: Kind
    source: str
    photo_id: str
    class_id: str
    other_source: str
    other_photo: str
    other_class: str
    """Empty where it is not known: any class."""
    note: str = ""
    """How alike they are, in a few words."""


@dataclass(frozen=True)
class SuspectedLeak:
    """A photo of the project that may show a picture of a test set."""

    path: str
    """Its file in the project folder."""
    test: Path
    """File of the test picture."""
    note: str = ""


def pairs_of(manifest: Path) -> Iterator[PhotoPair]:
    """The copies and conflicts of a manifest, a few at a time. Raises `DataError` for a damaged file."""
    listed = manifest.with_name(FILE)
    if listed.is_file():
        yield from _listed(listed)
    else:
        yield from _decided(manifest)


def _listed(path: Path) -> Iterator[PhotoPair]:
    for row in _rows(path, _LISTED):
        is_conflict = row["best_class"] != row["copy_class"] and row["kind"] != LOOK_ALIKE
        kind: Kind = "conflicts" if is_conflict else "copies"
        if kind == "copies" and row["kind"] == EQUAL:
            continue  # nobody could see a difference
        source, _, photo = row["copy"].partition(":")
        other_source, _, other = row["best"].partition(":")
        yield PhotoPair(
            kind, source, photo, row["copy_class"], other_source, other, row["best_class"], row["kind"]
        )


def _decided(path: Path) -> Iterator[PhotoPair]:
    for row in _rows(path, _DECIDED, tuple(_REASONS)):
        if row["duplicate_of"]:
            kind = _REASONS[row["reason"]]
            source, other_class = row["source"], row["class_id"] if kind == "copies" else ""
            other = row["duplicate_of"]
            yield PhotoPair(kind, source, row["photo_id"], row["class_id"], source, other, other_class)


def leaks_of(run: Path) -> Iterator[SuspectedLeak]:
    """The suspected leaks that are listed in a run directory; of those whose test picture is gone it is told."""
    path = run / LEAKS
    if not path.is_file():
        return
    folders, gone = _test_folders(run / CERTIFICATE), 0
    for row in _rows(path, ["test", "image", "probe"]):
        test = next((one for one in (folder / row["test"] for folder in folders) if one.is_file()), None)
        if test is not None:
            yield SuspectedLeak(row["image"], test, _said_of(row["probe"] or ""))
        else:
            gone += 1
    if gone:
        messages.note(f"{gone:,} pairs of {path} are not asked about: their test pictures are not where they were")


_CROP = re.compile(r"crop ([\d.]+)-([\d.]+) x ([\d.]+)-([\d.]+) %")
_PARTS = {"whole": "all of it", "without borders": "it without its borders"}
_TURNS = {"flipped": "mirrored", "trimmed": "once the photo's borders are gone"}


def _said_of(probe: str) -> str:
    """In words, what of a test picture a photo is like."""
    if not probe:
        return ""
    part, *turns = probe.split(", ")
    if crop := _CROP.fullmatch(part):
        left, right, top, bottom = crop.groups()
        part = f"its part from {left} to {right} % across and {top} to {bottom} % down"
    else:
        part = _PARTS.get(part, f"its {part}")
    return ", ".join([f"the photo is like {part}", *(_TURNS.get(one, one) for one in turns)])


def _test_folders(path: Path) -> list[Path]:
    """Where the test sets of a certificate lie, as it says; and here, for names that are whole paths."""
    try:
        certificates = json.loads(path.read_text("utf-8"))
        return [*(Path(str(one["test"]["place"])) for one in certificates), Path()]
    except (OSError, ValueError, KeyError, TypeError):
        return [Path()]


def _rows(path: Path, columns: Sequence[str], reasons: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_AT_ONCE, columns=list(columns)):
                wanted = batch.filter(pc.is_in(batch["reason"], pa.array(reasons))) if reasons else batch
                yield from wanted.select(list(columns)).to_pylist()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{path}: is not as rawlabel writes it; make it again") from error

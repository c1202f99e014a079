"""The photos whose raw labels the evidence about labels doubts most, in the order of the doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rawlabel.base.progress import progress
from rawlabel.base.untrusted_text import plain_text
from rawlabel.errors import DataError
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence
from rawlabel.show.report.thumbnails import Thumbnails

MOST_SUSPECTS = 100
MOST_RESPONSIBLE = 4
"""Photos that carry one class's label and look like another's, of each pair of classes."""
_NAMES = ("photo", "label", "preferred_class", "suspicion", "basis")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A photo that looks more like another class than like its raw label."""

    picture: str
    label: str
    preferred: str
    credit: str
    page_url: str | None
    shows: str | None
    """What it shows, where a simulated site says so."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """The most doubted photos, and counts of all that are doubted."""

    photos: list[Suspect]
    responsible: Mapping[tuple[str, str], list[Suspect]]
    """By true and wrong class (ids): photos with the wrong class's label that look like the true class."""
    doubted: int
    looked_at: int
    """Label events that the evidence speaks of."""
    pairs: Mapping[tuple[str, str], int]
    """Doubted photos by raw label and preferred class (ids)."""
    by_label: Mapping[str, int]
    """All photos that the evidence speaks of, by raw label."""


def find_suspects(collection: CollectionEvidence, run: RunEvidence, thumbnails: Thumbnails) -> Suspects | None:
    """Read `suspicion.parquet` of the run; None where there is none. Raises `DataError` when it is damaged."""
    path = run.path / "suspicion.parquet"
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path, columns=list(_NAMES))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: is not a table of doubts; run `rawlabel labels {run.path}` again") from error
    labels = Counter(table["label"].to_pylist())
    doubted = table.filter(pc.not_equal(table["label"], table["preferred_class"]))
    pairs = Counter(zip(doubted["label"].to_pylist(), doubted["preferred_class"].to_pylist(), strict=True))
    wanted = _wanted(doubted)
    photos: dict[int, Suspect] = {}
    rows = doubted.take(pa.array(wanted, pa.int64()))
    facts = _facts(collection, rows["photo"].to_pylist())
    with progress("looking up doubted photos", len(wanted)) as task:
        for position, row in zip(wanted, rows.to_pylist(), strict=True):
            found = _suspect(row["photo"], row["label"], row["preferred_class"], facts, collection, thumbnails)
            if found is not None:
                photos[position] = found
            task.advance()
    first = [photos[i] for i in wanted if i < MOST_SUSPECTS and i in photos]
    responsible: dict[tuple[str, str], list[Suspect]] = {}
    for position, row in zip(wanted, rows.to_pylist(), strict=True):
        group = responsible.setdefault((row["preferred_class"], row["label"]), [])
        if position in photos and len(group) < MOST_RESPONSIBLE:
            group.append(photos[position])
    return Suspects(first, responsible, doubted.num_rows, table.num_rows, pairs, labels)


def _wanted(doubted: pa.Table) -> list[int]:
    """The first rows, and the first of each pair of classes, as long as there are few."""
    wanted, taken = list(range(min(MOST_SUSPECTS, doubted.num_rows))), Counter[tuple[str, str]]()
    columns = doubted["label"].to_pylist(), doubted["preferred_class"].to_pylist()
    for position, pair in enumerate(zip(*columns, strict=True)):
        taken[pair] += 1
        if position >= MOST_SUSPECTS and taken[pair] <= MOST_RESPONSIBLE and len(wanted) < 4 * MOST_SUSPECTS:
            wanted.append(position)
    return wanted


def _facts(collection: CollectionEvidence, paths: list[str]) -> dict[str, dict[str, str | None]]:
    """Author, license, page and id of the photos, by their files."""
    table = collection.manifest.table.select(["path", "photo_id", "author", "license_name", "page_url"])
    found = table.filter(pc.is_in(table["path"], value_set=pa.array(paths, pa.string())))
    return {str(row["path"]): row for row in found.to_pylist()}


def _suspect(
    path: str,
    label: str,
    preferred: str,
    facts: Mapping[str, Mapping[str, str | None]],
    collection: CollectionEvidence,
    thumbnails: Thumbnails,
) -> Suspect | None:
    known = facts.get(path)
    if known is None:  # trained on other data than this collection's
        return None
    picture = thumbnails.stored(collection.photos, path)
    if picture is None:
        return None
    credit = (
        f"{plain_text(known['author']) or 'unknown author'}, {plain_text(known['license_name']) or 'no license'}"
    )
    return Suspect(
        picture,
        collection.label(label),
        collection.label(preferred),
        credit,
        collection.web(known["page_url"]),
        collection.shows(str(known["photo_id"])),
    )

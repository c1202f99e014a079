"""Photos of the collection by their files, with their pictures and attributions, as evidence names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from rawlabel.base.progress import progress
from rawlabel.base.untrusted_text import plain_text
from rawlabel.show.report.evidence import CollectionEvidence
from rawlabel.show.report.thumbnails import Thumbnails

_COLUMNS = ("path", "photo_id", "author", "license_name", "page_url")


@dataclass(frozen=True, slots=True)
class KnownPhoto:
    """A photo that evidence speaks of; the credit comes from the photo site, shortened and not escaped."""

    picture: str
    """Data address."""
    credit: str
    page_url: str | None
    shows: str | None
    """What it shows, where a simulated site says so."""


def look_up(
    collection: CollectionEvidence, paths: Collection[str], thumbnails: Thumbnails
) -> dict[str, KnownPhoto]:
    """The photos that the collection has and whose picture can be shown, by their files in the project.

    Raises `DataError` when a remote store does not hand one out.
    """
    found: dict[str, KnownPhoto] = {}
    if not paths:
        return found
    wanted = pa.array(sorted(set(paths)), pa.string())
    facts: dict[str, Mapping[str, str | None]] = {}
    for batch in collection.rows.batches(_COLUMNS):
        rows = batch.filter(pc.is_in(batch["path"], value_set=wanted)) if batch.num_rows else batch
        facts |= {row["path"]: row for row in rows.to_pylist()}
    with progress("looking up photos that evidence names", len(facts)) as task:
        for path, row in facts.items():
            picture = thumbnails.stored(collection.photos, path)
            if picture is not None:
                author = plain_text(row["author"]) or "unknown author"
                credit = f"{author}, {plain_text(row['license_name']) or 'license not stated'}"
                address = collection.web(row["page_url"])
                found[path] = KnownPhoto(picture, credit, address, collection.shows(str(row["photo_id"])))
            task.advance()
    return found

"""A decision: what one curation, or what came of it later, made of one label event. One row of a manifest.

The fields are the columns, and each carries its meaning, with the unit, and its type in Parquet. `SCHEMA`, the
help of the catalogue's columns of the same facts and docs/data-model.md are made from these.
"""

# ruff: noqa: RUF009 (each field is declared by a call that only describes it)

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, field, fields, replace
from operator import attrgetter
from typing import Any

import pyarrow as pa

from rawlabel.errors import DataError
from rawlabel.records import Reason, Split, Verdict

_AT_ONCE = 1000
"""Rows of a table that become decisions together."""


def _column(meaning: str, *, kind: pa.DataType | None = None, default: Any = MISSING) -> Any:
    """Declare a field: what it says, and how Parquet has it, which is as a text unless `kind` says otherwise."""
    return field(default=default, metadata={"description": meaning, "kind": kind or pa.string()})


@dataclass(frozen=True, slots=True)
class Decision:
    """One label event, what is known of its photo, and what was decided about it."""

    source: str = _column("Plug-in name of the photo site or list that returned the photo.")
    photo_id: str = _column("The source's own id of the photo.")
    class_id: str = _column("Class whose keyword found it: the raw label; another one where noise was injected.")
    keyword: str = _column("What was searched for.")
    rank: int = _column("Place among the results of its part of the search, counted from 0.", kind=pa.int32())
    part: str = _column(
        "The part of the search (a span of upload dates, say) as JSON; {} is the whole search.", default="{}"
    )
    verdict: Verdict = _column("kept, rejected or failed.", default=Verdict.KEPT)
    reason: Reason | None = _column(
        "Why it is not kept, from the closed list of reasons; null when it is kept.", default=None
    )
    duplicate_of: str | None = _column(
        "Id of the photo that was kept in its place, or with which it conflicts.", default=None
    )
    copy_group: str | None = _column(
        "The best of photos that are near copies, <source>:<photo id>, in the rows of all of them; null where "
        "none was found.",
        default=None,
    )
    group: str | None = _column(
        "Photos of one group (an author's, and copies of them) are all in training or all in the holdout.",
        default=None,
    )
    split: Split | None = _column("train or holdout; null when it is not kept.", default=None)
    injected_from: str | None = _column(
        "Class whose keyword found it, where `rawlabel noise` put the photo under class_id; null elsewhere.",
        default=None,
    )
    path: str | None = _column("File in the project folder; null when there is none.", default=None)
    sha256: str | None = _column("SHA-256 (hex) of the bytes that the host sent.", default=None)
    pixel_sha256: str | None = _column(
        "SHA-256 (hex) of size and upright RGB pixels, whatever the metadata.", default=None
    )
    media_type: str | None = _column("Media type of the stored file, by its first bytes.", default=None)
    stored_sha256: str | None = _column(
        "SHA-256 (hex) of the stored bytes; not sha256 when resized on arrival.", default=None
    )
    perceptual_hash: str | None = _column(
        "256-bit perceptual hash (64 hex digits); near copies differ in few bits.", default=None
    )
    num_bytes: int | None = _column("Size of what the host sent [bytes].", kind=pa.int64(), default=None)
    width: int | None = _column("Upright width of the stored picture [pixels].", kind=pa.int32(), default=None)
    height: int | None = _column("Upright height of the stored picture [pixels].", kind=pa.int32(), default=None)
    url: str | None = _column("Address of the image that was asked for.", default=None)
    final_url: str | None = _column(
        "Address after redirects, without its query; null when there were none.", default=None
    )
    http_status: int | None = _column("Last HTTP status of the download.", kind=pa.int32(), default=None)
    etag: str | None = _column("The image host's ETag header.", default=None)
    last_modified: str | None = _column("The image host's Last-Modified header.", default=None)
    size_label: str | None = _column("The source's name of the chosen size.", default=None)
    stated_sha1: str | None = _column("SHA-1 (hex) that the source states for the original file.", default=None)
    origin: str | None = _column(
        "Identity across sources, <source>:<photo id>; empty: the source itself.", default=None
    )
    page_url: str | None = _column("Web page of the photo, for people.", default=None)
    title: str | None = _column("Title as its author wrote it; text from strangers.", default=None)
    author: str | None = _column("Author's name; text from strangers.", default=None)
    author_id: str | None = _column("The source's own id of the author.", default=None)
    author_url: str | None = _column("Web page of the author.", default=None)
    license_id: str | None = _column(
        "The source's own id of the license, kept even when it is not known here.", default=None
    )
    license_name: str | None = _column("Name of the license as the source states it.", default=None)
    license_url: str | None = _column("Address of the license's text.", default=None)
    uploaded_at: int | None = _column(
        "When it was uploaded [seconds since 1970, UTC].", kind=pa.int64(), default=None
    )
    taken_at: str | None = _column(
        "When it was taken, as the source states it; null when that is not known.", default=None
    )
    searched_at: int | None = _column(
        "When the search returned it [seconds since 1970, UTC].", kind=pa.int64(), default=None
    )
    license_read_at: int | None = _column(
        "When its license was read [seconds since 1970, UTC].", kind=pa.int64(), default=None
    )
    fetched_at: int | None = _column(
        "When its bytes were downloaded [seconds since 1970, UTC].", kind=pa.int64(), default=None
    )

    @property
    def is_kept(self) -> bool:
        """Whether the photo is trained on or held out."""
        return self.verdict is Verdict.KEPT

    @property
    def photo(self) -> tuple[str, str]:
        """Which photo it is about: source and the source's own id."""
        return self.source, self.photo_id

    def lost(
        self, reason: Reason, duplicate_of: str | None = None, verdict: Verdict = Verdict.REJECTED
    ) -> Decision:
        """The same label event, not kept any more, for `reason`."""
        return replace(self, verdict=verdict, reason=reason, split=None, duplicate_of=duplicate_of)


_CLOSED = {"verdict": Verdict, "reason": Reason, "split": Split}
_FIELDS = fields(Decision)
_VALUES = attrgetter(*(one.name for one in _FIELDS))
SCHEMA = pa.schema(
    [
        pa.field(one.name, one.metadata["kind"], metadata={"description": one.metadata["description"]})
        for one in _FIELDS
    ]
)
"""The columns of a manifest; the description of each, with its unit, is its metadata."""


def meaning(column: str) -> str:
    """What a column of a manifest says, in words."""
    return str(next(one.metadata["description"] for one in _FIELDS if one.name == column))


def table_of(decisions: Iterable[Decision]) -> pa.Table:
    """The table of a manifest, one row a decision, column by column."""
    rows = list(map(_VALUES, decisions))
    columns = zip(*rows, strict=True) if rows else ((),) * len(SCHEMA)
    return pa.table(
        [pa.array(column, one.type) for column, one in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def decisions_of(table: pa.Table) -> Iterator[Decision]:
    """The rows of a manifest's table as decisions, a few at a time, so that memory stays flat.

    Columns that the table lacks are at their defaults, where they have some; fewer columns are read faster. Raises
    `DataError` for a verdict, reason or split that this version does not know.
    """
    names = [name for name in SCHEMA.names if name in table.column_names]
    for batch in table.select(names).to_batches(max_chunksize=_AT_ONCE):
        columns = {name: batch[name].to_pylist() for name in names}
        try:
            for name, closed in _CLOSED.items():
                if name in columns:
                    columns[name] = [None if one is None else closed(one) for one in columns[name]]
        except ValueError as error:
            raise DataError(f"manifest: {error}; update rawlabel") from error
        if len(names) == len(SCHEMA.names):
            yield from map(Decision, *columns.values())
        else:
            yield from (
                Decision(**dict(zip(names, one, strict=True))) for one in zip(*columns.values(), strict=True)
            )

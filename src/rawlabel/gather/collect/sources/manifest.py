"""A manifest of another collection: the same photos, classes, keywords and ranks, from the addresses it names.

The file comes from a stranger: sizes are limited, types are checked, class ids must be safe as in a class file,
and addresses are checked by the downloader like any other.
"""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rawlabel.config import CollectConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.gather.classes.reading import class_spec, read_classes, refuse_collisions
from rawlabel.gather.collect.reading.reply_values import MOST_ADDRESS_CHARACTERS, integer, text, web_address
from rawlabel.gather.collect.reading.row_index import RowIndex
from rawlabel.gather.collect.source import Page, Search, SearchLimits, Source, SourceContext
from rawlabel.records import ClassSpec, Photo, Verdict

PAGE_SIZE = 500
MOST_ROWS = 50_000_000
MOST_GROUP_BYTES = 4_000_000_000
"""Largest row group, as its header says it unpacks; a small file can say any size."""
MOST_HEADER_BYTES = 64_000_000
_BATCH = 1000
_HEADER = b"rawlabel"
_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)
_TEXTS = (
    "source", "photo_id", "class_id", "keyword", "part", "verdict", "url", "page_url", "title", "author",
    "author_id", "author_url", "license_id", "license_name", "license_url", "taken_at", "size_label", "origin",
    "stated_sha1",
)  # fmt: skip
_NUMBERS = ("rank", "uploaded_at")
_LATER_TEXTS = ("injected_from",)
"""Columns that older manifests lack."""


class Manifest(Source):
    """The kept photos of a manifest (`--input`), each as the source that found it described it."""

    base_url = ""
    is_relay = True
    terms = "the terms of the sites where the photos were found bind whoever downloads them again"
    limits = SearchLimits(PAGE_SIZE)

    def __init__(self, context: SourceContext) -> None:
        """Raises `ConfigError`, `ClassFileError` or `DataError`."""
        super().__init__(context)
        self._path = _path(context.config)
        classes = context.config.classes
        self._classes = read_classes(classes) if classes is not None else _stated_classes(self._path)
        self._index = RowIndex()

    @classmethod
    def classes(cls, config: CollectConfig) -> list[ClassSpec]:
        """The classes that the manifest's header lists."""
        return _stated_classes(_path(config))

    async def prepare(self) -> None:
        """Read the manifest into an index on the disk, once, so that it need not fit into memory.

        Raises `SourceError`.
        """
        await asyncio.to_thread(self._index.fill, self._entries())

    async def search(self, search: Search) -> Page:
        """The next label events of a class and keyword; the cursor is the last row."""
        row, key = integer(search.cursor) or 0, _key(search.class_id, search.keyword)
        found = await asyncio.to_thread(self._index.page, [key], row, PAGE_SIZE)
        cursor = str(found[-1][0]) if len(found) == PAGE_SIZE else None
        photos = tuple(photo for _, photo, _ in found)
        places = tuple(place or (0, "") for _, _, place in found)
        return Page(photos, row, cursor, self._index.count([key]), cursor is not None, places)

    def _entries(self) -> Iterator[tuple[str, int, Photo, tuple[int, str]]]:
        wanted = {_key(spec.class_id, word) for spec in self._classes for word in spec.keywords}
        for number, row in enumerate(_rows(self._path), start=1):
            # Injected noise is a decision of the manifest; the photo was found for its own class.
            key = _key(text(row.get("injected_from")) or text(row["class_id"]), text(row["keyword"]))
            if row["verdict"] == Verdict.KEPT and key in wanted and text(row["photo_id"]):
                yield key, number, _photo(row), (max(0, integer(row["rank"]) or 0), _part(row))


def _path(config: CollectConfig) -> Path:
    if config.input is None:
        raise ConfigError("--input: name the manifest (manifest.parquet) whose photos to collect")
    if not config.input.is_file():
        raise DataError(f"--input {config.input}: no such file; name a manifest.parquet")
    return config.input


def _key(class_id: str, keyword: str) -> str:
    # Classes and keywords of a class file are in one Unicode form; those of an older manifest may not be.
    return unicodedata.normalize("NFC", json.dumps([class_id, keyword], ensure_ascii=False))


def _opened(path: Path) -> Any:
    """The Parquet file, when its header is one of a manifest. Raises `DataError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    problem = "is not a manifest of rawlabel; name a manifest.parquet"
    try:
        file = pq.ParquetFile(path)
        types = {field.name: field.type for field in file.schema_arrow}
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    except (OSError, pa.ArrowException, ValueError) as error:
        raise DataError(f"{path}: {problem}") from error
    later = tuple(name for name in _LATER_TEXTS if name in types)
    for names, is_fit in (((*_TEXTS, *later), pa.types.is_string), (_NUMBERS, pa.types.is_integer)):
        for name in names:
            if name not in types or not is_fit(types[name]):
                file.close()
                raise DataError(f"{path}: {problem} (column '{name}' is missing or of another type)")
    if file.metadata.num_rows > MOST_ROWS or any(one.total_byte_size > MOST_GROUP_BYTES for one in groups):
        file.close()
        raise DataError(
            f"{path}: has more than {MOST_ROWS:,} rows, or row groups of over {MOST_GROUP_BYTES:,} bytes"
        )
    return file


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa

    with _opened(path) as file:
        try:
            later = [name for name in _LATER_TEXTS if name in file.schema_arrow.names]
            for batch in file.iter_batches(_BATCH, columns=[*_TEXTS, *_NUMBERS, *later]):
                yield from batch.to_pylist()
        except (OSError, pa.ArrowException, ValueError) as error:
            words = " ".join(str(error).split())[:200]
            raise DataError(f"{path}: is damaged ({words}); get the manifest again") from error


def _stated_classes(path: Path) -> list[ClassSpec]:
    with _opened(path) as file:
        stated = (file.schema_arrow.metadata or {}).get(_HEADER, b"")
    problem = f"{path}: is not a manifest of rawlabel (its header lists no classes); name a manifest.parquet"
    if len(stated) > MOST_HEADER_BYTES:
        raise DataError(problem)
    try:
        listed = json.loads(stated)["classes"]
        entries = [(one["class_id"], {"keywords": one["keywords"], "name": one["name"]}, one) for one in listed]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(problem) from error
    specs = [
        class_spec(str(path), class_id, entry | {"definition": one.get("definition", "")})
        for class_id, entry, one in entries
    ]
    refuse_collisions(str(path), specs)
    if not specs:
        raise DataError(problem)
    return specs


def _part(row: Mapping[str, Any]) -> str:
    """The bounds of the search that found it, when they are JSON as they should be."""
    part = text(row["part"])
    try:
        bounds = json.loads(part)
    except (ValueError, RecursionError):
        return ""
    return part if isinstance(bounds, dict) and bounds else ""


def _photo(row: Mapping[str, Any]) -> Photo:
    source = text(row["source"])
    address, sha1 = text(row["url"]).strip(), text(row["stated_sha1"])
    return Photo(
        source=source if _SOURCE_NAME.fullmatch(source) else "manifest",
        photo_id=text(row["photo_id"]),
        url=address if 0 < len(address) < MOST_ADDRESS_CHARACTERS else None,
        page_url=web_address(row["page_url"]),
        title=text(row["title"]),
        author=text(row["author"]),
        author_id=text(row["author_id"]),
        author_url=web_address(row["author_url"]),
        license_id=text(row["license_id"]),
        license_name=text(row["license_name"]),
        license_url=web_address(row["license_url"]) or "",
        uploaded_at=integer(row["uploaded_at"]),
        taken_at=text(row["taken_at"]) or None,
        size_label=text(row["size_label"]),
        origin=text(row["origin"]),
        stated_sha1=sha1 if re.fullmatch("[0-9a-f]{40}", sha1) else None,
    )


PLUGIN = Manifest

"""A table of image addresses: CSV, TSV, JSON lines or Parquet, or a folder of such tables.

The tables of img2dataset, before and after its run, and of Open Images load as they are. Open Images keeps the
labels of images, and the names of labels, in tables of their own: put the three beside each other in a folder and
name the folder. What a column holds is told by its name; the lists of names below are all there is to it.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rawlabel.base.files import atomic_write
from rawlabel.base.progress import note
from rawlabel.config import CollectConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.gather.classes.reading import class_spec, read_classes, refuse_collisions
from rawlabel.gather.collect.reading.identities import identity_of_address
from rawlabel.gather.collect.reading.phrases import Ambiguous, NameLookup, Question, exact
from rawlabel.gather.collect.reading.reply_values import MOST_ADDRESS_CHARACTERS, integer, text, web_address
from rawlabel.gather.collect.reading.row_index import RowIndex
from rawlabel.gather.collect.reading.tables import Row, Table, column_of, find_tables
from rawlabel.gather.collect.source import Page, Search, SearchLimits, Source, SourceContext
from rawlabel.records import ClassSpec, Photo

PAGE_SIZE = 500
MOST_CLASSES = 100_000
UNPLACED_FILE = "rows-without-class.csv"

# Names of columns in lower case, the most telling first.
_URL = ("url", "originalurl", "image_url", "imageurl", "img_url", "photo_url", "contenturl", "image", "src")
_CLASS = ("class", "class_id", "class_name", "classname", "wnid", "synset", "label", "label_name", "category")
_CAPTION = ("caption", "text", "alt_text", "alt", "title")
_FACTS = {
    "page_url": ("page_url", "landing_url", "originallandingurl", "foreign_landing_url"),
    "title": ("title", "caption", "text"),
    "author": ("author", "creator", "photographer", "ownername"),
    "author_url": ("author_url", "authorprofileurl", "creator_url"),
    "license": ("license", "licence", "license_name", "license_url"),
    "width": ("original_width", "width"),
    "height": ("original_height", "height"),
}
_IMAGE_ID, _LABEL_NAME, _CONFIDENCE = "ImageID", "LabelName", "Confidence"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_WHOLE = re.compile(r"(-?\d+)\.0", re.ASCII)


class Urls(Source):
    """A table of addresses (`--input`) with a column of classes, or of captions that are searched for keywords."""

    base_url = ""
    terms = "the photos are other people's: a table of addresses says nothing of what may be done with them"
    limits = SearchLimits(PAGE_SIZE)

    def __init__(self, context: SourceContext) -> None:
        """Raises `ConfigError`, `ClassFileError` or `DataError`."""
        super().__init__(context)
        self._input = _Input(context.config)
        classes = context.config.classes
        specs = read_classes(classes) if classes is not None else self._input.classes()
        self._lookup = NameLookup(specs)
        self._index = RowIndex()

    @classmethod
    def classes(cls, config: CollectConfig) -> list[ClassSpec]:
        """One class for each value of the class column, in the order of their first rows."""
        return _Input(config).classes()

    async def prepare(self) -> None:
        """Read the table of addresses once, and look at each row. Raises `SourceError` that names the row."""
        await asyncio.to_thread(self._read)

    async def search(self, search: Search) -> Page:
        """The next rows of a class; the cursor holds the last row and how many came before."""
        try:
            row, rank = json.loads(search.cursor or "[0, 0]")
        except (ValueError, TypeError):
            row, rank = 0, 0
        keys = [_key((search.class_id, search.keyword))]
        found = await asyncio.to_thread(self._index.page, keys, integer(row) or 0, PAGE_SIZE)
        # Two rows of one address are one photo.
        photos = tuple({photo.photo_id: photo for _, photo, _ in found}.values())
        cursor = json.dumps([found[-1][0], rank + len(photos)]) if len(found) == PAGE_SIZE else None
        return Page(photos, integer(rank) or 0, cursor, self._index.count(keys), cursor is not None)

    def _read(self) -> None:
        self._input.read_labels(self._index)
        path = self.context.config.project / UNPLACED_FILE
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace", newline="") as unplaced:
            seen = _Seen(csv.writer(unplaced))
            self._index.fill(self._input.entries(self._index, self._lookup, seen))
            if seen.num_unplaced:
                unplaced.seek(0)
                with atomic_write(path) as stream:
                    stream.writelines(line.encode() for line in unplaced)
        for line in seen.remarks(str(path)):
            note(f"{self.context.config.input}: {line}")


@dataclass
class _Seen:
    """What the rows of all tables came to."""

    unplaced: Any
    """A CSV writer, for the rows that bear no class."""
    num_rows: int = 0
    num_unplaced: int = 0
    num_escaped: int = 0
    """Addresses written as in the source of a web page."""
    faults: Counter[str] = field(default_factory=Counter)
    """Of rows that bear a class."""
    first_fault: str = ""

    def leave_out(self, name: str, row: Row, fault: str) -> None:
        """Note a row that bears no class."""
        if not self.num_unplaced:
            self.unplaced.writerow(("file", "row", "fault"))
        self.num_unplaced += 1
        self.unplaced.writerow((name, row.number, fault))

    def take(self, name: str, row: Row) -> None:
        """Note a row that bears a class."""
        if row.fault:
            self.faults[row.fault] += 1
            self.first_fault = self.first_fault or f"{name}, row {row.number}"

    def remarks(self, path: str) -> Iterator[str]:
        """What a person should know of it."""
        if self.num_unplaced:
            yield f"{self.num_unplaced:,} of {self.num_rows:,} rows stand for no class; {path} lists them"
        if self.faults:
            kinds = ", ".join(f"{count:,} that {fault}" for fault, count in self.faults.most_common(3))
            yield (
                f"{self.faults.total():,} of {self.num_rows:,} rows are damaged, the first in {self.first_fault}: "
                f"{kinds}; what could be read of them was taken"
            )
        if self.num_escaped:
            yield (
                f"{self.num_escaped:,} of {self.num_rows:,} addresses hold '&amp;', as web pages write it; "
                "they are asked for as they stand; write '&' in its place if they fail"
            )


class _Input:
    """The tables, and which of their columns holds what."""

    def __init__(self, config: CollectConfig) -> None:
        if config.input is None:
            raise ConfigError("--input: name the table of addresses (CSV, TSV, JSON lines or Parquet)")
        self._path, self._config = config.input, config
        tables = find_tables(config.input)
        self._images = [table for table in tables if self._url_column(table) is not None]
        if not self._images:
            columns = ", ".join(tables[0].columns)[:200]
            raise DataError(
                f"{self._path}: has no column of addresses; name it with --url-column (it has: {columns})"
            )
        self._labels = [
            one for one in tables if {_IMAGE_ID, _LABEL_NAME} <= set(one.columns) and one not in self._images
        ]
        self._names = [one for one in tables if one not in self._images and one not in self._labels]
        self._with_labels = bool(self._labels) and config.class_column is None
        for table in self._images:
            self._class_column(table)

    def classes(self) -> list[ClassSpec]:
        """The values of the class column as classes."""
        where = str(self._path)
        if not self._with_labels and any(self._is_caption(table) for table in self._images):
            raise ConfigError(
                f"{where}: has captions and no classes; give a class file, whose keywords are looked for in the "
                "captions, or name the column with --class-column"
            )
        found: dict[str, None] = {}
        for name in self._label_names() if self._with_labels else self._column_values():
            found.setdefault(name)
            if len(found) > MOST_CLASSES:
                raise DataError(f"{where}: has more than {MOST_CLASSES} classes; is --class-column right?")
        specs = [class_spec(where, name, name) for name in found]
        refuse_collisions(where, specs)
        if not specs:
            raise DataError(f"{where}: no row has a class; check --class-column")
        return specs

    def read_labels(self, index: RowIndex) -> None:
        """Note the labels that stand in tables of their own (those that people or a model did not deny)."""
        if self._with_labels:
            index.add_labels(
                (image, name) for row in self._label_rows() for image, name in [self._label(row)] if image and name
            )

    def entries(self, index: RowIndex, lookup: NameLookup, seen: _Seen) -> Iterator[tuple[str, int, Photo, None]]:
        """Each image row under each question that it answers; `seen` hears of all rows."""
        before = 0
        for table in self._images:
            class_column, is_caption = self._class_column(table), self._is_caption(table)
            if is_caption:
                _refuse_shared_words(lookup, table)
            photos, row = _PhotoMaker(table, str(self._url_column(table))), None
            for row in table.rows():
                number = before + row.number
                seen.num_rows += 1
                seen.num_escaped += "&amp;" in photos.written(row)
                names = index.labels(_cell(row, _IMAGE_ID)) if self._with_labels else [_cell(row, class_column)]
                questions: set[Question] = set()
                fault = "" if any(names) else row.fault or "has no class"
                for name in filter(None, names):
                    try:
                        questions |= lookup.questions_in(name) if is_caption else {*lookup.questions(name)}
                    except Ambiguous as error:
                        fault = f"{error}; write the class's own name"
                if fault:
                    seen.leave_out(table.path.name, row, fault)
                else:
                    seen.take(table.path.name, row)
                for one in sorted(questions):
                    yield _key(one), number, photos.make(row, number), None
            before += row.number if row is not None else 0

    def _url_column(self, table: Table) -> str | None:
        asked = self._config.url_column
        return (asked if asked in table.columns else None) if asked else column_of(table.columns, _URL)

    def _class_column(self, table: Table) -> str:
        asked = self._config.class_column
        column = asked if asked else column_of(table.columns, (*_CLASS, *_CAPTION))
        if self._with_labels:
            return ""
        if column is None or column not in table.columns:
            columns = ", ".join(table.columns)[:200]
            raise DataError(
                f"{table.path}: has no column of classes; name it with --class-column (it has: {columns})"
            )
        return column

    def _is_caption(self, table: Table) -> bool:
        column = "" if self._with_labels else self._class_column(table)
        return self._config.class_column is None and column.casefold() in _CAPTION

    def _column_values(self) -> Iterator[str]:
        for table in self._images:
            column = self._class_column(table)
            yield from (name for row in table.rows() if (name := _cell(row, column)))

    def _label_names(self) -> Iterator[str]:
        return (name for row in self._label_rows() for _, name in [self._label(row)] if name)

    def _label_rows(self) -> Iterator[Row]:
        self._display_names = dict(self._named_labels())
        return (row for table in self._labels for row in table.rows())

    def _label(self, row: Row) -> tuple[str, str]:
        """Image id and name of the label; no name where the label was denied."""
        code = _cell(row, _LABEL_NAME)
        if _cell(row, _CONFIDENCE) == "0":
            return "", ""
        return _cell(row, _IMAGE_ID), self._display_names.get(code, code)

    def _named_labels(self) -> Iterator[tuple[str, str]]:
        """Label and name of each line of the tables of names, which may lack a line of column names."""
        for table in self._names:
            first = table.columns[:2]
            if len(first) == 2 and first[0] != _LABEL_NAME:
                yield first[0], first[1]
            for row in table.rows():
                cells = list(row.values.values())[:2]
                if len(cells) == 2:
                    yield text(cells[0]), text(cells[1])


def _key(question: Question) -> str:
    return json.dumps(question)


def _cell(row: Row, column: str) -> str:
    """A name out of a row; a whole number is one name however it is written, as libraries make floats of it."""
    value = row.values.get(column)
    name = exact(str(value) if isinstance(value, bool | float) and value == value else text(value))
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else name


def _refuse_shared_words(lookup: NameLookup, table: Table) -> None:
    """Raises `ConfigError` when captions cannot tell two classes apart."""
    try:
        lookup.refuse_shared_words()
    except Ambiguous as error:
        raise ConfigError(
            f"{table.path}: the words {error}, which captions cannot tell apart; leave out one, or change its "
            "keyword"
        ) from None


class _PhotoMaker:
    """Makes the photos of the rows of one table."""

    def __init__(self, table: Table, url_column: str) -> None:
        self._url_column = url_column
        self._columns = {name: column_of(table.columns, known) for name, known in _FACTS.items()}

    def written(self, row: Row) -> str:
        """The photo's address as the row has it."""
        return text(row.values.get(self._url_column)).strip()

    def make(self, row: Row, number: int) -> Photo:
        """The photo of a row; `number` counts over all tables."""
        facts = {name: row.values.get(column) if column else None for name, column in self._columns.items()}
        address = self.written(row)
        if address.startswith("//"):
            address = f"https:{address}"
        # Whether the address may be asked is for the downloader to say, which gives the reason.
        url = address if _ADDRESS.match(address) and len(address) < MOST_ADDRESS_CHARACTERS else None
        license_text = text(facts["license"]).strip()
        return Photo(
            source="urls",
            photo_id=hashlib.sha256(address.encode()).hexdigest()[:24] if address else f"row-{number}",
            url=url,
            page_url=web_address(facts["page_url"]),
            title=text(facts["title"]),
            author=text(facts["author"]),
            author_id=text(facts["author_url"]) or text(facts["author"]),
            author_url=web_address(facts["author_url"]),
            license_name="" if web_address(license_text) else license_text,
            license_url=web_address(license_text) or "",
            width=_pixels(facts["width"]),
            height=_pixels(facts["height"]),
            origin=identity_of_address(text(facts["page_url"])) or identity_of_address(address),
        )


def _pixels(value: Any) -> int | None:
    return integer(int(value)) if isinstance(value, float) and value.is_integer() else integer(value)


PLUGIN = Urls

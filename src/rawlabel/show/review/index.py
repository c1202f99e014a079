"""What the page pages through, in one SQLite file: photos, suspects, pairs and groups, and what was answered.

It is made from the manifest, the evidence about labels and the pairs, a few rows at a time, so that a million
photos take little memory, and it may be deleted at any time: the answers are in `review.jsonl` alone.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.copies.listed import FILE
from rawlabel.artifacts.manifest import METADATA_KEY
from rawlabel.artifacts.projects import has_simulated_photos
from rawlabel.artifacts.review.pairs import LEAKS, leaks_of, pairs_of
from rawlabel.artifacts.review.photo_groups import FILE as GROUPS
from rawlabel.artifacts.review.photo_groups import PhotoGroups
from rawlabel.artifacts.review.suspicion import SUSPICION, Doubt, newest_of_runs, read_doubts
from rawlabel.base.files import disk_errors
from rawlabel.base.progress import Task, progress
from rawlabel.base.untrusted_text import plain_text
from rawlabel.errors import DataError

VERSION = 5
"""Of the tables; an index of another one is made anew."""
_AT_ONCE = 5000
_LEAST_OF_GROUP = 3
"""Photos of one author under one class from which they are a group."""
_MOST_GROUPS = 500
_COLUMNS = [
    "source", "photo_id", "class_id", "keyword", "rank", "verdict", "reason", "group", "path", "width", "height",
    "page_url", "title", "author", "license_name",
]  # fmt: skip
_PATH = _COLUMNS.index("path")
_TABLES = """
CREATE TABLE photo (
    row INTEGER PRIMARY KEY, source TEXT, photo_id TEXT, class_id TEXT, keyword TEXT, rank INTEGER, verdict TEXT,
    reason TEXT, author_group TEXT, path TEXT, width INTEGER, height INTEGER, page TEXT, title TEXT, author TEXT,
    license TEXT, draw INTEGER, answer TEXT
);
CREATE TABLE suspect (
    place INTEGER PRIMARY KEY, row INTEGER, preferred TEXT, suspicion REAL, asked INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE pair (
    place INTEGER PRIMARY KEY, kind TEXT, row INTEGER, other INTEGER, file TEXT, note TEXT,
    asked INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE photo_group (
    place INTEGER PRIMARY KEY, class_id TEXT, author_group TEXT, preferred TEXT, suspicion REAL, found_by TEXT
);
CREATE TABLE group_photo (place INTEGER, turn INTEGER, row INTEGER, PRIMARY KEY (place, turn)) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX photo_name ON photo (photo_id, source, class_id);
CREATE INDEX photo_path ON photo (path, class_id);
"""
# Those of which a page shows some at a time, in the order in which it does.
_ORDERS = """
CREATE INDEX photo_draw ON photo (class_id, verdict, draw);
CREATE INDEX photo_answered ON photo (answer, verdict, class_id) WHERE answer IS NOT NULL;
CREATE INDEX suspect_row ON suspect (row);
CREATE INDEX suspect_next ON suspect (asked, place);
CREATE INDEX pair_next ON pair (kind, asked, place);
CREATE INDEX pair_row ON pair (row);
CREATE INDEX pair_other ON pair (other);
"""

_ADD_SUSPECT = """
INSERT INTO suspect (row, preferred, suspicion)
SELECT row, ?3, ?4 FROM photo WHERE path = ?1 AND class_id = ?2 AND verdict = 'kept' ORDER BY row LIMIT 1
"""
# A photo without class is of any; of the photos that may be meant, one of the same source and class is.
_ADD_PAIR = """
INSERT INTO pair (kind, row, other, note)
SELECT ?1, one.row, other.row, ?8 FROM photo one JOIN photo other ON other.photo_id = ?6 AND other.row != one.row
WHERE one.source = ?2 AND one.photo_id = ?3 AND one.class_id = ?4 AND (?7 = '' OR other.class_id = ?7)
ORDER BY other.source != ?5, other.class_id = one.class_id, other.row LIMIT 1
"""
_ADD_LEAK = """
INSERT INTO pair (kind, row, file, note)
SELECT 'leaks', row, ?2, ?3 FROM photo WHERE path = ?1 AND verdict = 'kept' ORDER BY row LIMIT 1
"""
_ADD_TO_GROUP = """
INSERT OR IGNORE INTO group_photo (place, turn, row)
SELECT ?1, ?2, row FROM photo WHERE path = ?3 AND class_id = ?4 AND verdict = 'kept' ORDER BY row LIMIT 1
"""
# Beside max(), SQLite takes bare columns from the row that has the maximum: the class preferred most often.
_ADD_AUTHORS = """
INSERT INTO photo_group (class_id, author_group, preferred, suspicion)
SELECT class, name, preferred, suspicion FROM (
    SELECT class, name, sum(n) photos, preferred, sum(s) / sum(n) suspicion, sum(n * (preferred != class)) off,
        max(n * (preferred != class))
    FROM (
        SELECT class_id class, author_group name, preferred, count(*) n, sum(suspicion) s
        FROM suspect JOIN photo USING (row) WHERE author_group IS NOT NULL GROUP BY 1, 2, 3
    ) GROUP BY class, name
) WHERE photos >= ? AND off * 2 > photos ORDER BY suspicion * photos DESC, class, name LIMIT ?
"""
_ADD_PHOTOS_OF_AUTHORS = """
INSERT INTO group_photo (place, turn, row)
SELECT photo_group.place, photo.row, photo.row FROM photo_group
JOIN photo USING (class_id, author_group) WHERE verdict = 'kept';
UPDATE photo_group SET found_by = (
    SELECT max(author) FROM group_photo JOIN photo USING (row) WHERE group_photo.place = photo_group.place
);
"""


@dataclass(frozen=True)
class Evidence:
    """What an index is made of."""

    manifest: Path
    suspicion: Path | None = None
    """What `rawlabel labels` said of each photo; None where no run has it."""
    leaks: Path | None = None
    """Photos that may show a test picture, as a run or a pass over the manifest listed them; None without."""

    @property
    def groups(self) -> Path | None:
        """What `labels` grouped of the same run's photos; None where it grouped none."""
        path = None if self.suspicion is None else self.suspicion.with_name(GROUPS)
        return path if path is not None and path.is_file() else None

    def key(self) -> str:
        """Sixteen hex digits that change with any of the files."""
        copies = self.manifest.with_name(FILE)
        files = [
            one
            for one in (self.manifest, copies, self.suspicion, self.groups, self.leaks)
            if one and one.is_file()
        ]
        stamps = [(str(one.absolute()), one.stat().st_size, one.stat().st_mtime_ns) for one in files]
        return hashlib.sha256(json.dumps([VERSION, stamps]).encode()).hexdigest()[:16]


def evidence_of(project: Path, manifest: Path, run: Path | None = None) -> Evidence:
    """What there is about a manifest: the evidence of `run`, or else the newest of the project's runs.

    Raises `DataError` for a run that has no evidence about labels.
    """
    if run is None:
        # `rawlabel decontaminate` leaves its list beside the manifest.
        lists = [
            one for one in (newest_of_runs(project, LEAKS), manifest.with_name(LEAKS)) if one and one.is_file()
        ]
        leaks = max(lists, key=lambda one: one.stat().st_mtime_ns, default=None)
        return Evidence(manifest, newest_of_runs(project, SUSPICION), leaks)
    if not (run / SUSPICION).is_file():
        raise DataError(f"{run / SUSPICION}: no such file; run `rawlabel labels {run}` first")
    return Evidence(manifest, run / SUSPICION, run / LEAKS if (run / LEAKS).is_file() else None)


def open_index(evidence: Evidence, folder: Path) -> sqlite3.Connection:
    """The index of `evidence` in `folder`, made if it is not there; any thread may use it, one at a time.

    Raises `DataError` for a damaged manifest or evidence, and `DiskError`.
    """
    path = folder / f"index-{evidence.key()}.sqlite"
    if not path.exists():
        with disk_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("index-*.sqlite*"):
                old.unlink()
            # Under another name until it is whole, so that a killed process leaves none that is not.
            part = path.with_suffix(".sqlite.part")
            part.unlink(missing_ok=True)
            with closing(sqlite3.connect(part)) as database:
                _fill(database, evidence)
            part.replace(path)
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.row_factory = sqlite3.Row
    # The answers are on the disk elsewhere; what a crash leaves here is made anew at the next start.
    database.execute("PRAGMA synchronous = OFF")
    return database


def _fill(database: sqlite3.Connection, evidence: Evidence) -> None:
    database.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144;" + _TABLES
    )
    with pq.ParquetFile(evidence.manifest) as file, progress("listing photos", file.metadata.num_rows) as task:
        fingerprint = json.loads(file.schema_arrow.metadata[METADATA_KEY])["fingerprint"]
        database.executemany(
            f"INSERT INTO photo VALUES ({', '.join('?' * 18)})", _photos(file, str(fingerprint), task)
        )
    if has_simulated_photos(evidence.manifest):
        # Their addresses belong to other people's photos, or to nobody's.
        database.execute("UPDATE photo SET page = NULL")
    database.executescript(_INDEXES)
    if evidence.suspicion is not None:
        with progress("listing suspects", _count(evidence.suspicion)) as task:
            database.executemany(_ADD_SUSPECT, _counted(read_doubts(evidence.suspicion), task))
    database.executemany(_ADD_PAIR, map(astuple, pairs_of(evidence.manifest)))
    if evidence.leaks is not None:
        leaks = ((one.path, str(one.test), plain_text(one.note)) for one in leaks_of(evidence.leaks.parent))
        database.executemany(_ADD_LEAK, leaks)
    _add_groups(database, evidence)
    database.executescript(_ORDERS)
    database.commit()


def _add_groups(database: sqlite3.Connection, evidence: Evidence) -> None:
    """Those that `labels` found; without features it found none, and photos of one author stand for them."""
    read = None if evidence.groups is None else PhotoGroups.read(evidence.groups.parent)
    if read is None:
        database.execute(_ADD_AUTHORS, [_LEAST_OF_GROUP, _MOST_GROUPS])
        database.executescript(_ADD_PHOTOS_OF_AUTHORS)
        return
    for place, one in enumerate(read.groups, start=1):
        row = (place, one.label, one.looks_like or "", one.suspicion, json.dumps(one.keywords))
        database.execute(
            "INSERT INTO photo_group (place, class_id, preferred, suspicion, found_by) VALUES (?, ?, ?, ?, ?)", row
        )
        photos = ((place, turn, name, one.label) for turn, name in enumerate(one.photos))
        database.executemany(_ADD_TO_GROUP, photos)


def _photos(file: pq.ParquetFile, fingerprint: str, task: Task) -> Iterator[tuple[object, ...]]:
    """The rows whose photos have bytes; those that failed have nothing to be looked at."""
    row = -1
    for batch in file.iter_batches(_AT_ONCE, columns=_COLUMNS):
        # Texts are made fit to be shown when they are: that takes longer than all else here.
        for values in zip(*(batch[name].to_pylist() for name in _COLUMNS), strict=True):
            row += 1
            source, photo_id, path = values[0], values[1], values[_PATH]
            if path:
                # As good as random, and the same whenever the index is made.
                drawn = hashlib.sha256(f"{fingerprint}:{source}:{photo_id}".encode()).digest()
                yield (row, *values, int.from_bytes(drawn[:6], "big"), None)
        task.advance(batch.num_rows)


def _count(path: Path) -> int:
    """Rows of a Parquet file; 0 for what is none, which whoever reads it will say."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return 0


def _counted(doubts: Iterable[Doubt], task: Task) -> Iterator[Doubt]:
    for number, one in enumerate(doubts, start=1):
        yield one
        if number % _AT_ONCE == 0:
            task.advance(_AT_ONCE)

"""What stands behind each count: all photos of a reason on the page as far as they fit, and the rest beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup, escape
from numpy.typing import NDArray

from rawlabel.artifacts.decision import decisions_of
from rawlabel.base.files import atomic_write, disk_errors
from rawlabel.base.progress import progress
from rawlabel.base.untrusted_text import plain_text
from rawlabel.show.report.evidence import CollectionEvidence
from rawlabel.show.report.montage import Tile, make_tile
from rawlabel.show.report.thumbnails import Thumbnails

MOST_KEPT = 60
"""Kept photos of each class on the page, beside those of its sample."""
PER_FILE = 500
"""Photos on one page of the folder."""
_TILE_BYTES = 1_000
"""What the markup of a tile takes at most beside its texts and its picture."""
_MINE = re.compile(r"[0-9]+-[a-z]+-[a-z_]+-[0-9]+\.html")
KEPT = "kept-kept"
Group = tuple[int, str]
"""Position of a class in the manifest, and verdict and reason, joined by a hyphen."""


@dataclass(frozen=True, slots=True)
class Rest:
    """A class's photos of one reason that are not all on the page, and the first file that lists them all."""

    label: str
    verdict: str
    reason: str
    """`kept`, or the short name of the reason."""
    count: int
    shown: int
    address: str

    @property
    def group(self) -> str:
        """What tiles of such photos say of themselves."""
        return "kept" if self.reason == "kept" else f"{self.verdict}: {self.reason.replace('_', ' ')}"


def groups_of(collection: CollectionEvidence) -> dict[Group, NDArray[np.int64]]:
    """Rows of the manifest by class and by what became of them, in the order of the classes."""
    table, class_ids = collection.manifest.table, collection.manifest.class_ids
    words = pc.binary_join_element_wise(table["verdict"], pc.fill_null(table["reason"], "kept"), "-")
    reasons = words.combine_chunks().dictionary_encode()
    classes = pc.index_in(table["class_id"], value_set=pa.array(class_ids)).to_numpy().astype(np.int64)
    names, codes = reasons.dictionary.to_pylist(), reasons.indices.to_numpy().astype(np.int64)
    keys = classes * len(names) + codes
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    parts = np.split(order, starts[1:]) if len(starts) else []
    found = {(int(keys[part[0]] // len(names)), str(names[keys[part[0]] % len(names)])): part for part in parts}
    return dict(sorted(found.items()))


def more_tiles(
    collection: CollectionEvidence,
    groups: Mapping[Group, NDArray[np.int64]],
    drawn: set[int],
    space: int,
    thumbnails: Thumbnails,
) -> tuple[dict[int, list[Tile]], dict[Group, int]]:
    """Tiles by class of what was not `drawn` yet, until `space` [bytes] is full.

    Beside them, how many photos of each group are shown then. What is not kept comes first, and one photo of each
    group after the other, so that none starves.
    """
    queue, shown = [], {}
    for (index, reason), rows in groups.items():
        left = [int(row) for row in rows[:100_000] if int(row) not in drawn]
        shown[index, reason] = len(rows) - len(left) if len(rows) <= 100_000 else sum(row in drawn for row in rows)
        is_kept = reason == KEPT
        queue += [
            (is_kept, turn, index, reason, row) for turn, row in enumerate(left[: MOST_KEPT if is_kept else None])
        ]
        if len(queue) > 200_000:
            queue = sorted(queue)[:50_000]
    queue.sort()
    # A tile without a picture takes the least.
    queue = queue[: max(space, 0) // 400]
    tiles: dict[int, list[Tile]] = {}
    if not queue:
        return tiles, shown
    decisions = decisions_of(collection.manifest.table.take(pa.array([one[-1] for one in queue], pa.int64())))
    with progress("making thumbnails", len(queue)) as task:
        for (_, _, index, reason, _), row in zip(queue, decisions, strict=True):
            tile = make_tile(row, collection, thumbnails)
            space -= _size(tile)
            if space < 0:
                break
            tiles.setdefault(index, []).append(tile)
            shown[index, reason] += 1
            task.advance()
    return tiles, shown


def _size(tile: Tile) -> int:
    texts = (tile.title, tile.author, tile.license_name, tile.keyword, tile.license_url or "", tile.page_url or "")
    return _TILE_BYTES + len(tile.picture or "") + sum(2 * len(escape(one).encode()) for one in texts)


def list_rest(
    collection: CollectionEvidence,
    groups: Mapping[Group, NDArray[np.int64]],
    shown: Mapping[Group, int],
    folder: Path,
) -> list[Rest]:
    """The groups that are not whole on the page, and where `write_rest` lists them."""
    class_ids = collection.manifest.class_ids
    return [
        Rest(
            collection.label(class_ids[index]), reason.split("-")[0],
            reason.split("-")[1], len(rows), shown.get((index, reason), 0),
            f"{quote(folder.name)}/{_file(index, reason, 0)}",
        )
        for (index, reason), rows in groups.items()
        if shown.get((index, reason), 0) < len(rows)
    ]  # fmt: skip


def write_rest(
    collection: CollectionEvidence,
    groups: Mapping[Group, NDArray[np.int64]],
    rest: list[Rest],
    folder: Path,
    head: str,
) -> None:
    """Write the pages of `rest` into `folder`, and remove those of an earlier report. Raises `DiskError`.

    The photos are those of the project, shown from where they lie, so that nothing is copied.
    """
    label_of = {collection.label(class_id): i for i, class_id in enumerate(collection.manifest.class_ids)}
    wanted = {(label_of[one.label], f"{one.verdict}-{one.reason}"): one for one in rest}
    with disk_errors(folder):
        old = [one for one in folder.iterdir() if _MINE.fullmatch(one.name)] if folder.is_dir() else []
        for file in old:
            file.unlink()
        if not wanted:
            if old and not any(folder.iterdir()):
                folder.rmdir()
            return
        folder.mkdir(parents=True, exist_ok=True)
    names = [
        "path",
        "source",
        "photo_id",
        "class_id",
        "keyword",
        "rank",
        "title",
        "author",
        "license_name",
        "page_url",
    ]
    table = collection.manifest.table.select(names)
    with progress("listing the rest of the photos", sum(one.count for one in rest)) as task:
        for (index, reason), one in wanted.items():
            rows = groups[index, reason]
            for start in range(0, len(rows), PER_FILE):
                part = table.take(pa.array(rows[start : start + PER_FILE]))
                span = f"{start + 1} to {start + part.num_rows} of {one.count}"
                title = f"{one.label}: {one.reason.replace('_', ' ')}, {span}"
                after = start + PER_FILE
                following = _file(index, reason, after // PER_FILE) if after < len(rows) else None
                with atomic_write(folder / _file(index, reason, start // PER_FILE)) as stream:
                    for piece in _page(title, part, collection, folder, following, head):
                        stream.write(piece.encode("utf-8", errors="replace"))
                task.advance(part.num_rows)


def _file(index: int, reason: str, number: int) -> str:
    return f"{index}-{reason}-{number + 1}.html"


def _page(
    title: str, table: pa.Table, collection: CollectionEvidence, folder: Path, following: str | None, head: str
) -> Iterator[str]:
    yield f"{head}<title>{escape(title)}</title></head><body><main><h1>{escape(title)}</h1>"
    yield '<p><a href="..">to the folder of the report</a></p><ul class="tiles">'
    base = None if collection.photos.is_remote else os.path.relpath(collection.project.resolve(), folder.resolve())
    for row in table.to_pylist():
        name = escape(plain_text(row["title"]) or "untitled")
        address = collection.web(row["page_url"])
        if address:
            name = Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(address, name)
        picture = ""
        if row["path"] and base is not None:
            place = escape(quote(f"{base}/{row['path']}".replace(os.sep, "/")))
            picture = (
                f'<img src="{place}" alt="{escape(plain_text(row["title"]) or "untitled photo")}" loading="lazy">'
            )
        yield (
            f'<li class="tile"><div class="frame">{picture}</div><span class="title">{name}</span>'
            f'<span class="meta">by {escape(plain_text(row["author"]) or "unknown author")}, '
            f"{escape(plain_text(row['license_name']) or 'license not stated')}; result {row['rank'] + 1} for "
            f"“{escape(plain_text(row['keyword']))}”</span></li>\n"
        )
    yield f"</ul>{f'<p><a href={following!r}>next page</a></p>' if following else ''}</main></body></html>\n"

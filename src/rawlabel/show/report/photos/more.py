"""What stands behind each count: all photos of a reason on the page as far as they fit, and the rest beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from markupsafe import escape
from numpy.typing import NDArray

from rawlabel.artifacts.decision import decisions_of
from rawlabel.base.progress import progress
from rawlabel.records import Reason, Verdict
from rawlabel.show.report.evidence import CollectionEvidence
from rawlabel.show.report.montage import TILE_COLUMNS, Tile, make_tile
from rawlabel.show.report.thumbnails import Thumbnails

MOST_KEPT = 60
"""Kept photos of each class on the page, beside those of its sample."""
_TILE_BYTES = 1_000
"""What the markup of a tile takes at most beside its texts and its picture."""
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
    class_ids, reasons = collection.manifest.class_ids, [str(one) for one in Reason]
    verdicts = [str(one) for one in Verdict]
    reason = collection.codes("reason", reasons) + 1
    fate = collection.codes("verdict", verdicts) * (len(reasons) + 1) + reason
    fates = len(verdicts) * (len(reasons) + 1)
    keys = collection.codes("class_id", class_ids) * fates + fate
    order = np.argsort(keys, kind="stable")
    # Classes that are left out have no page of their own.
    order = order[np.searchsorted(keys[order], 0) :]
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    found = {}
    for part in np.split(order, starts[1:]) if len(starts) else []:
        index, rest = divmod(int(keys[part[0]]), fates)
        verdict, why = divmod(rest, len(reasons) + 1)
        found[index, f"{verdicts[verdict]}-{reasons[why - 1] if why else 'kept'}"] = part
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
    # A tile without a picture takes the least.
    most = max(space, 0) // 400
    is_drawn = np.zeros(collection.manifest.table.num_rows, bool)
    is_drawn[list(drawn)] = True
    names, shown = list(groups), {name: int(is_drawn[rows].sum()) for name, rows in groups.items()}
    left = [rows[~is_drawn[rows]][: MOST_KEPT if name[1] == KEPT else most] for name, rows in groups.items()]
    tiles: dict[int, list[Tile]] = {}
    if not most or not any(map(len, left)):
        return tiles, shown
    group = np.concatenate([np.full(len(rows), number) for number, rows in enumerate(left)])
    turn = np.concatenate([np.arange(len(rows)) for rows in left])
    is_kept = np.array([name[1] == KEPT for name in names])[group]
    order = np.lexsort((group, turn, is_kept))[:most]
    decisions = decisions_of(collection.rows.take(np.concatenate(left)[order], TILE_COLUMNS))
    with progress("making thumbnails", len(order)) as task:
        for number, row in zip(group[order].tolist(), decisions, strict=True):
            tile = make_tile(row, collection, thumbnails)
            space -= _size(tile)
            if space < 0:
                break
            tiles.setdefault(names[number][0], []).append(tile)
            shown[names[number]] += 1
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
            f"{quote(folder.name)}/{file_of(index, reason, 0)}",
        )
        for (index, reason), rows in groups.items()
        if shown.get((index, reason), 0) < len(rows)
    ]  # fmt: skip


def file_of(index: int, reason: str, number: int) -> str:
    """Name of a page in the folder, by the place of its class, what became of the photos, and its own place."""
    return f"{index}-{reason}-{number + 1}.html"

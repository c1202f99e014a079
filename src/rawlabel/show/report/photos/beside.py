"""The folder beside the page: all photos of a class and reason for which the page has no room, 500 to a page.

A million photos are listed. So their cells are made column by column, with Arrow's own functions: what is plain
text already, as nearly all is, never becomes an object of Python.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import escape
from numpy.typing import NDArray

from rawlabel.base.files import disk_errors
from rawlabel.base.progress import progress
from rawlabel.base.untrusted_text import LONGEST_ADDRESS, LONGEST_TEXT, plain_text
from rawlabel.show.report.evidence import CollectionEvidence
from rawlabel.show.report.photos.more import Group, Rest, file_of

PER_FILE = 500
"""Photos on one page of the folder."""
_AT_ONCE = 20_000
"""Photos whose rows are read together."""
_MINE = re.compile(r"[0-9]+-[a-z]+-[a-z_]+-[0-9]+\.html")
_COLUMNS = ("path", "title", "author", "license_name", "page_url", "keyword", "rank")
_VISIBLE = r"[\pL\pM\pN\pP\pS]"
_PLAIN_TEXT = f"^{_VISIBLE}+( {_VISIBLE}+)*$"
_PLAIN_ADDRESS = r"^https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?([/?#][!-~]*)?$"
_PLAIN_PATH = r"^[A-Za-z0-9_.~/-]+$"
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ('"', "&#34;"))


@dataclass(frozen=True)
class _Page:
    """One file of the folder."""

    name: str
    title: str
    following: str | None
    rows: NDArray[np.int64]


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
    made = folder.with_name(f".{folder.name}.part")
    with disk_errors(folder), progress("listing the rest of the photos", sum(one.count for one in rest)) as task:
        shutil.rmtree(made, ignore_errors=True)
        names = []
        for pages in _in_parts(_pages(collection, groups, rest)):
            made.mkdir(parents=True, exist_ok=True)
            cells = _cells(collection, np.concatenate([one.rows for one in pages]), folder)
            start = 0
            for one in pages:
                end = start + len(one.rows)
                text = _text(one, cells[start:end], head)
                (made / one.name).write_text(text, "utf-8", errors="replace", newline="\n")
                names.append(one.name)
                task.advance(end - start)
                start = end
        _put_in_place(made, names, folder)


def _put_in_place(made: Path, names: list[str], folder: Path) -> None:
    """Remove the pages of an earlier report, and give the new ones their names; other files stay."""
    old = [one for one in folder.iterdir() if _MINE.fullmatch(one.name)] if folder.is_dir() else []
    for file in old:
        file.unlink()
    if names:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (made / name).replace(folder / name)
        made.rmdir()
    elif old and not any(folder.iterdir()):
        folder.rmdir()


def _pages(
    collection: CollectionEvidence, groups: Mapping[Group, NDArray[np.int64]], rest: list[Rest]
) -> Iterator[_Page]:
    index_of = {collection.label(class_id): i for i, class_id in enumerate(collection.manifest.class_ids)}
    for one in rest:
        key = index_of[one.label], f"{one.verdict}-{one.reason}"
        rows = groups[key]
        for number, start in enumerate(range(0, len(rows), PER_FILE)):
            part = rows[start : start + PER_FILE]
            span = f"{start + 1} to {start + len(part)} of {one.count}"
            following = file_of(*key, number + 1) if start + PER_FILE < len(rows) else None
            title = f"{one.label}: {one.reason.replace('_', ' ')}, {span}"
            yield _Page(file_of(*key, number), title, following, part)


def _in_parts(pages: Iterator[_Page]) -> Iterator[list[_Page]]:
    """As many pages together as are read at once."""
    part: list[_Page] = []
    for one in pages:
        part.append(one)
        if sum(len(page.rows) for page in part) >= _AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _text(page: _Page, cells: list[str], head: str) -> str:
    title = escape(page.title)
    after = f"<p><a href='{page.following}'>next page</a></p>" if page.following else ""
    return (
        f"{head}<title>{title}</title></head><body><main><h1>{title}</h1>"
        f'<p><a href="..">to the folder of the report</a></p><ul class="tiles">{"".join(cells)}</ul>{after}'
        "</main></body></html>\n"
    )


def _cells(collection: CollectionEvidence, rows: NDArray[np.int64], folder: Path) -> list[str]:
    """The tile of each photo, as markup."""
    table = collection.rows.take(rows, _COLUMNS).combine_chunks()
    title = _shown(table["title"])
    name = pc.coalesce(title, pa.scalar("untitled"))
    link = _join(
        '<a href="', _web(collection, table["page_url"]), '" rel="noopener noreferrer nofollow">', name, "</a>"
    )
    picture = pa.nulls(len(rows), pa.string())
    if not collection.photos.is_remote:
        base = os.path.relpath(collection.project.resolve(), folder.resolve()).replace(os.sep, "/")
        place = _changed(
            table["path"], _PLAIN_PATH, lambda path: quote(path.replace(os.sep, "/")) if path else None
        )
        alt = pc.coalesce(title, pa.scalar("untitled photo"))
        picture = _join(f'<img src="{escape(quote(base))}/', _escaped(place), '" alt="', alt, '" loading="lazy">')
    made = _join(
        '<li class="tile"><div class="frame">', pc.fill_null(picture, ""), '</div><span class="title">',
        pc.coalesce(link, name), '</span><span class="meta">by ',
        pc.coalesce(_shown(table["author"]), pa.scalar("unknown author")), ", ",
        pc.coalesce(_shown(table["license_name"]), pa.scalar("license not stated")), "; result ",
        pc.add(table["rank"], 1).cast(pa.string()), " for “", pc.fill_null(_shown(table["keyword"]), ""),
        "”</span></li>\n",
    )  # fmt: skip
    cells: list[str] = made.to_pylist()
    return cells


def _join(*parts: pa.Array | str) -> pa.Array:
    """Texts one behind the other; null where one of them is."""
    return pc.binary_join_element_wise(*parts, "")


def _changed(
    column: pa.ChunkedArray, plain: str, change: Callable[[str], str | None], longest: int | None = None
) -> pa.ChunkedArray:
    """What `change` makes of each text; those that are `plain` (a pattern) and not long stay as they are."""
    is_plain = pc.fill_null(pc.match_substring_regex(column, plain), True)
    if longest is not None:
        is_plain = pc.and_(is_plain, pc.fill_null(pc.less_equal(pc.utf8_length(column), longest), True))
    odd = pc.invert(is_plain)
    if not pc.any(odd).as_py():
        return column
    made = [change(text) for text in column.filter(odd).to_pylist()]
    whole = column.combine_chunks()
    return pc.replace_with_mask(whole, odd.combine_chunks(), pa.array(made, pa.string()))


def _shown(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text of strangers as `plain_text` shows it, escaped; null where there is none."""
    return _escaped(_changed(column, _PLAIN_TEXT, lambda text: plain_text(text) or None, LONGEST_TEXT))


def _web(collection: CollectionEvidence, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Addresses that may be linked to, escaped; null for all others."""
    if collection.is_simulated:
        return pa.nulls(len(column), pa.string())
    return _escaped(_changed(column, _PLAIN_ADDRESS, collection.web, LONGEST_ADDRESS))


def _escaped(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for sign, entity in _ESCAPES:
        column = pc.replace_substring(column, sign, entity)
    return column

"""What travels with each exported photo: where it comes from, whose it is, and the sentence that credits them."""

from __future__ import annotations

from typing import Any

from rawlabel.base.licenses import license_conditions
from rawlabel.base.untrusted_text import plain_text, web_address
from rawlabel.manifests.formats._photos import file_name

COLUMNS = (
    "source", "photo_id", "class_id", "keyword", "rank", "title", "author", "author_id", "author_url", "page_url",
    "url", "license_id", "license_name", "license_url", "license_read_at", "uploaded_at", "taken_at",
    "searched_at", "sha256", "pixel_sha256", "width", "height",
)  # fmt: skip
"""Columns of the manifest that are exported beside the pixels."""
_LONGEST_TITLE = 200


def provenance(row: dict[str, Any]) -> dict[str, Any]:
    """The columns, the name of the file in class folders, and the attribution."""
    return {name: row[name] for name in COLUMNS} | {"file": file_name(row), "attribution": attribution(row)}


def attribution(row: dict[str, Any]) -> str:
    """One sentence with title, author, source and license, as Creative Commons recommends (TASL).

    Source: https://wiki.creativecommons.org/wiki/Recommended_practices_for_attribution
    """
    title, author = plain_text(row["title"], _LONGEST_TITLE), plain_text(row["author"] or row["author_id"])
    page = web_address(row["page_url"]) or web_address(row["url"])
    work = f'"{title}"' if title else "Untitled photo"
    where = f" ({page})" if page else ""
    return f"{work}{where} by {author or 'an unknown author'}, {_license(row)}, via {plain_text(row['source'])}"


def _license(row: dict[str, Any]) -> str:
    name = plain_text(row["license_name"] or row["license_id"])
    address = web_address(row["license_url"])
    if not name and not address:
        return "license not known"
    conditions = license_conditions(row["license_name"] or "", row["license_url"] or "")
    verb = "licensed under" if conditions else "marked as" if conditions is not None else "license stated as"
    return f"{verb} {name} ({address})" if name and address else f"{verb} {name or address}"

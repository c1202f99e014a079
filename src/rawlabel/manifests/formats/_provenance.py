"""What travels with each exported photo: where it comes from, whose it is, and the sentence that credits them."""

from __future__ import annotations

from rawlabel.artifacts.decision import Decision
from rawlabel.artifacts.photo_names import export_name
from rawlabel.base.licenses import license_conditions
from rawlabel.base.untrusted_text import plain_text, web_address

COLUMNS = (
    "source", "photo_id", "class_id", "keyword", "rank", "title", "author", "author_id", "author_url", "page_url",
    "url", "license_id", "license_name", "license_url", "license_read_at", "uploaded_at", "taken_at",
    "searched_at", "sha256", "pixel_sha256", "width", "height",
)  # fmt: skip
"""Columns of the manifest that are exported beside the pixels."""
_LONGEST_TITLE = 200


def provenance(photo: Decision) -> dict[str, str | int | None]:
    """The columns, the name of the file in class folders, and the attribution."""
    return {name: getattr(photo, name) for name in COLUMNS} | {
        "file": export_name(photo), "attribution": attribution(photo),
    }  # fmt: skip


def attribution(photo: Decision) -> str:
    """One sentence with title, author, source and license, as Creative Commons recommends (TASL).

    Source: https://wiki.creativecommons.org/wiki/Recommended_practices_for_attribution
    """
    title, author = plain_text(photo.title, _LONGEST_TITLE), plain_text(photo.author or photo.author_id)
    page = web_address(photo.page_url) or web_address(photo.url)
    work = f'"{title}"' if title else "Untitled photo"
    where = f" ({page})" if page else ""
    return f"{work}{where} by {author or 'an unknown author'}, {_license(photo)}, via {plain_text(photo.source)}"


def _license(photo: Decision) -> str:
    name = plain_text(photo.license_name or photo.license_id)
    address = web_address(photo.license_url)
    if not name and not address:
        return "license not known"
    conditions = license_conditions(photo.license_name or "", photo.license_url or "")
    verb = "licensed under" if conditions else "marked as" if conditions is not None else "license stated as"
    return f"{verb} {name} ({address})" if name and address else f"{verb} {name or address}"

"""What the headers of a reply say: how long to wait, whether the image is closed to machine learning, how it is
packed.
"""

from __future__ import annotations

import math
import re
import time
import zlib
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

from rawlabel.base.image_files import sniff_media_type

OPT_OUTS = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
"""Directives of `X-Robots-Tag` that close an image to collecting; `none` is short for `noindex, nofollow`."""
AGENT_NAME = "rawlabel"
# Directives that have a value of their own after a colon, where else the name of a robot stands
# (https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag).
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})

_LONGEST_TEXT = 300
_GZIP = b"\x1f\x8b"
_OTHER_ENCODINGS = frozenset(
    {"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "aes128gcm"}
)
"""Encodings of IANA's registry that nothing here undoes; whatever else a host writes is not one."""
_MOST_ENCODINGS = 4
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})", re.IGNORECASE)


class TooLarge(ValueError):
    """Unpacking would give more bytes than allowed."""


def retry_after_seconds(header: str | None, now: float | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for, in either form; None when it asks for none.

    See RFC 9110, section 10.2.3. `now` is the time in seconds since 1970.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        # A number of any length may come; no wait is longer than a year.
        return float(text) if len(text) < 9 else 365.0 * 86_400
    try:
        seconds = parsedate_to_datetime(text).timestamp() - (time.time() if now is None else now)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def in_words(seconds: float) -> str:
    """A time for people, in the unit of which it has at least two."""
    if not math.isfinite(seconds):
        return "unknown length"
    units = (("years", 365 * 86_400), ("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
    name, size = next((one for one in units if seconds >= 2 * one[1]), units[-1])
    return f"{seconds / size:,.0f} {name}"


def opt_out_directive(robots_tags: Sequence[str], tdm_reservation: str | None) -> str | None:
    """The words by which a host closes an image to collecting for machine learning; None when it does not.

    `robots_tags` are all `X-Robots-Tag` headers: directives between commas, which after `name:` are for that robot
    only. `tdm_reservation` is the header of the TDM Reservation Protocol (W3C), where 1 reserves the rights.
    """
    if (tdm_reservation or "").strip() == "1":
        return "tdm-reservation: 1"
    for header in robots_tags:
        is_for_us = True
        for part in header.lower().split(","):
            name, colon, rest = part.partition(":")
            if colon and name.strip() not in _WITH_VALUE:
                is_for_us = name.strip() in (AGENT_NAME, "*")
                part = rest
            if is_for_us and part.strip() in OPT_OUTS:
                return f"x-robots-tag: {part.strip()}"
    return None


def looks_like_html(body: bytes) -> bool:
    """Whether bytes begin as a web page does.

    Hosts answer so, with status 200, in place of a photo that is gone.
    """
    start = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script"))


def header_text(value: str | None) -> str | None:
    """A header as text that can be stored: no lone surrogates or control characters, of moderate length."""
    if value is None:
        return None
    text = value.encode("utf-8", "replace").decode("utf-8")
    return "".join(one for one in text if one.isprintable())[:_LONGEST_TEXT]


def stated_size(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """Width and height that Flickr's image host states in headers of its own [pixels]."""
    width, height = headers.get("imagewidth", ""), headers.get("imageheight", "")
    if not all(one.isascii() and one.isdigit() and len(one) < 7 for one in (width, height)):
        return None
    return int(width), int(height)


def whole_size(headers: Mapping[str, str]) -> int | None:
    """Size of the body of a 206 that sends all there is, though nobody asked for a part; None of any other.

    See RFC 9110, section 14.4.
    """
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    first, last, size = map(int, found.groups()) if found else (0, 0, 0)
    return size if size and (first, last) == (0, size - 1) else None


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo a `Content-Encoding` that came although none was asked for. Raises `TooLarge` and `ValueError`.

    Hosts put many things there that are none (a charset, `none`), or name one that they did not apply. A body that
    shows by its first bytes to be an image is taken for one, whatever the header says.
    """
    names = [part.strip() for part in encoding.lower().split(",")]
    if len(names) > _MOST_ENCODINGS:
        raise ValueError("too many content encodings")
    for name in reversed(names):
        if sniff_media_type(body) != "application/octet-stream":
            return body
        if name in ("gzip", "x-gzip") and body.startswith(_GZIP):
            body = _members(body, limit)
        elif name == "deflate":
            body = _deflated(body, limit)
        elif name in _OTHER_ENCODINGS:
            raise ValueError(f"the content encoding {name}, which nothing asked for")
    return body


def _members(body: bytes, limit: int) -> bytes:
    """A gzip file may be of several members, one behind the other (RFC 1952, section 2.2); other bytes end it."""
    plain = []
    while body.startswith(_GZIP):
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        plain.append(_whole(unpacker, body, limit))
        limit -= len(plain[-1])
        body = unpacker.unused_data
    return b"".join(plain)


def _deflated(body: bytes, limit: int) -> bytes:
    """With the zlib header that it should have, or without, as some servers send it."""
    try:
        return _whole(zlib.decompressobj(), body, limit)
    except TooLarge:
        raise
    except ValueError:
        return _whole(zlib.decompressobj(-zlib.MAX_WBITS), body, limit)


def _whole(unpacker: zlib._Decompress, body: bytes, limit: int) -> bytes:
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise ValueError("damaged compression") from error
    if len(plain) > limit:
        raise TooLarge
    if not unpacker.eof:
        raise ValueError("compressed data without an end")
    return plain

"""Text from photo sites, made fit to be shown: anybody on the internet may have written it."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

LONGEST_TEXT = 80
"""Characters of a title or name that are shown."""
LONGEST_ADDRESS = 500
"""Longer addresses are no links; no photo page needs as much."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a cell for a formula, also in full width.

Source: https://owasp.org/www-community/attacks/CSV_Injection
"""


def plain_text(text: object, longest: int = LONGEST_TEXT) -> str:
    """One line of at most `longest` characters, without control, format and direction characters.

    Markup stays as it is: the templates escape it.
    """
    visible = (" " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one for one in str(text or ""))
    line = " ".join("".join(one for one in visible if unicodedata.category(one) not in ("Cf", "Cs")).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def quoted(value: object, longest: int = LONGEST_TEXT) -> str:
    """A value as a message repeats it: in quotes, on one line, and cut."""
    shown = repr(value[: longest + 1] if isinstance(value, str) else value)
    return (
        shown if len(shown) <= longest + 2 else f"{shown[:longest]}…{shown[0] if isinstance(value, str) else ''}"
    )


def web_address(address: str | None) -> str | None:
    """Return `address` when it is a plain web address that a link may lead to, else None."""
    if not address or len(address) > LONGEST_ADDRESS or not address.isprintable() or " " in address:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in ("http", "https") and parts.netloc else None


def disarmed(value: object) -> str:
    """The text as a cell that no spreadsheet runs.

    A cell that would be taken for a formula begins with an apostrophe, and so does one that had one there already:
    who removes one apostrophe from the front has the text as it was.
    """
    text = "" if value is None else str(value)
    is_armed = text.startswith(("'", *_FORMULA)) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if is_armed else text

"""Values out of the replies of photo sites, none of which is taken at its word.

Whatever stands where a text, a number or an address should be, these return one that can be stored, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser

MOST_CHARACTERS = 10_000
"""Texts are cut here; titles, captions and lists of tags are shorter."""
MOST_ADDRESS_CHARACTERS = 8_000


def text(value: object) -> str:
    """A text, or a number as text; empty for anything else. Sites send ids as either."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    # A lone surrogate, which JSON can spell, cannot be stored as UTF-8.
    return str(value)[:MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def message(value: object, *secrets: str) -> str:
    """What a site says is wrong, as a few words on one line; sites repeat the request, keys and all."""
    words = " ".join(text(value).split())
    for secret in secrets:
        words = words.replace(secret, "...") if secret else words
    return words[:200]


def integer(value: object) -> int | None:
    """A whole number that fits 64 bits, sent as a number or as a text; None for anything else."""
    try:
        number = int(text(value))
    except ValueError:
        return None
    return number if abs(number) < 2**63 else None


def number_text(value: object) -> str:
    """The digits of a positive whole number, such as an id that goes into an address; empty for anything else."""
    number = integer(value)
    return str(number) if number is not None and number > 0 else ""


def web_address(value: object) -> str | None:
    """An http or https address in ASCII; one without a scheme (`//host/path`) is taken as https."""
    if not isinstance(value, str) or len(value) > MOST_ADDRESS_CHARACTERS:
        return None
    address = f"https:{value}" if value.startswith("//") else value
    is_one = address.isascii() and address.isprintable() and address.startswith(("http://", "https://"))
    return address if is_one and " " not in address else None


def seconds_since_1970(value: object) -> int | None:
    """A time as ISO 8601 writes it; without an offset it is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text(value))
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def mapping(value: object) -> Mapping[str, object]:
    """A JSON object; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """A JSON array; an empty one in place of anything else."""
    return value if isinstance(value, list) else []


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.links: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [address for name, value in attrs if name == "href" and (address := web_address(value))]


def plain_text(html: object) -> tuple[str, list[str]]:
    """The words of a piece of HTML, on one line, and the addresses that it links to."""
    page = _Page()
    try:
        page.feed(text(html))
        page.close()
    except (AssertionError, ValueError):
        # The parser gives up on some malformed declarations; what it has read by then stands.
        pass
    return text(" ".join(" ".join(page.words).split())), page.links

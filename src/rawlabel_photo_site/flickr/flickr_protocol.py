"""What every speaker of the Flickr REST API shares: errors, parameters and paging.

The API is described at https://www.flickr.com/services/api/. Errors come with HTTP status 200 and
`"stat": "fail"`, as on the real site. Parameters that the API does not know are ignored.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from rawlabel_photo_site.world import rates
from rawlabel_photo_site.world.licenses import LICENSES

Reply = dict[str, Any]
Method = Callable[[Mapping[str, str], str], Reply]
"""Answers the parameters of a call; the text is the address that image addresses start with."""

EXPIRED_KEY = "expired"
"""A key that no site accepts any more."""
MOST_PER_PAGE = 500
USUAL_PER_PAGE = 100
_NO_FILTERS = frozenset({"api_key", "page", "per_page", "extras", "sort", "format", "nojsoncallback", "method"})
_LIMITING = ("text", "tags", "user_id", "min_upload_date", "max_upload_date")


class ApiError(Exception):
    """An error reply of the API."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.reply: Reply = {"stat": "fail", "code": code, "message": message}


def dispatch(
    methods: Mapping[str, Method], parameters: Mapping[str, str], image_host: str, demanded_key: str | None
) -> Reply:
    """The reply to one call, be it an error. `demanded_key` is the only key that is accepted; None for any."""
    try:
        name = parameters.get("method", "")
        method = methods.get(name)
        if method is None:
            raise ApiError(112, f'Method "{name}" not found')
        key = parameters.get("api_key", "")
        if not key.strip() or (demanded_key is not None and key != demanded_key):
            raise ApiError(100, "Invalid API Key (Key has invalid format)")
        if key == EXPIRED_KEY:
            raise ApiError(100, "Invalid API Key (Key has expired)")
        if parameters.get("format") != "json":
            raise ApiError(111, f'Format "{parameters.get("format", "rest")}" not found')
        return {**method(parameters, image_host), "stat": "ok"}
    except ApiError as error:
        return error.reply


def licenses(parameters: Mapping[str, str], image_host: str) -> Reply:
    """Answer `flickr.photos.licenses.getInfo`: every license by number, with name and address."""
    entries = [{"id": number, "name": name, "url": url} for number, (name, url) in enumerate(LICENSES)]
    return {"licenses": {"license": entries}}


def echo(parameters: Mapping[str, str], image_host: str) -> Reply:
    """Answer `flickr.test.echo`: the parameters of the call, each wrapped as Flickr wraps texts."""
    return {name: {"_content": value} for name, value in parameters.items()}


def refuse_without_limits(parameters: Mapping[str, str]) -> None:
    """Raise `ApiError` for a search that asks for everything."""
    if not any(parameters.get(name, "").strip() for name in _LIMITING):
        raise ApiError(3, "Parameterless searches have been disabled. Please use flickr.photos.getRecent instead.")


def chance(seed: int, purpose: str, query: str) -> float:
    """A number in 0 to 1 that depends on the arguments only."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{query}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def page_of(parameters: Mapping[str, str]) -> tuple[int, int]:
    """The page that is asked for, counted from 1, and the photos of a page."""
    per_page = min(_whole_number(parameters, "per_page", USUAL_PER_PAGE), MOST_PER_PAGE)
    return _whole_number(parameters, "page", 1), per_page


def shown(
    found: int, page: int, per_page: int, most: int, share: float = 0, seed: int = 0, filters: str = ""
) -> slice:
    """Which of the results a page shows: those after the first `most` ones are never reached, and all pages after
    the last reachable one repeat it. About the `share` of each page comes again on the next one."""
    if found > most:
        page = min(page, math.ceil(most / per_page))
    first = (page - 1) * per_page
    if share > 0 and page > 1:
        # Pages with a number above that of the results are empty in any case.
        later = range(2, min(page, found + 1) + 1)
        steps = (2 * share * per_page * chance(seed, f"shift/{number}", filters) for number in later)
        # A page always brings something new.
        first -= sum(min(round(step), per_page - 1) for step in steps)
    return slice(first, min(first + per_page, most))


def listed(count: int, page: int, share: float, seed: int, filters: str) -> int:
    """How many of the results that a page has are listed: a `share` of the pages comes empty or one short."""
    number = chance(seed, f"odd page {page}", filters)
    if page == 1 or number >= share:
        return count
    return 0 if number < share / 2 else max(0, count - 1)


def filters_of(parameters: Mapping[str, str]) -> str:
    """What decides which photos a query finds, apart from their order and the page."""
    return "&".join(
        f"{name}={value}" for name, value in sorted(parameters.items()) if name not in _NO_FILTERS and value
    )


def claimed_total(found: int, noise: float, seed: int, filters: str) -> int:
    """The total that the API claims: off by up to the share `noise`, the same for all pages of a query."""
    return round(found * (1 + noise * (2 * chance(seed, "count noise", filters) - 1)))


def total_as_sent(total: int, seed: int, query: str) -> int | str:
    """The total as a number, or in some replies as a text, which is empty for nothing."""
    if chance(seed, "total", query) < rates.STRING_TOTAL:
        return str(total) if total else ""
    return total


def _whole_number(parameters: Mapping[str, str], name: str, usual: int) -> int:
    value = parameters.get(name, "")
    number = int(value) if re.fullmatch("[0-9]{1,9}", value) else 0
    return number or usual


def moment(parameters: Mapping[str, str], name: str) -> int | None:
    """Seconds since 1970 of a parameter that holds them, or a date and time as MySQL writes it."""
    value = parameters.get(name, "").strip()
    if not value:
        return None
    try:
        if value.lstrip("-").isdigit():
            return int(value)
        return int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise ApiError(18, f"Illogical arguments: {name} is no date") from None


def flickr_response(request: web.Request, reply: str) -> web.Response:
    """The reply of the Flickr API, in a callback unless the client asks for plain JSON."""
    if request.query.get("format") == "json" and request.query.get("nojsoncallback") != "1":
        return web.Response(text=f"jsonFlickrApi({reply})", content_type="text/javascript")
    return web.Response(text=reply, content_type="application/json")

"""A plain client of the simulated site."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from rawlabel_photo_site.web.server import RunningSite


@dataclass
class Reply:
    status: int
    headers: Any
    body: bytes


class _Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Unfollowed)


AGENT = "rawlabel-tests/1.0 (mailto:tests@example.org)"
"""A user agent that names a contact."""


def get(url: str, data: bytes | None = None, **headers: str) -> Reply:
    """GET, or POST if there is data, without following redirects; error statuses are replies too."""
    named = {"User-Agent": AGENT} | {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=data, headers=named)  # noqa: S310 - always the site's own address
    try:
        with _OPENER.open(request, timeout=120) as reply:
            return Reply(reply.status, reply.headers, reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.headers, error.read())


def call(served: RunningSite, method: str = "flickr.photos.search", **parameters: Any) -> dict[str, Any]:
    """One API call with the usual parameters; None leaves one out."""
    values = {"method": method, "api_key": "any", "format": "json", "nojsoncallback": "1", **parameters}
    query = urllib.parse.urlencode({name: value for name, value in values.items() if value is not None})
    reply = get(f"{served.base_url}/services/rest/?{query}")
    assert reply.status == 200
    return json.loads(reply.body)


def search_all(served: RunningSite, **parameters: Any) -> list[dict[str, Any]]:
    """All photos of a search, page by page."""
    photos: list[dict[str, Any]] = []
    page = 1
    while True:
        block = call(served, page=page, **parameters)["photos"]
        photos += block["photo"]
        if page >= block["pages"]:
            return photos
        page += 1


def ask(served: RunningSite, path: str, headers: dict[str, str] | None = None, **parameters: Any) -> Reply:
    """One request to any of the APIs; the body is JSON."""
    query = urllib.parse.urlencode({name: value for name, value in parameters.items() if value is not None})
    return get(f"{served.base_url}{path}?{query}", **(headers or {}))


def commons(served: RunningSite, **parameters: Any) -> dict[str, Any]:
    """One call of the API of Commons; without other parameters a search with all information."""
    usual = {"action": "query", "format": "json", "formatversion": 2, "prop": "imageinfo", "iiurlwidth": 120}
    usual["iiprop"] = "url|size|sha1|mime|user|timestamp|extmetadata"
    if "gsrsearch" in parameters:
        usual |= {"generator": "search", "gsrnamespace": 6}
    reply = ask(served, "/w/api.php", **(usual | parameters))
    assert reply.status == 200
    return json.loads(reply.body)

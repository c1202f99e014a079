"""A small and a default simulated site, and a plain client for them."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from rawlabel.config.sections import PhotoSiteConfig
from rawlabel.photo_site import NO_FAULTS, PhotoSite, RunningSite, running


@dataclass
class Reply:
    status: int
    headers: Any
    body: bytes


class _Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Unfollowed)


def get(url: str) -> Reply:
    """GET without following redirects; error statuses are replies too."""
    try:
        with _OPENER.open(url, timeout=20) as reply:
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


@pytest.fixture(scope="session")
def site() -> PhotoSite:
    """The built-in collection with the settings of the demo, without passing faults."""
    return PhotoSite.build(PhotoSiteConfig(), NO_FAULTS)


@pytest.fixture(scope="session")
def served(site: PhotoSite) -> Iterator[RunningSite]:
    with running(site) as running_site:
        yield running_site

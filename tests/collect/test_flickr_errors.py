"""Every error that Flickr's API documents, and those seen without being documented: which are asked again."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from rawlabel.errors import SourceError
from rawlabel.gather.collect.stage import collect
from tests.helpers.faulty_site import Handler, search_reply, served, settings_for

pytestmark = pytest.mark.integration

# https://www.flickr.com/services/api/flickr.photos.search.html, and the errors common to all methods.
FINAL = {
    1: "Too many tags in ALL query",
    2: "Unknown user",
    3: "Parameterless searches have been disabled",
    4: "You don't have permission to view this pool",
    5: "User deleted",
    11: "No valid machine tags",
    12: "Exceeded maximum allowable machine tags",
    17: "You can only search within your own contacts",
    18: "Illogical arguments",
    77: "Exceeded limit of logical ORs allowed",
    106: "Write operation failed",
    111: 'Format "xyz" not found',
    112: 'Method "xyz" not found',
    114: "Invalid SOAP envelope",
    115: "Invalid XML-RPC Method Call",
    116: "Bad URL found",
}
KEY = {
    95: "SSL is required",
    96: "Invalid signature",
    97: "Missing signature",
    98: "Login failed / Invalid auth token",
    99: "User not logged in / Insufficient permissions",
    100: "Invalid API Key (Key has expired)",
}
PASSING = {
    0: "Sorry, the Flickr API service is not currently available.",
    10: "Sorry, the Flickr search API is not currently available.",
    105: "Service currently unavailable",
    201: "Sorry, the Flickr API service is not currently available.",
    999: "Sorry, the Flickr API service is not currently available.",
}


def failing(code: int, message: str, asked: list[str]) -> Handler:
    """Answers the first search with the error and later ones with nothing found."""

    def handle(request: web.Request) -> web.StreamResponse:
        if request.query["method"] != "flickr.photos.search":
            return web.json_response({"stat": "ok", "licenses": {"license": []}})
        asked.append(request.query["text"])
        if len(asked) == 1:
            return web.json_response({"stat": "fail", "code": code, "message": message})
        return search_reply([], 0)

    return handle


def attempt(tmp_path: Path, handle: Handler) -> dict[str, int]:
    (tmp_path / "classes.txt").write_text("owl\n")
    with served(handle) as address:
        return collect(settings_for(address, tmp_path, attempts=2), api_key="sesame-99")


@pytest.mark.parametrize(("code", "message"), [*FINAL.items(), *KEY.items()])
def test_a_final_error_is_reported_and_not_asked_again(tmp_path: Path, code: int, message: str) -> None:
    asked: list[str] = []
    with pytest.raises(SourceError) as caught:
        attempt(tmp_path, failing(code, message, asked))
    assert message.split(" (")[0] in str(caught.value)
    assert ("refuses the API key" in str(caught.value)) == (code in KEY)
    assert "sesame-99" not in str(caught.value)
    assert len(asked) == 1


@pytest.mark.parametrize(("code", "message"), PASSING.items())
def test_an_error_that_may_pass_is_asked_again(tmp_path: Path, code: int, message: str) -> None:
    asked: list[str] = []
    assert attempt(tmp_path, failing(code, message, asked))["pending"] == 0
    assert len(asked) == 2


@pytest.mark.parametrize(
    "first",
    [
        web.Response(status=429, text="<html>Too many requests</html>", content_type="text/html"),
        web.Response(status=502, text="<html>Bad gateway</html>", content_type="text/html"),
        web.Response(text='{"stat":"fail","code":"201","message":"Sorry",}', content_type="application/json"),
        web.Response(text="", content_type="application/json"),
    ],
    ids=["429 with a page", "502", "JSON with a comma too many", "nothing"],
)
def test_replies_that_are_no_replies_are_asked_again(tmp_path: Path, first: web.Response) -> None:
    asked: list[str] = []

    def handle(request: web.Request) -> web.StreamResponse:
        if request.query["method"] != "flickr.photos.search":
            return web.json_response({"stat": "ok", "licenses": {"license": []}})
        asked.append(request.path)
        return first if len(asked) == 1 else search_reply([], 0)

    assert attempt(tmp_path, handle)["label_events"] == 0
    assert len(asked) == 2

"""Addresses of Commons: widths of the ladder, two hosts, and queries that only say who asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import CollectConfig
from rawlabel.gather.collect.http.host_limits import HostLimits
from rawlabel.gather.collect.reading.commons_sizes import LADDER, addresses_in_turn, best_size
from rawlabel.gather.collect.stage import collect
from tests.helpers.faulty_site import encoded, served

UPLOAD, THUMB = "https://upload.wikimedia.org/wikipedia/commons", "https://thumb.wikimedia.org/wikipedia/commons"
UTM = "?utm_source=commons.wikimedia.org&utm_campaign=imageinfo"


@pytest.mark.parametrize(
    ("original", "thumbnail", "best"),
    [
        (f"{UPLOAD}/a/ab/X.jpg", None, f"{UPLOAD}/thumb/a/ab/X.jpg/500px-X.jpg"),
        (f"{UPLOAD}/a/ab/X.jpg{UTM}", None, f"{UPLOAD}/thumb/a/ab/X.jpg/500px-X.jpg"),
        (None, f"{THUMB}/thumb/a/ab/X.jpg/960px-X.jpg{UTM}", f"{THUMB}/thumb/a/ab/X.jpg/500px-X.jpg"),
        (f"{UPLOAD}/a/ab/X.jpg", f"{THUMB}/a/ab/X.jpg/960px-X.jpg?key=1", f"{THUMB}/a/ab/X.jpg/500px-X.jpg?key=1"),
        # A file whose name looks like a thumbnail's, and the original in the place of a thumbnail.
        (f"{UPLOAD}/a/ab/20px-X.jpg", None, f"{UPLOAD}/thumb/a/ab/20px-X.jpg/500px-20px-X.jpg"),
        (f"{UPLOAD}/a/ab/X.jpg{UTM}", f"{UPLOAD}/a/ab/X.jpg", f"{UPLOAD}/a/ab/X.jpg"),
    ],
)
def test_the_best_size_is_on_the_ladder_and_on_the_host_that_the_api_names(
    original: str | None, thumbnail: str | None, best: str
) -> None:
    size = best_size(original, 4000, 3000, 300, thumbnail)
    assert size.address == best


@pytest.mark.parametrize(
    ("address", "in_turn"),
    [
        (f"{UPLOAD}/thumb/a/ab/X.jpg/800px-X.jpg", ["960", "original"]),
        (f"{THUMB}/thumb/a/ab/X.jpg/800px-X.jpg{UTM}", ["960", "original"]),
        (f"{UPLOAD}/thumb/a/ab/X.jpg/500px-X.jpg", ["500", "original"]),
        (f"{UPLOAD}/a/ab/X.jpg", None),
        ("https://example.org/thumb/a/ab/X.jpg/800px-X.jpg", None),
    ],
)
def test_off_the_ladder_the_ladder_is_tried_and_then_the_original(address: str, in_turn: list[str] | None) -> None:
    asked = addresses_in_turn(address)
    if in_turn is None:
        assert asked == (address,)
        return
    assert f"/{in_turn[0]}px-X.jpg" in asked[0]
    assert int(in_turn[0]) in LADDER
    assert asked[1:] == (f"{UPLOAD}/a/ab/X.jpg",)


def test_the_image_hosts_of_commons_share_a_limit_that_is_not_the_apis() -> None:
    limits = HostLimits(8)
    assert limits.state("thumb.wikimedia.org:443") is limits.state("upload.wikimedia.org:443")
    assert limits.state("thumb.wikimedia.org:443").rule.connections == 2
    assert limits.state("commons.wikimedia.org:443").rule.connections == 1


@pytest.mark.integration
@pytest.mark.parametrize("refusal", [400, 404, 429])
def test_a_table_of_old_thumbnails_is_collected(tmp_path: Path, refusal: int) -> None:
    kept = {"/wikipedia/commons/thumb/a/ab/Big.jpg/960px-Big.jpg", "/wikipedia/commons/a/ab/Small.jpg"}
    asked: list[str] = []

    def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path in kept:
            color = "teal" if "Big" in request.path else "olive"
            return web.Response(body=encoded(Image.new("RGB", (80, 60), color)), content_type="image/jpeg")
        return web.Response(status=404 if "/960px-" in request.path else refusal)

    with served(handle) as address:
        old = "{0}/wikipedia/commons/thumb/a/ab/{1}.jpg/800px-{1}.jpg,owl".format
        (tmp_path / "t.csv").write_text("\n".join(["url,class", old(address, "Big"), old(address, "Small")]))
        config = CollectConfig(
            source=("urls",), input=tmp_path / "t.csv", project=tmp_path / "p", allow_loopback=True
        )
        assert collect(config)["fetched"] == 2
    assert not [path for path in asked if "/800px-" in path]
    with Catalogue(catalogue_path(tmp_path / "p")) as catalogue:
        finals = {one.photo.url: one.outcome.final_url for one in catalogue.candidates()}
    # The address that the bytes came from, where it is another one than the table's.
    assert sorted(str(one).rpartition("/")[2] for one in finals.values()) == ["960px-Big.jpg", "Small.jpg"]

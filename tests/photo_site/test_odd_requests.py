"""Whatever the parameters of a call are, each API answers with data or with an error of its own."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.bulk.bulk import BulkSite
from rawlabel_photo_site.bulk.bulk_api import BulkApi
from rawlabel_photo_site.commons.commons_api import CommonsApi
from rawlabel_photo_site.flickr.flickr_api import FlickrApi
from rawlabel_photo_site.inaturalist.inaturalist_api import InaturalistApi, InaturalistError
from rawlabel_photo_site.openverse.openverse_api import OpenverseApi
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.rules import SiteRules
from rawlabel_photo_site.world.site import PhotoSite

Answer = Callable[[dict[str, str]], Any]
NAMES = {
    "flickr": "text tags tag_mode license sort page per_page extras min_upload_date max_upload_date user_id",
    "commons": "generator prop iiprop gsrsearch gsrlimit gsroffset titles pageids iiurlwidth maxlag",
    "openverse": "q license license_type source excluded_source creator tags page page_size extension filter_dead",
    "inaturalist": "taxon_name taxon_id photo_license quality_grade per_page page id_above id_below order_by",
}
ODD = (
    "",
    "-1",
    "0",
    "1",
    "max",
    "²",
    "٣",
    "9" * 30,
    "999999999",
    "nine",
    "nine|one",
    "1|2",
    "1,2",
    "search",
    "imageinfo",
    "url|size",
)


@functools.cache
def answers() -> dict[str, Answer]:
    rules = SiteRules(speed=1e9, count_noise=0.5, unstable_paging=0.9)
    site = PhotoSite.build(PhotoSiteConfig(per_class=3), NO_FAULTS, max_results=5, rules=rules)
    flickr, commons, openverse = FlickrApi(site), CommonsApi(site), OpenverseApi(site)
    inaturalist, bulk = InaturalistApi(site), BulkApi(BulkSite({"nine": 50, "one": 9}))

    def observations(parameters: dict[str, str]) -> Any:
        try:
            return inaturalist.search(parameters, "me", "http://h")
        except InaturalistError as error:
            assert 400 <= error.status < 500
            return error.reply

    def images(parameters: dict[str, str]) -> Any:
        answer = openverse.search(parameters, "me", "", "http://h")
        assert answer.status in (200, 400, 401)
        return answer.body

    def search(method: str) -> dict[str, str]:
        return {"method": method, "api_key": "k", "format": "json"}

    return {
        "flickr": lambda parameters: flickr.answer(search("flickr.photos.search") | parameters, "http://h"),
        "information": lambda parameters: flickr.answer(search("flickr.photos.getInfo") | parameters, "http://h"),
        "bulk": lambda parameters: json.loads(
            bulk.answer(search("flickr.photos.search") | parameters, "http://h")
        ),
        "commons": lambda parameters: commons.answer(
            {"action": "query", "format": "json", "gsrnamespace": "6"} | parameters, "http://h"
        ),
        "openverse": images,
        "inaturalist": observations,
    }


@pytest.mark.parametrize(
    ("api", "names"), [*NAMES.items(), ("bulk", NAMES["flickr"]), ("information", "photo_id")]
)
@settings(max_examples=60)
@given(data=st.data())
def test_every_api_answers_every_call(api: str, names: str, data: st.DataObject) -> None:
    values = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
    parameters = data.draw(st.dictionaries(st.sampled_from(names.split()), values, max_size=6))
    reply = answers()[api](parameters)
    assert json.loads(json.dumps(reply)) is not None

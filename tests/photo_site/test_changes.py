"""A site some time later, over real connections: which files changed how, and what each API says about it."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.openverse.identifiers import identifier
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.changes import Change, ChangedSite, changed
from rawlabel_photo_site.world.photos import SitePhoto
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_NAME
from tests.helpers.site_client import Reply, ask, call, commons, get

pytestmark = pytest.mark.integration
SHARES = {"reencoded": 0.2, "replaced": 0.1, "dropped": 0.2, "metadata": 0.1, "relicensed": 0.1}
SOURCES = ("flickr", "commons", "inaturalist")


@pytest.fixture(scope="module")
def before() -> PhotoSite:
    return PhotoSite.build(PhotoSiteConfig(per_class=30, seed=2), NO_FAULTS)


@pytest.fixture(scope="module")
def after(before: PhotoSite) -> ChangedSite:
    return changed(before, seed=1, **SHARES)


@pytest.fixture(scope="module")
def served_twice(before: PhotoSite, after: ChangedSite) -> Iterator[tuple[RunningSite, RunningSite]]:
    with running(before) as early, running(after.site) as late:
        yield early, late


def held(site: PhotoSite, source: str) -> list[SitePhoto]:
    if source == "flickr":
        return list(site.photos)
    return list(site.holdings.commons_photos() if source == "commons" else site.holdings.inaturalist_photos())


def address(site: PhotoSite, source: str, photo: SitePhoto) -> str:
    """Path of a small image of the photo, as the APIs give it before anything has changed."""
    if source == "flickr":
        return photo.image_path(BY_NAME[next(name for name in ("s", "t", "o") if name in photo.sizes())])
    if source == "inaturalist":
        return f"/inaturalist-open-data/photos/{photo.photo_id}/small.jpg"
    from rawlabel_photo_site.commons.commons_api import original_path

    return original_path(next(file for file in site.holdings.commons if file.photo_id == photo.photo_id))


@pytest.mark.parametrize("source", SOURCES)
def test_shares_are_exact_and_of_healthy_photos(before: PhotoSite, after: ChangedSite, source: str) -> None:
    healthy = {photo.photo_id for photo in held(before, source) if photo.fault is None}
    changes = after.changes[source]
    assert set(changes) <= healthy
    expected = {
        Change(name): round(share * len(healthy))
        for name, share in SHARES.items()
        if (name, source) != ("relicensed", "commons")
    }
    assert Counter(changes.values()) == {change: count for change, count in expected.items() if count}
    assert changed(before, seed=1, **SHARES).changes == after.changes
    assert changed(before, seed=2, **SHARES).changes != after.changes


@pytest.mark.parametrize("source", SOURCES)
def test_each_file_has_changed_as_the_truth_says(
    before: PhotoSite, after: ChangedSite, served_twice: tuple[RunningSite, RunningSite], source: str
) -> None:
    seen: Counter[Change | None] = Counter()
    for photo in held(before, source):
        change = after.changes[source].get(photo.photo_id)
        if photo.fault is not None or seen[change] >= 4:
            continue
        seen[change] += 1
        path = address(before, source, photo)
        early, late = get(served_twice[0].base_url + path), get(served_twice[1].base_url + path)
        assert early.status == 200
        assert change_between(early, late) == (None if change is Change.RELICENSED else change)
        shown = after.site.identity(source, photo.photo_id)
        assert (shown == before.identity(source, photo.photo_id)) == (change is not Change.REPLACED)
    assert len(seen) == (5 if source == "commons" else 6)


def change_between(early: Reply, late: Reply) -> Change | None:
    """What a client can tell about two files of one address."""
    if late.status != 200:
        return Change.DROPPED
    if early.body == late.body:
        return None
    images = [Image.open(io.BytesIO(reply.body)) for reply in (early, late)]
    assert images[0].size == images[1].size
    one, other = (np.asarray(image.convert("RGB"), float) for image in images)
    if (one == other).all():
        assert images[1].info["comment"] and images[1].getexif()
        return Change.METADATA
    return Change.REENCODED if np.abs(one - other).mean() < 12 else Change.REPLACED


def test_dropped_photos_are_gone_in_different_ways_and_from_every_api(
    before: PhotoSite, after: ChangedSite, served_twice: tuple[RunningSite, RunningSite]
) -> None:
    early, late = served_twice
    ways: Counter[int] = Counter()
    listed = {photo["id"] for photo in call(late, text="nine", per_page=500)["photos"]["photo"]}
    for photo_id, change in after.changes["flickr"].items():
        if change is not Change.DROPPED:
            continue
        photo = before.by_id[photo_id]
        ways[get(late.base_url + address(before, "flickr", photo)).status] += 1
        assert photo_id not in listed
        if sum(ways.values()) <= 6:
            assert information(early, photo_id)["stat"] == "ok"
            assert information(late, photo_id)["code"] == 1
            detail = f"/v1/images/{identifier('flickr', photo_id)}/"
            expected = (404, 404) if photo.license_id in (0, 7, 8) else (200, 404)
            assert (get(early.base_url + detail).status, get(late.base_url + detail).status) == expected
            assert get(f"{late.base_url}/photos/{photo.owner.nsid}/{photo_id}").status == 404
    assert set(ways) == {302, 403, 404}


def information(served: RunningSite, photo_id: str) -> dict[str, object]:
    return call(served, method="flickr.photos.getInfo", photo_id=photo_id)


def test_commons_and_inaturalist_do_not_know_dropped_photos(
    after: ChangedSite, served_twice: tuple[RunningSite, RunningSite]
) -> None:
    early, late = served_twice
    dropped = {
        source: [photo_id for photo_id, change in after.changes[source].items() if change is Change.DROPPED]
        for source in SOURCES
    }
    asked = "|".join(dropped["commons"][:20])
    pages = [commons(served, pageids=asked, prop="info")["query"]["pages"] for served in (early, late)]
    assert not any(page.get("missing") for page in pages[0])
    assert all(page["missing"] for page in pages[1])
    shown = [
        {
            str(photo["id"])
            for one in json.loads(ask(served, "/v1/observations", per_page=200).body)["results"]
            for photo in one["photos"]
        }
        for served in (early, late)
    ]
    assert not shown[1] & set(dropped["inaturalist"])
    assert shown[0] & set(dropped["inaturalist"])


def test_licenses_and_digests_are_the_current_ones(
    before: PhotoSite, after: ChangedSite, served_twice: tuple[RunningSite, RunningSite]
) -> None:
    early, late = served_twice
    closed = [photo_id for photo_id, change in after.changes["flickr"].items() if change is Change.RELICENSED]
    open_before = next(photo_id for photo_id in closed if before.by_id[photo_id].license_id != 0)
    assert [information(served, open_before)["photo"]["license"] for served in served_twice] == [  # type: ignore[index]
        str(before.by_id[open_before].license_id),
        "0",
    ]
    replaced = next(photo_id for photo_id, change in after.changes["commons"].items() if change is Change.REPLACED)
    digests = [
        commons(served, pageids=replaced)["query"]["pages"][0]["imageinfo"][0]["sha1"] for served in (early, late)
    ]
    assert digests[0] != digests[1]


def test_shares_above_everything_are_refused(before: PhotoSite) -> None:
    with pytest.raises(ValueError, match="1 at most"):
        changed(before, 0, reencoded=0.6, dropped=0.6)

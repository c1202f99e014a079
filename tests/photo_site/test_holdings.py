"""Which photos are where: shares, identities across the sites, and one seed gives one distribution."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.openverse.openverse_records import records_of
from rawlabel_photo_site.pictures.renderer import image_file, large_file
from rawlabel_photo_site.world.holdings import SOURCES
from rawlabel_photo_site.world.licenses import FREE
from rawlabel_photo_site.world.photos import SitePhoto
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_NAME


def test_commons_has_free_photos_of_flickr_in_larger_files_and_photos_of_its_own(site: PhotoSite) -> None:
    carried = [file for file in site.holdings.commons if file.origin is not None]
    own = [file for file in site.holdings.commons if file.origin is None and file.photo is not None]
    free = [photo for photo in site.photos if photo.license_id in FREE and photo.fault is None]
    assert 0.4 < len(carried) / len(free) < 0.6
    assert len(own) > len(carried)
    assert {file.license_id for file in site.holdings.commons} <= FREE
    titles = [file.title for file in site.holdings.commons]
    assert len(set(titles)) == len(titles)
    assert not any(set(title) & set("#<>[]|{}_/\n") for title in titles)
    for file in carried[:3]:
        assert file.photo is not None and file.origin is not None
        assert f"({file.origin.photo_id})" in file.title
        assert file.width > file.origin.width
        assert correlation(large_file(file.photo), image_file(file.origin, BY_NAME["t"])) > 0.8


def correlation(one: bytes, other: bytes) -> float:
    small = [
        np.asarray(Image.open(io.BytesIO(body)).convert("L").resize((24, 24)), float) for body in (one, other)
    ]
    return float(np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1])


def test_an_identity_is_a_picture_and_every_photo_has_one(site: PhotoSite) -> None:
    truth = site.truth()
    assert set(truth["pictures"]) == set(SOURCES)
    assert set(truth["pictures"]["flickr"]) == set(truth["photos"])
    pictures: dict[str, object] = {}
    photos: dict[str, list[SitePhoto]] = {
        "flickr": list(site.photos),
        "commons": list(site.holdings.commons_photos()),
        "inaturalist": list(site.holdings.inaturalist_photos()),
    }
    for source, held in photos.items():
        for photo in held:
            name = site.identity(source, photo.photo_id)
            assert pictures.setdefault(name, photo.picture) == photo.picture
            assert truth["contents"][name] == photo.content
    assert len(set(pictures.values())) == len(pictures)
    for photo in site.photos:
        if photo.reupload_of is not None:
            assert site.identity("flickr", photo.photo_id) == site.identity("flickr", photo.reupload_of)
    for file in site.holdings.commons:
        if file.origin is not None:
            assert site.identity("commons", file.photo_id) == site.identity("flickr", file.origin.photo_id)
        if file.photo is None:
            with pytest.raises(KeyError):
                site.identity("commons", file.photo_id)


def test_openverse_shows_pictures_that_other_sites_show_too(site: PhotoSite) -> None:
    records = records_of(site)
    assert len({record.identifier for record in records}) == len(records)
    shown = Counter(site.identity("openverse", record.identifier) for record in records)
    assert sum(count > 1 for count in shown.values()) > 50
    assert {record.source for record in records} == {"flickr", "wikimedia", "inaturalist"}
    assert not {record.photo.license_id for record in records} & {0, 7, 8}


def test_flickr_lacks_most_of_what_the_others_have_of_their_own(site: PhotoSite) -> None:
    pictures = site.truth()["pictures"]
    on_flickr = set(pictures["flickr"].values())
    for source in ("commons", "inaturalist"):
        own = [name for name in pictures[source].values() if name not in on_flickr]
        assert len(own) > 0.4 * len(pictures[source])


def test_the_same_settings_give_the_same_distribution_whoever_asks_first(site: PhotoSite) -> None:
    config = PhotoSiteConfig(per_class=20, seed=5)
    one, other = PhotoSite.build(config, NO_FAULTS), PhotoSite.build(config, NO_FAULTS)
    one.truth()
    assert one.holdings == other.holdings
    assert one.photos == other.photos
    assert one.holdings != PhotoSite.build(config.model_copy(update={"seed": 6}), NO_FAULTS).holdings


def test_observations_are_mostly_named_after_what_they_show(site: PhotoSite) -> None:
    observations = site.holdings.observations
    right = [one.taxon.common_name == one.photos[0].content for one in observations]
    assert 0.93 < sum(right) / len(right) < 1
    assert all(one.taxon.common_name == one.photos[0].content for one in observations if one.quality == "research")
    assert {len(one.photos) for one in observations} == {1, 2, 3}

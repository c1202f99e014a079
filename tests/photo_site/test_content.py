"""What the site holds: shares of noise, copies, owners, and that one seed gives one site."""

from __future__ import annotations

import dataclasses
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rawlabel.config import PhotoSiteConfig
from rawlabel.errors import ConfigError
from rawlabel_photo_site.flickr.flickr_api import FlickrApi
from rawlabel_photo_site.pictures.renderer import image_file
from rawlabel_photo_site.world import rates
from rawlabel_photo_site.world.photos import SitePhoto
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_NAME, SIZES


def pixels(photo: SitePhoto, size: str = "t") -> np.ndarray:
    with Image.open(io.BytesIO(image_file(photo, BY_NAME[size]))) as image:
        return np.asarray(image.convert("L").resize((24, 24)), dtype=float)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.4, 0.85])
def test_each_keyword_returns_the_number_of_photos_and_the_share_of_noise_that_the_settings_say(
    noise: float,
) -> None:
    truth = PhotoSite.build(PhotoSiteConfig(noise=noise, per_class=100)).truth()
    for name in truth["classes"]:
        found = [photo for photo in truth["photos"].values() if name in photo["keywords"]]
        wrong = [photo for photo in found if photo["content"] != name]
        assert len(found) == 100
        assert len(wrong) == round(noise * 100)


def test_planted_classes_show_two_things_or_share_photos_with_their_twin_and_leave_the_others_alone() -> None:
    settings = PhotoSiteConfig(noise=0.2, per_class=100, homonym_class=("two",), sibling_pair=("four:nine",))
    truth = PhotoSite.build(settings).truth()
    usual = PhotoSite.build(PhotoSiteConfig(noise=0.2, per_class=100)).truth()

    def shown(of: dict[str, Any], name: str) -> Counter[str]:
        return Counter(photo["content"] for photo in of["photos"].values() if name in photo["keywords"])

    def shared(of: dict[str, Any], *names: str) -> int:
        return sum(set(names) <= set(photo["keywords"]) for photo in of["photos"].values())

    assert shown(truth, "two")["other:cup"] == shown(usual, "two")["other:cup"] + 40
    assert shown(truth, "four")["nine"] == shown(usual, "four")["nine"] + 30
    assert shown(truth, "nine")["four"] >= 30
    assert shared(truth, "four", "nine") > 10 > shared(usual, "four", "nine")
    for name in set(truth["classes"]) - {"two", "four", "nine"}:
        assert shown(truth, name)[name] == 80


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"homonym_class": ("tow",)}, "--homonym-class: no class is called 'tow'.*two"),
        ({"sibling_pair": ("four",)}, "--sibling-pair: 'four' should name two classes"),
        ({"sibling_pair": ("four:nine",), "homonym_class": ("four",)}, "'four' is named twice"),
        ({"homonym_class": ("two",), "noise": 0.6}, "--noise: leaves no right photos"),
    ],
)
def test_what_cannot_be_planted_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        PhotoSite.build(PhotoSiteConfig(**settings))


def test_noise_is_half_siblings_and_a_quarter_each_of_homonyms_and_off_topic(site: PhotoSite) -> None:
    photos = site.truth()["photos"].values()
    kinds = Counter(photo["kind"] for photo in photos)
    wrong = sum(kinds.values()) - kinds["true"]
    shares = [kinds[kind] / wrong for kind in ("sibling", "homonym", "off_topic")]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.02)


def test_siblings_and_homonyms_of_a_keyword_are_always_the_same_things(site: PhotoSite) -> None:
    contents: dict[tuple[str, str], set[str]] = {}
    for photo in site.truth()["photos"].values():
        if photo["kind"] in ("sibling", "homonym"):
            wrong = [name for name in photo["keywords"] if name != photo["content"]]
            contents.setdefault((wrong[0], photo["kind"]), set()).add(photo["content"])
    for name in site.classes:
        assert 1 <= len(contents[name, "sibling"]) <= 2
        assert len(contents[name, "homonym"]) == 1
    assert all(
        name.startswith("other:") for key, names in contents.items() if key[1] == "homonym" for name in names
    )


def test_about_one_in_ten_wrong_photos_of_a_class_also_turns_up_under_its_right_keyword(site: PhotoSite) -> None:
    wrong = [photo for photo in site.truth()["photos"].values() if photo["kind"] != "true"]
    of_class = [photo for photo in wrong if not photo["content"].startswith("other:")]
    both = [photo for photo in of_class if photo["content"] in photo["keywords"]]
    assert len(both) / len(of_class) == pytest.approx(rates.SHARED_NOISE, abs=0.03)
    assert all(len(photo["keywords"]) == 2 for photo in both)
    assert all(len(photo["keywords"]) == 1 for photo in wrong if photo not in both)


def test_noise_grows_with_the_rank(site: PhotoSite) -> None:
    first, last = 0, 0
    for name in site.classes:
        ranked = site.index.ranked(name, frozenset(site.index.with_text(name)))
        wrong = [site.photos[position].content != name for position in ranked]
        first, last = first + sum(wrong[:100]), last + sum(wrong[-100:])
    assert last > 1.2 * first > 0


def test_lasting_faults_copies_and_reuploads_occur_at_their_rates(site: PhotoSite) -> None:
    photos = list(site.truth()["photos"].values())
    faults = Counter(photo["fault"] for photo in photos)
    for fault, rate in (
        ("removed", 0.02),
        ("missing", 0.01),
        ("truncated", 0.01),
        ("corrupt", 0.005),
        ("tiny", 0.005),
    ):
        assert faults[fault] / len(photos) == pytest.approx(rate, abs=0.002)
    assert sum(photo["reupload_of"] is not None for photo in photos) / len(photos) == pytest.approx(
        0.04, abs=0.005
    )
    assert sum(photo["copy_of_test"] is not None for photo in photos) / len(photos) == pytest.approx(
        0.01, abs=0.003
    )


def test_reuploads_are_by_other_owners_and_half_of_them_have_the_same_bytes(site: PhotoSite) -> None:
    reuploads = [photo for photo in site.photos if photo.reupload_of is not None]
    identical = 0
    for photo in reuploads:
        original = site.by_id[photo.reupload_of or ""]
        assert original.owner != photo.owner
        assert (original.content, original.uploaded <= photo.uploaded) == (photo.content, True)
        same = image_file(photo, BY_NAME["t"]) == image_file(original, BY_NAME["t"])
        identical += same and (photo.width, photo.height) == (original.width, original.height)
        if photo.edit.crop == original.edit.crop:
            assert correlation(pixels(photo), pixels(original)) > 0.8
    assert 0.35 < identical / len(reuploads) < 0.65


def test_owners_have_three_photos_on_average_and_a_few_have_many(site: PhotoSite) -> None:
    photos_of = Counter(photo.owner.nsid for photo in site.photos)
    assert 2 < len(site.photos) / len(photos_of) < 4
    assert max(photos_of.values()) > 15
    assert min(photo.uploaded for photo in site.photos) >= 1_104_537_600  # 2005-01-01
    assert max(photo.uploaded for photo in site.photos) < 1_735_689_600  # 2025-01-01


@pytest.mark.integration
def test_test_digits_never_appear_among_the_candidates_except_as_declared_copies(
    site: PhotoSite, tmp_path: Path
) -> None:
    site.write_test_set(tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg")}
    samples = {sample.file_name: sample for sample in site.collection.test}
    assert written == set(samples)
    assert 590 <= len(written) <= 610
    digits_of_test = {sample.picture.digit for sample in samples.values()}  # type: ignore[attr-defined]
    copies = 0
    for photo in site.photos:
        digit = getattr(photo.picture, "digit", None)
        if photo.copy_of_test is None:
            assert digit is None or digit not in digits_of_test
            continue
        copies += 1
        sample = samples[photo.copy_of_test]
        assert photo.content == sample.content == photo.copy_of_test.split("/")[0]
        with Image.open(tmp_path / photo.copy_of_test) as image:
            test_pixels = np.asarray(image.convert("L").resize((24, 24)), dtype=float)
        assert correlation(pixels(photo), test_pixels) > 0.8
    assert copies > 10


def test_the_test_set_does_not_depend_on_the_seed() -> None:
    one, other = (PhotoSite.build(PhotoSiteConfig(seed=seed, per_class=5)) for seed in (1, 2))
    assert one.collection.test == other.collection.test
    assert {photo.photo_id for photo in one.photos} != {photo.photo_id for photo in other.photos}


def test_two_builds_are_the_same_byte_for_byte_in_any_order_of_requests(tmp_path: Path) -> None:
    config = PhotoSiteConfig(seed=7, per_class=30)
    one, other = PhotoSite.build(config, NO_FAULTS), PhotoSite.build(config, NO_FAULTS)
    calls = [
        {
            "method": "flickr.photos.search",
            "api_key": "k",
            "format": "json",
            "text": name,
            "sort": "relevance",
            "extras": "url_m,tags,license,description,date_taken",
        }
        for name in one.classes
    ]
    first, second = FlickrApi(one), FlickrApi(other)
    replies = [json.dumps(first.answer(query, "http://h")) for query in calls]
    assert replies == [json.dumps(second.answer(query, "http://h")) for query in reversed(calls)][::-1]
    files = [image_file(photo, BY_NAME["sq"]) for photo in one.photos if photo.offers(BY_NAME["sq"])]
    image_file.__globals__["_rendered"].cache_clear()
    again = [image_file(photo, BY_NAME["sq"]) for photo in reversed(other.photos) if photo.offers(BY_NAME["sq"])]
    assert files == again[::-1]
    one.write_truth(tmp_path / "one.json")
    other.write_truth(tmp_path / "deep" / "other.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "deep" / "other.json").read_bytes()


def test_each_offered_size_is_an_image_of_the_stated_dimensions_and_never_enlarged(site: PhotoSite) -> None:
    by_width = sorted(site.photos, key=lambda photo: photo.width)
    seen = set()
    for photo in (by_width[0], by_width[len(by_width) // 2], by_width[-1], by_width[-40]):
        whole = dataclasses.replace(photo, offered=frozenset(size.name for size in SIZES))
        for name, (width, height) in whole.sizes().items():
            with Image.open(io.BytesIO(image_file(whole, BY_NAME[name]))) as image:
                assert image.size == (width, height)
                assert image.format == "JPEG"
            assert width <= photo.width and height <= photo.height
            seen.add(name)
    assert seen == {size.name for size in SIZES} - {"k"}


def test_every_photo_offers_at_least_one_size(site: PhotoSite) -> None:
    assert all(photo.sizes() for photo in site.photos)
    assert any("n" not in photo.sizes() and photo.width > 320 for photo in site.photos)


def test_writing_a_test_set_or_test_photos_needs_the_matching_collection(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--test-photos"):
        PhotoSite.build(PhotoSiteConfig(test_photos=tmp_path))
    with pytest.raises(ConfigError, match="--write-test-set"):
        PhotoSite.build(PhotoSiteConfig(photos=tmp_path, write_test_set=tmp_path))

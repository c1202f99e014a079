"""A site made of the user's own photos."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rawlabel.config import PhotoSiteConfig
from rawlabel.errors import DataError
from rawlabel_photo_site.pictures.renderer import image_file
from rawlabel_photo_site.web.server import running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_NAME
from tests.helpers.site_client import ask, call, commons, get, search_all

NAMES = ("cat", "monarch_butterfly", "Roses", "photo")


def make_tree(root: Path, count: int, seed: int) -> Path:
    random = np.random.default_rng(seed)
    for index, name in enumerate(NAMES):
        folder = root / name / "deeper"
        folder.mkdir(parents=True)
        for number in range(count):
            values = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
            values[..., index % 3] = 255
            image = Image.fromarray(values).resize((200 + 40 * index, 150), Image.Resampling.BICUBIC)
            exif = Image.Exif()
            if number == 0:
                exif[0x0112] = 6
            image.save(folder / f"{number:03}.{'png' if number % 5 == 4 else 'jpg'}", exif=exif)
    (root / "empty").mkdir()
    (root / "cat" / "broken.jpg").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("photos"), 60, 1)


@pytest.fixture(scope="module")
def test_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("test"), 10, 2)


@pytest.mark.integration
def test_folder_names_are_the_classes_and_their_words_the_keywords(tree: Path, test_tree: Path) -> None:
    site = PhotoSite.build(PhotoSiteConfig(photos=tree, test_photos=test_tree), NO_FAULTS)
    truth = site.truth()
    assert truth["classes"] == sorted(NAMES)
    with running(site) as served:
        for keyword, name in (
            ("cat", "cat"),
            ("rose", "Roses"),
            ("roses", "Roses"),
            ("monarch butterflies", "monarch_butterfly"),
            ("Photo", "photo"),
        ):
            found = {photo["id"] for photo in search_all(served, text=keyword, per_page=50)}
            expected = {key for key, photo in truth["photos"].items() if name in photo["keywords"]}
            assert found == expected
            assert len(found) >= 60
            wrong = sum(truth["photos"][key]["content"] != name for key in found)
            assert wrong / len(found) == pytest.approx(0.4, abs=0.03)
        healthy = next(photo for photo in site.photos if photo.fault is None and hasattr(photo.picture, "path"))
        address = served.base_url + healthy.image_path(BY_NAME["t"])
        assert Image.open(io.BytesIO(get(address).body)).size == healthy.sizes()["t"]
    copies = [photo["copy_of_test"] for photo in truth["photos"].values() if photo["copy_of_test"]]
    assert copies and all((test_tree / copy).is_file() for copy in copies)


@pytest.mark.integration
def test_the_other_sites_hold_photos_of_the_folder_only(tree: Path) -> None:
    site = PhotoSite.build(PhotoSiteConfig(photos=tree), NO_FAULTS)
    photos = [*site.holdings.commons_photos(), *site.holdings.inaturalist_photos()]
    assert photos and {photo.picture for photo in photos} <= {photo.picture for photo in site.photos}
    carried = next(file for file in site.holdings.commons if file.photo and hasattr(file.photo.picture, "path"))
    with running(site) as served:
        info = commons(served, pageids=carried.page_id)["query"]["pages"][0]["imageinfo"][0]
        body = get(info["url"]).body
        assert hashlib.sha1(body).hexdigest() == info["sha1"]
        found = json.loads(ask(served, "/v1/observations", taxon_name="monarch butterfly").body)
        assert {one["taxon"]["name"] for one in found["results"]} == {"Monarch butterfly"}
        assert json.loads(ask(served, "/v1/images/", q="monarch butterfly").body)["results"]


def test_each_file_is_one_photo_unless_it_is_reuploaded_and_noise_has_the_same_kinds(tree: Path) -> None:
    site = PhotoSite.build(PhotoSiteConfig(photos=tree))
    paths = [
        photo.picture.path for photo in site.photos if hasattr(photo.picture, "path") and not photo.reupload_of
    ]
    assert len(set(paths)) == len(paths) > 0.85 * 60 * len(NAMES)
    assert all(
        photo.content == Path(photo.picture.path).parts[-3] for photo in site.photos if photo.kind == "true"
    )  # type: ignore[attr-defined]
    kinds = Counter(photo.kind.value for photo in site.photos)
    wrong = len(site.photos) - kinds["true"]
    assert kinds["sibling"] / wrong == pytest.approx(0.5, abs=0.1)
    assert kinds["homonym"] / wrong == pytest.approx(0.25, abs=0.05)


def test_a_turned_photo_is_served_upright(tree: Path) -> None:
    site = PhotoSite.build(PhotoSiteConfig(photos=tree, noise=0.0))
    turned = [p for p in site.photos if getattr(p.picture, "path", "").endswith("000.jpg") and p.fault is None]
    assert turned
    for photo in turned:
        assert photo.picture.height > photo.picture.width
        with Image.open(io.BytesIO(image_file(photo, BY_NAME["sq"]))) as image:
            assert image.size == (75, 75)


def test_unequal_folders_a_single_folder_and_a_wish_for_too_many_are_all_served(tmp_path: Path) -> None:
    for name, count in (("big", 50), ("small", 3)):
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / name / f"{number}.jpg")
    site = PhotoSite.build(PhotoSiteConfig(photos=tmp_path, per_class=5000))
    found = Counter(keyword for photo in site.truth()["photos"].values() for keyword in photo["keywords"])
    assert found["big"] >= 50
    assert 3 <= found["small"] <= 6
    alone = PhotoSite.build(PhotoSiteConfig(photos=tmp_path / "big" / ".."))
    assert len(alone.photos) == len(PhotoSite.build(PhotoSiteConfig(photos=tmp_path)).photos)
    limited = PhotoSite.build(PhotoSiteConfig(photos=tmp_path, per_class=10)).truth()
    assert sum("big" in photo["keywords"] for photo in limited["photos"].values()) == 10


def test_the_only_folder_has_drawn_noise(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    for number in range(12):
        Image.new("RGB", (64, 48), (number * 20, 0, 0)).save(tmp_path / "only" / f"{number}.jpg")
    photos = PhotoSite.build(PhotoSiteConfig(photos=tmp_path)).truth()["photos"].values()
    assert {photo["content"] for photo in photos if photo["kind"] != "true"} >= {"other:fish"}
    assert sum(photo["content"] == "only" for photo in photos) / len(photos) == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize("flag", ["--photos", "--test-photos"])
def test_a_missing_or_empty_folder_is_named_with_a_remedy(flag: str, tree: Path, tmp_path: Path) -> None:
    def config(folder: Path) -> PhotoSiteConfig:
        photos, test = (folder, None) if flag == "--photos" else (tree, folder)
        return PhotoSiteConfig(photos=photos, test_photos=test)

    with pytest.raises(DataError, match=rf"^{flag} .*absent is no folder"):
        PhotoSite.build(config(tmp_path / "absent"))
    with pytest.raises(DataError, match=rf"^{flag} .*has no images"):
        PhotoSite.build(config(tmp_path))


@pytest.mark.real_data
@pytest.mark.integration
def test_flower_photos_collected_by_keyword_are_served_under_their_keywords(shared_data: Path) -> None:
    flowers = shared_data / "flowers"
    config = PhotoSiteConfig(photos=flowers / "train", test_photos=flowers / "test")
    site = PhotoSite.build(config, NO_FAULTS)
    assert site.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert len(site.photos) > 2934
    with running(site) as served:
        block = call(served, text="dandelions", extras="url_n,url_t,url_o", sort="relevance", per_page=20)[
            "photos"
        ]
        assert int(block["total"]) > 500
        for photo in block["photo"]:
            reply = get(photo.get("url_t") or photo["url_o"])
            if site.by_id[photo["id"]].fault is None:
                Image.open(io.BytesIO(reply.body)).load()

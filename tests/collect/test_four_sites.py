"""All API sources collect one set from sites that share photos, and no picture is in a class twice."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import CollectConfig, CurateConfig, PhotoSiteConfig
from rawlabel.gather.collect.session import Session, requested_sources
from rawlabel.gather.collect.source import Presence
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate.stage import curate
from rawlabel.records import Photo, Verdict
from rawlabel_photo_site.web.server import ENTRANCES, running
from rawlabel_photo_site.world.changes import Change, changed
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.rules import SiteRules
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.source_simulators import SECRETS

pytestmark = pytest.mark.integration
SITES = ("flickr", "commons", "openverse", "inaturalist")
CLASSES = ("one", "three", "five", "eight", "nine")


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def test_no_picture_is_in_a_class_twice(tmp_path: Path) -> None:
    photo_site = PhotoSite.build(PhotoSiteConfig(seed=11, per_class=40), NO_FAULTS, rules=SiteRules(speed=60))
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    with running(photo_site) as site:
        collect(
            CollectConfig(
                classes=tmp_path / "classes.txt",
                project=tmp_path / "p",
                source=SITES,
                base_url=(site.base_url,),
                image_size=128,
                per_class=0,
                allow_loopback=True,
                contact="someone@example.org",
            )
        )
    rows = curate(CurateConfig(project=tmp_path / "p", conflicts="keep-both")).table.to_pylist()
    kept = [row for row in rows if row["verdict"] == Verdict.KEPT]
    assert {row["source"] for row in kept} == set(SITES)
    assert {row["class_id"] for row in kept} == set(CLASSES)
    reasons = Counter(row["reason"] for row in rows)
    assert reasons["same_photo"] > 50
    shown = defaultdict(list)
    for row in kept:
        picture = photo_site.identity(row["source"], row["photo_id"])
        shown[row["class_id"], picture].append(row)
    repeated = [group for group in shown.values() if len({row["source"] for row in group}) > 1]
    assert not repeated


def test_an_address_may_be_given_with_its_path_as_the_simulated_site_prints_it(tmp_path: Path) -> None:
    printed = (
        f"{name}=http://127.0.0.1:8765{path}" for name, path in zip(SITES, dict(ENTRANCES).values(), strict=True)
    )
    config = CollectConfig(classes=tmp_path / "c", project=tmp_path / "p", source=SITES, base_url=tuple(printed),
                           allow_loopback=True)  # fmt: skip
    with Catalogue(catalogue_path(config.project), create=True) as catalogue:
        session = Session(config, catalogue, requested_sources(config), None)
    assert {one.context.base_url for one in session.sources.values()} == {"http://127.0.0.1:8765"}


def test_each_site_says_what_was_taken_down_and_what_has_another_license(tmp_path: Path) -> None:
    before = PhotoSite.build(PhotoSiteConfig(seed=11, per_class=24), NO_FAULTS, rules=SiteRules(speed=60))
    after = changed(before, 5, dropped=0.3, relicensed=0.3, reencoded=0, replaced=0)
    (tmp_path / "classes.txt").write_text("three\neight\n")
    config = CollectConfig(
        classes=tmp_path / "classes.txt", project=tmp_path / "p", source=SITES, search_only=True, per_class=0,
        allow_loopback=True, contact="someone@example.org",
    )  # fmt: skip
    with running(before) as site:
        collect(config.model_copy(update={"base_url": (site.base_url,)}))
    with Catalogue(catalogue_path(config.project)) as catalogue, running(after.site) as site:
        photos = {name: [one for one in catalogue.unasked() if one.source == name][:40] for name in SITES}
        answers = asyncio.run(asked(config.model_copy(update={"base_url": (site.base_url,)}), catalogue, photos))
    seen: Counter[tuple[str, Change | None]] = Counter()
    for name, known in photos.items():
        for photo in known:
            change, answer = after.changes[name].get(photo.photo_id), answers[name].get(photo.photo_id)
            assert answer is not None
            seen[name, change] += 1
            if name == "openverse" and change is Change.RELICENSED:
                # It lists open licenses only, and Commons does not take one back.
                continue
            assert answer.is_there == (change is not Change.DROPPED)
            if change is Change.RELICENSED and name in ("flickr", "inaturalist"):
                assert answer.license_name == "All Rights Reserved"
            elif answer.is_there and name != "openverse":
                assert answer.license_name == photo.license_name
    assert all(seen[name, Change.DROPPED] for name in SITES)


async def asked(
    config: CollectConfig, catalogue: Catalogue, photos: Mapping[str, Sequence[Photo]]
) -> dict[str, Mapping[str, Presence]]:
    async with Session(config, catalogue, requested_sources(config), None) as session:
        return {name: await session.sources[name].presence(some) for name, some in photos.items()}

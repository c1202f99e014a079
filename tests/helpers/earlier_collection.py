"""A collection made from a simulated site, and that site some time later on the same address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rawlabel.artifacts.manifest import Manifest
from rawlabel.config import CollectConfig, CurateConfig, PhotoSiteConfig
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate.stage import curate
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.changes import ChangedSite, changed
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.ports import free_port
from tests.helpers.small_site import KEY

WORDS = ("three", "eight", "nine", "seven")


@dataclass(frozen=True)
class Then:
    """A curated collection and the site that it was made from."""

    site: PhotoSite
    manifest: Manifest
    port: int

    @property
    def project(self) -> Path:
        return self.manifest.project


@pytest.fixture(scope="session")
def then(tmp_path_factory: pytest.TempPathFactory) -> Then:
    folder = tmp_path_factory.mktemp("then")
    (folder / "classes.txt").write_text("\n".join(WORDS))
    site = PhotoSite.build(PhotoSiteConfig(seed=5, per_class=60, api_key=KEY), NO_FAULTS)
    # Others come back to its place.
    with running(site, port=free_port()) as served:
        config = CollectConfig(
            classes=folder / "classes.txt", project=folder / "p", base_url=(served.base_url,), source=("flickr",),
            image_size=64, allow_loopback=True, concurrency=16, per_host=16,
        )  # fmt: skip
        collect(config, api_key=KEY)
        port = urlsplit(served.base_url).port
    assert port is not None
    return Then(site, curate(CurateConfig(project=folder / "p")), port)


@pytest.fixture
def same_site(then: Then) -> Iterator[RunningSite]:
    with running(then.site, port=then.port) as served:
        yield served


@pytest.fixture(scope="session")
def later(then: Then) -> ChangedSite:
    return changed(then.site, seed=1, reencoded=0.05, replaced=0.02, dropped=0.10, metadata=0.05, relicensed=0.05)


@pytest.fixture
def later_site(then: Then, later: ChangedSite) -> Iterator[RunningSite]:
    with running(later.site, port=then.port) as served:
        yield served

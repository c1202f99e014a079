"""A small simulated site to collect from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.site import PhotoSite

PER_CLASS = 40
KEY = "sesame-7431"
"""The key that the site demands."""


@pytest.fixture(scope="session")
def small_site() -> PhotoSite:
    return PhotoSite.build(PhotoSiteConfig(seed=3, per_class=PER_CLASS, api_key=KEY))


@pytest.fixture
def site(small_site: PhotoSite) -> Iterator[RunningSite]:
    """Served afresh for each test, so that its passing faults come again."""
    with running(small_site) as served:
        yield served


@pytest.fixture
def class_file(tmp_path: Path) -> Path:
    path = tmp_path / "classes.json"
    path.write_text('{"three": ["three"], "digit eight": ["eight"], "nine": ["nine"]}')
    return path

"""A small and a default simulated site, and a plain client for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite


@pytest.fixture(scope="session")
def site() -> PhotoSite:
    """The built-in collection with the settings of the demo, without passing faults."""
    return PhotoSite.build(PhotoSiteConfig(), NO_FAULTS)


@pytest.fixture(scope="session")
def served(site: PhotoSite) -> Iterator[RunningSite]:
    with running(site) as running_site:
        yield running_site

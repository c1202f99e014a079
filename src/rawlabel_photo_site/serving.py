"""A simulated photo site with known truth: four sites' APIs and their images, on one port of loopback.

Searches return what searches of a real site return: mostly right photos, and wrong ones for a reason, besides
re-uploads, copies of test photos, removed photos and broken files. Since the site knows what each photo shows,
collection, curation and training can be measured end to end without a network and without an API key.

* ``PhotoSite.build(config, faults=DEFAULT_FAULTS, rules=SiteRules())`` makes a site from `PhotoSiteConfig`; it
  offers ``truth()``, ``identity(source, photo_id)``, ``write_truth(path)``, ``write_test_set(folder)`` and
  ``application()``, an aiohttp application.
* ``running(site, host="127.0.0.1", port=0)`` serves it in a thread for the length of a ``with`` block and yields
  ``RunningSite(base_url, requests, image_log)``.
* ``serve(config, announce)`` serves it until SIGINT or SIGTERM.
* ``changed(site, seed)`` is the site some time later, with files encoded anew, replaced and taken down.
* ``BulkSite(counts)`` is a Flickr of millions of photos without image files, for planning and searching; it can
  be served by ``running`` too.
* ``FaultRates``, ``DEFAULT_FAULTS`` and ``NO_FAULTS`` switch the passing faults, ``SiteRules`` has the limits. The
  rates of all else are constants in `rawlabel_photo_site.world.rates`.

Flickr's API is at ``<base_url>/services/rest/``, that of Wikimedia Commons at ``/w/api.php``, Openverse's at
``/v1/images/`` and iNaturalist's at ``/v1/observations``; pages for people are at ``<base_url>/``, and the truth
is at ``<base_url>/truth.json``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rawlabel_photo_site.world.rates import DEFAULT_FAULTS, NO_FAULTS, FaultRates
from rawlabel_photo_site.world.rules import SiteRules

if TYPE_CHECKING:
    from rawlabel_photo_site.bulk.bulk import BulkSite
    from rawlabel_photo_site.web.server import RunningSite, running, serve
    from rawlabel_photo_site.world.changes import Change, ChangedSite, changed
    from rawlabel_photo_site.world.site import PhotoSite

__all__ = [
    "DEFAULT_FAULTS",
    "NO_FAULTS",
    "BulkSite",
    "Change",
    "ChangedSite",
    "FaultRates",
    "PhotoSite",
    "RunningSite",
    "SiteRules",
    "changed",
    "running",
    "serve",
]

_HOMES = {
    "BulkSite": "rawlabel_photo_site.bulk.bulk",
    "Change": "rawlabel_photo_site.world.changes",
    "ChangedSite": "rawlabel_photo_site.world.changes",
    "changed": "rawlabel_photo_site.world.changes",
    "PhotoSite": "rawlabel_photo_site.world.site",
    "RunningSite": "rawlabel_photo_site.web.server",
    "running": "rawlabel_photo_site.web.server",
    "serve": "rawlabel_photo_site.web.server",
}


def __getattr__(name: str) -> Any:
    # Imaging and web libraries are loaded on first use: the command line imports this package for its help.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""What Openverse knows: the photos of Flickr, Commons and iNaturalist that have a Creative Commons licence."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

from rawlabel_photo_site.commons.commons_api import original_path
from rawlabel_photo_site.inaturalist.inaturalist_api import photo_path
from rawlabel_photo_site.openverse.identifiers import identifier
from rawlabel_photo_site.world.licenses import creative_commons
from rawlabel_photo_site.world.photos import Caption, SitePhoto
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_NAME

_SIZES = ("l", "c", "z", "m", "w", "n", "s", "t", "o")
"""Sizes of Flickr, the most wanted first."""


@dataclass(frozen=True, slots=True)
class Record:
    """One image of Openverse."""

    identifier: str
    source: str
    """`flickr`, `wikimedia` or `inaturalist`."""
    photo: SitePhoto
    title: str
    landing_url: str
    creator_url: str
    path: str
    """Path of the image on the site's image host."""
    width: int
    height: int

    @property
    def photo_id(self) -> str:
        """The identifier (a UUID) under which the search index lists the record."""
        return self.identifier

    @property
    def caption(self) -> Caption:
        """Title, tags and description of the photo, the texts that the search looks at."""
        return self.photo.caption


def records_of(site: PhotoSite) -> tuple[Record, ...]:
    """The records of all sites that Openverse indexes, in a fixed order: Flickr, Wikimedia, iNaturalist."""
    return (*_flickr(site), *_wikimedia(site), *_inaturalist(site))


def _flickr(site: PhotoSite) -> Iterator[Record]:
    for photo in site.photos:
        sizes = photo.sizes()
        name = next((name for name in _SIZES if name in sizes), None)
        if creative_commons(photo.license_id) is None or name is None:
            continue
        people = f"https://www.flickr.com/photos/{photo.owner.nsid}"
        yield Record(
            identifier("flickr", photo.photo_id),
            "flickr",
            photo,
            photo.caption.title,
            f"{people}/{photo.photo_id}",
            people,
            photo.image_path(BY_NAME[name]),
            *sizes[name],
        )


def _wikimedia(site: PhotoSite) -> Iterator[Record]:
    for file in site.holdings.commons:
        if file.photo is None or creative_commons(file.license_id) is None:
            continue
        user = urllib.parse.quote(file.user.name.replace(" ", "_"))
        yield Record(
            identifier("commons", file.photo_id),
            "wikimedia",
            file.photo,
            file.title,
            f"https://commons.wikimedia.org/w/index.php?curid={file.page_id}",
            f"https://commons.wikimedia.org/wiki/User:{user}",
            original_path(file),
            file.width,
            file.height,
        )


def _inaturalist(site: PhotoSite) -> Iterator[Record]:
    for observation in site.holdings.observations:
        for photo in observation.photos:
            if creative_commons(photo.license_id) is None:
                continue
            yield Record(
                identifier("inaturalist", photo.photo_id),
                "inaturalist",
                photo,
                observation.taxon.name,
                f"https://www.inaturalist.org/photos/{photo.photo_id}",
                f"https://www.inaturalist.org/users/{observation.user.nsid.partition('@')[0]}",
                photo_path(photo, "medium"),
                *_medium(photo),
            )


def _medium(photo: SitePhoto) -> tuple[int, int]:
    return BY_NAME["m"].dimensions(photo.width, photo.height) or (photo.width, photo.height)

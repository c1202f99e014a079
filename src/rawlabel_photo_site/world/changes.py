"""A site some time later: files encoded anew, replaced, given other metadata or taken down, and which they are.

For whoever comes back with a list of photos: to rebuild a collection, or to remove what its owners took down.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from rawlabel_photo_site.openverse.openverse_records import identifier
from rawlabel_photo_site.world.holdings import CommonsFile, Holdings, Observation
from rawlabel_photo_site.world.photos import Fault, SitePhoto
from rawlabel_photo_site.world.site import PhotoSite

_OTHER_QUALITY = 14
_WAYS_TO_GO = (Fault.MISSING, Fault.REMOVED, Fault.PRIVATE)


class Change(StrEnum):
    """What has happened to a photo."""

    REENCODED = "reencoded"
    """The same picture as another JPEG: other bytes and slightly other pixels."""
    REPLACED = "replaced"
    """Another picture at the same address."""
    DROPPED = "dropped"
    """Taken down: the address answers 404 or 403 or leads to the placeholder, and no API knows the photo."""
    METADATA = "metadata"
    """The same pixels in a file with a comment and EXIF: other bytes."""
    RELICENSED = "relicensed"
    """All rights reserved, on Flickr and iNaturalist. Licences given on Commons stay."""


class ChangedSite(NamedTuple):
    """A changed site, and what has changed."""

    site: PhotoSite
    changes: dict[str, dict[str, Change]]
    """The change of each changed photo, by source (`holdings.SOURCES`) and photo id."""


def changed(
    site: PhotoSite,
    seed: int,
    reencoded: float = 0.05,
    replaced: float = 0.02,
    dropped: float = 0.10,
    metadata: float = 0.0,
    relicensed: float = 0.0,
) -> ChangedSite:
    """The site as it is later; the same seed gives the same changes.

    The shares are of the photos of each source without a lasting fault, and no photo has two changes. Sources
    change independently of each other. Raises ValueError if the shares are more than everything.
    """
    shares = {
        Change.REENCODED: reencoded,
        Change.REPLACED: replaced,
        Change.DROPPED: dropped,
        Change.METADATA: metadata,
        Change.RELICENSED: relicensed,
    }
    if min(shares.values()) < 0 or sum(shares.values()) > 1:
        raise ValueError("the shares of changed photos must be 0 or more, and 1 at most together")
    held = {
        "flickr": list(site.photos),
        "commons": list(site.holdings.commons_photos()),
        "inaturalist": list(site.holdings.inaturalist_photos()),
    }
    changes = {
        source: _plan(photos, _shares_of(source, shares), f"{seed}/{source}") for source, photos in held.items()
    }
    after = {source: _applied(photos, changes[source], f"{seed}/{source}") for source, photos in held.items()}
    holdings = Holdings(
        tuple(_changed_file(file, after["commons"]) for file in site.holdings.commons),
        tuple(_changed_observation(one, after["inaturalist"]) for one in site.holdings.observations),
    )
    photos = [after["flickr"][photo.photo_id] for photo in site.photos]
    later = PhotoSite(
        site.config,
        site.collection,
        photos,
        site.faults,
        site.max_results,
        site.rules,
        holdings,
        site.picture_names,
    )
    listed = {identifier(source, one): change for source, plan in changes.items() for one, change in plan.items()}
    return ChangedSite(later, {**changes, "openverse": listed})


def _shares_of(source: str, shares: Mapping[Change, float]) -> dict[Change, float]:
    # A licence that was given on Commons cannot be taken back.
    return {
        change: 0.0 if (source, change) == ("commons", Change.RELICENSED) else share
        for change, share in shares.items()
    }


def _plan(photos: Sequence[SitePhoto], shares: Mapping[Change, float], key: str) -> dict[str, Change]:
    eligible = [photo.photo_id for photo in photos if photo.fault is None and not photo.gone]
    count = len(eligible)
    random.Random(f"changes/{key}").shuffle(eligible)
    plan: dict[str, Change] = {}
    for change, share in shares.items():
        for _ in range(min(round(share * count), len(eligible))):
            plan[eligible.pop()] = change
    return plan


def _applied(photos: Sequence[SitePhoto], plan: Mapping[str, Change], key: str) -> dict[str, SitePhoto]:
    """All photos by their id, the planned ones changed."""
    chance = random.Random(f"changed/{key}")

    def after(photo: SitePhoto) -> SitePhoto:
        change = plan.get(photo.photo_id)
        if change is Change.REPLACED:
            return _replaced(photo, photos, chance)
        return photo if change is None else _CHANGES[change](photo, chance)

    return {photo.photo_id: after(photo) for photo in photos}


def _replaced(photo: SitePhoto, photos: Sequence[SitePhoto], chance: random.Random) -> SitePhoto:
    donors = [other for other in photos if other.picture != photo.picture]
    elsewhere = [other for other in donors if other.content != photo.content] or donors
    if not elsewhere:
        raise ValueError("a site with one picture has no other one to replace it with")
    donor = chance.choice(elsewhere)
    return dataclasses.replace(photo, picture=donor.picture, content=donor.content)


def _reencoded(photo: SitePhoto, chance: random.Random) -> SitePhoto:
    step = -_OTHER_QUALITY if photo.edit.quality > 60 else _OTHER_QUALITY
    return dataclasses.replace(photo, edit=dataclasses.replace(photo.edit, quality=photo.edit.quality + step))


def _dropped(photo: SitePhoto, chance: random.Random) -> SitePhoto:
    return dataclasses.replace(photo, gone=True, fault=chance.choice(_WAYS_TO_GO))


def _with_metadata(photo: SitePhoto, chance: random.Random) -> SitePhoto:
    return dataclasses.replace(photo, comment=f"Processed by the site, run {chance.randrange(1000)}")


def _relicensed(photo: SitePhoto, chance: random.Random) -> SitePhoto:
    return dataclasses.replace(photo, license_id=0)


_CHANGES: dict[Change, Callable[[SitePhoto, random.Random], SitePhoto]] = {
    Change.REENCODED: _reencoded,
    Change.DROPPED: _dropped,
    Change.METADATA: _with_metadata,
    Change.RELICENSED: _relicensed,
}


def _changed_file(file: CommonsFile, after: Mapping[str, SitePhoto]) -> CommonsFile:
    return file if file.photo is None else dataclasses.replace(file, photo=after[file.photo.photo_id])


def _changed_observation(observation: Observation, after: Mapping[str, SitePhoto]) -> Observation:
    return dataclasses.replace(observation, photos=tuple(after[photo.photo_id] for photo in observation.photos))

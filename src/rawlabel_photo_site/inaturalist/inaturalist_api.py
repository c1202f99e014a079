"""iNaturalist: `/v1/observations` and `/v1/observations/<ids>`.

Modelled after https://api.inaturalist.org/v1/docs/ (observations) and the recommended practices at
https://www.inaturalist.org/pages/api+recommended+practices. The wording of errors is this model's.
"""

from __future__ import annotations

import dataclasses
import math
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rawlabel_photo_site.flickr.flickr_protocol import chance, listed
from rawlabel_photo_site.web.throttle import Throttle
from rawlabel_photo_site.world.captions import words_of
from rawlabel_photo_site.world.holdings import Observation
from rawlabel_photo_site.world.licenses import creative_commons
from rawlabel_photo_site.world.photos import SitePhoto
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_NAME, Size

Reply = dict[str, Any]
SIZES: dict[str, Size | None] = {
    "square": BY_NAME["sq"],
    "thumb": BY_NAME["t"],
    "small": BY_NAME["s"],
    "medium": BY_NAME["m"],
    "large": BY_NAME["l"],
    "original": None,
}
"""The sizes by the name that stands in the address."""
_MOST_PER_PAGE, _USUAL_PER_PAGE = 200, 30
_PER_MINUTE, _MINUTE = 100, 60.0
_NAMESPACE = uuid.UUID("0b3ad1f4-58a7-4d0e-8f5a-7c8f35c0f0a1")


class InaturalistError(Exception):
    """A reply with another status than 200."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.reply: Reply = {"error": message, "status": status}
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class InaturalistApi:
    """Answers API calls; raises `InaturalistError` for those that it refuses."""

    def __init__(self, site: PhotoSite) -> None:
        self._site = site
        present = map(_without_gone_photos, site.holdings.observations)
        self._observations = tuple(observation for observation in present if observation.photos)
        self._by_id = {observation.observation_id: observation for observation in self._observations}
        self._photos = {photo.photo_id: photo for one in self._observations for photo in one.photos}
        self._throttle = Throttle(_PER_MINUTE, _MINUTE / site.rules.speed)
        self._failed: set[str] = set()

    def photo(self, photo_id: str) -> SitePhoto | None:
        """The photo with this id; None if there is none, or none any more."""
        return self._photos.get(photo_id)

    def search(self, parameters: Mapping[str, str], client: str, host: str) -> Reply:
        """GET /v1/observations; addresses of photos start with `host`."""
        self._admit(client)
        self._fail_once(parameters)
        per_page = min(_number(parameters, "per_page", _USUAL_PER_PAGE), _MOST_PER_PAGE)
        page, most = _number(parameters, "page", 1), self._site.rules.inaturalist_results
        if page * per_page > most:
            raise InaturalistError(403, f"Result window is too large, page * per_page must be at most {most}")
        found = self._found(parameters)
        shown = found[(page - 1) * per_page : page * per_page]
        # Where ids mark the pages, each begins behind the last one that was listed.
        place = parameters.get("id_above", "0")
        number, share = (1 if page == 1 and place == "0" else 2), self._site.rules.odd_pages
        shown = shown[: listed(len(shown), number, share, self._site.config.seed, f"{page} above {place}")]
        results = [entry(observation, host) for observation in shown]
        return {"total_results": len(found), "page": page, "per_page": per_page, "results": results}

    def observations(self, ids: str, client: str, host: str) -> Reply:
        """GET /v1/observations/<ids>: those of the ids, with commas between them, that exist."""
        self._admit(client)
        wanted = ids.split(",")
        if len(wanted) > _MOST_PER_PAGE or not all(re.fullmatch("[0-9]{1,15}", one) for one in wanted):
            raise InaturalistError(422, "ids must be up to 200 numbers")
        found = [self._by_id[int(one)] for one in wanted if int(one) in self._by_id]
        results = [entry(observation, host) for observation in found]
        return {"total_results": len(found), "page": 1, "per_page": max(1, len(found)), "results": results}

    def _admit(self, client: str) -> None:
        wait = self._throttle.wait(client)
        if wait > 0:
            raise InaturalistError(429, "Too Many Requests", Retry_After=str(max(1, math.ceil(wait))))
        self._throttle.admit(client)

    def _fail_once(self, parameters: Mapping[str, str]) -> None:
        query = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        number = chance(self._site.config.seed, "inaturalist fault", query)
        if number < self._site.faults.api_unavailable and query not in self._failed:
            self._failed.add(query)
            raise InaturalistError(503, "Service Unavailable")

    def _found(self, parameters: Mapping[str, str]) -> list[Observation]:
        """The observations that a query finds, in the order that it asks for."""
        words = words_of(parameters.get("q", ""))
        name, taxon_id = words_of(parameters.get("taxon_name", "")), parameters.get("taxon_id", "")
        licenses = {one.casefold() for one in parameters.get("photo_license", "").split(",") if one}
        grades = {one for one in parameters.get("quality_grade", "").split(",") if one}
        above = _number(parameters, "id_above", 0, least=0)
        below = _number(parameters, "id_below", 10**15, least=0)
        found = [
            one
            for one in self._observations
            if (not name or name in (words_of(one.taxon.name), words_of(one.taxon.common_name)))
            and words <= words_of(f"{one.taxon.name} {one.taxon.common_name}")
            and (not taxon_id or str(one.taxon.taxon_id) == taxon_id)
            and (not licenses or licenses & {license_code(photo) or "none" for photo in one.photos})
            and (not grades or one.quality in grades)
            and above < one.observation_id < below
            and parameters.get("photos") != "false"
        ]
        by_id = parameters.get("order_by") == "id"
        found.sort(
            key=lambda one: (one.observation_id if by_id else one.created, one.observation_id),
            reverse=parameters.get("order", "desc") != "asc",
        )
        return found


def license_code(photo: SitePhoto) -> str | None:
    """The licence as iNaturalist writes it, such as `cc-by-nc`; None for all rights reserved."""
    known = creative_commons(photo.license_id)
    if known is None:
        return None
    return known.slug if known.slug in ("cc0", "pdm") else f"cc-{known.slug}"


def photo_path(photo: SitePhoto, size: str) -> str:
    """Path of the photo's address on the image host."""
    return f"/inaturalist-open-data/photos/{photo.photo_id}/{size}.jpg"


def photo_size(photo: SitePhoto, size: str) -> tuple[int, int]:
    """Width and height at one of the sizes; nothing is enlarged."""
    known = SIZES[size]
    return (known.dimensions(photo.width, photo.height) if known else None) or (photo.width, photo.height)


def entry(observation: Observation, host: str) -> Reply:
    """One observation as the interface shows it, with taxon, observer and photos.

    `host` begins their addresses.
    """
    first, taxon = observation.photos[0], observation.taxon
    photos = [_photo_entry(photo, host) for photo in observation.photos]
    observed = datetime.fromtimestamp(first.taken, UTC)
    return {
        "id": observation.observation_id,
        "uuid": str(uuid.uuid5(_NAMESPACE, str(observation.observation_id))),
        "uri": f"https://www.inaturalist.org/observations/{observation.observation_id}",
        "quality_grade": observation.quality,
        "species_guess": taxon.common_name,
        "license_code": license_code(first),
        "observed_on": observed.strftime("%Y-%m-%d"),
        "time_observed_at": observed.isoformat(),
        "created_at": datetime.fromtimestamp(observation.created, UTC).isoformat(),
        "identifications_count": {"research": 3, "needs_id": 1, "casual": 0}[observation.quality],
        "taxon": {
            "id": taxon.taxon_id,
            "name": taxon.name,
            "rank": "species",
            "preferred_common_name": taxon.common_name,
            "iconic_taxon_name": None,
        },
        "user": {
            "id": int(observation.user.nsid.partition("@")[0] or 0),
            "login": re.sub(r"\W+", "_", observation.user.name.casefold()),
            "name": observation.user.name,
        },
        "photos": photos,
        "observation_photos": [
            {"id": photo["id"] + 1, "position": position, "photo": photo} for position, photo in enumerate(photos)
        ],
    }


def _photo_entry(photo: SitePhoto, host: str) -> Reply:
    code, author = license_code(photo), photo.owner.name
    if code is None:
        attribution = f"(c) {author}, all rights reserved"
    elif code == "cc0":
        attribution = f"{author}, no rights reserved (CC0)"
    else:
        attribution = f"(c) {author}, some rights reserved ({code.upper().replace('CC-', 'CC ')})"
    return {
        "id": int(photo.photo_id),
        "license_code": code,
        "attribution": attribution,
        "original_dimensions": {"width": photo.width, "height": photo.height},
        "url": host + photo_path(photo, "square"),
        "flags": [],
        "hidden": False,
    }


def _without_gone_photos(observation: Observation) -> Observation:
    kept = tuple(photo for photo in observation.photos if not photo.is_withdrawn)
    return dataclasses.replace(observation, photos=kept)


def _number(parameters: Mapping[str, str], name: str, usual: int, least: int = 1) -> int:
    if name not in parameters:
        return usual
    value = parameters[name]
    if not re.fullmatch("[0-9]{1,15}", value) or int(value) < least:
        raise InaturalistError(422, f"{name} must be a whole number of at least {least}")
    return int(value)

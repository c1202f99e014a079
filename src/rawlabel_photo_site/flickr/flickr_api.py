"""The Flickr REST API over the photos of the site (https://www.flickr.com/services/api/)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from rawlabel_photo_site.flickr.flickr_protocol import (
    ApiError,
    Method,
    Reply,
    chance,
    claimed_total,
    dispatch,
    echo,
    filters_of,
    licenses,
    listed,
    moment,
    page_of,
    refuse_without_limits,
    shown,
    total_as_sent,
)
from rawlabel_photo_site.world.photos import SitePhoto
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_NAME

_SORT_KEYS: dict[str, Callable[[SitePhoto], int]] = {
    "date-posted": lambda photo: photo.uploaded,
    "date-taken": lambda photo: photo.taken,
    "interestingness": lambda photo: photo.views,
}


class FlickrApi:
    """Answers API calls, and remembers which requests have already had their passing fault."""

    def __init__(self, site: PhotoSite) -> None:
        self._site = site
        self._failed: set[str] = set()
        self._methods: dict[str, Method] = {
            "flickr.photos.search": self._search,
            "flickr.photos.getInfo": self._info,
            "flickr.photos.licenses.getInfo": licenses,
            "flickr.test.echo": echo,
        }

    def answer(self, parameters: Mapping[str, str], image_host: str) -> Reply:
        """The reply to one call; addresses of images start with `image_host`."""
        return dispatch(self._methods, parameters, image_host, self._site.config.api_key)

    def _search(self, parameters: Mapping[str, str], image_host: str) -> Reply:
        refuse_without_limits(parameters)
        query = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()) if name != "api_key")
        self._fail_once(query)
        found = find(self._site, parameters)
        page, per_page = page_of(parameters)
        extras = [name.strip() for name in parameters.get("extras", "").split(",") if name.strip()]
        seed, rules, filters = self._site.config.seed, self._site.rules, filters_of(parameters)
        total = claimed_total(len(found), rules.count_noise, seed, filters)
        most = self._site.max_results
        positions = found[shown(len(found), page, per_page, most, rules.unstable_paging, seed, filters)]
        positions = positions[: listed(len(positions), page, rules.odd_pages, seed, filters)]
        return {
            "photos": {
                "page": page,
                "pages": math.ceil(total / per_page),
                "perpage": per_page,
                "total": total_as_sent(total, seed, query),
                "photo": [entry(self._site.photos[position], extras, image_host) for position in positions],
            }
        }

    def _info(self, parameters: Mapping[str, str], image_host: str) -> Reply:
        """flickr.photos.getInfo; a photo that its owner has taken down or made private is not found."""
        photo = self._site.by_id.get(parameters.get("photo_id", ""))
        if photo is None or photo.is_withdrawn:
            raise ApiError(1, "Photo not found")
        return {"photo": information(photo)}

    def _fail_once(self, query: str) -> None:
        number = chance(self._site.config.seed, "fault", query)
        if number < self._site.faults.api_unavailable and query not in self._failed:
            self._failed.add(query)
            if number < self._site.faults.api_unavailable / 4:
                raise ApiError(105, "Service currently unavailable")
            raise ApiError(201, "Sorry, the Flickr API service is not currently available.")


def find(site: PhotoSite, parameters: Mapping[str, str]) -> list[int]:
    """Positions of the photos that a search finds, in the order that it asks for."""
    text, tags = parameters.get("text", "").strip(), parameters.get("tags", "").strip()
    positions = set(range(len(site.photos)))
    if text:
        positions &= site.index.with_text(text)
    if tags:
        positions &= site.index.with_tags(tags.split(","), every=parameters.get("tag_mode") == "all")
    if parameters.get("media") == "videos":
        positions = set()
    earliest, latest = moment(parameters, "min_upload_date"), moment(parameters, "max_upload_date")
    wanted = {value.strip() for value in parameters.get("license", "").split(",") if value.strip()}
    owner = parameters.get("user_id", "").strip()
    kept = frozenset(
        position
        for position in positions
        if (earliest is None or site.photos[position].uploaded >= earliest)
        and (latest is None or site.photos[position].uploaded <= latest)
        and (not wanted or str(site.photos[position].license_id) in wanted)
        and (not owner or site.photos[position].owner.nsid == owner)
        and not site.photos[position].gone
    )
    order = parameters.get("sort", "")
    if order == "relevance":
        return list(site.index.ranked(f"{text} {tags}", kept))
    name, _, direction = order.rpartition("-")
    key = _SORT_KEYS.get(name, _SORT_KEYS["date-posted"])
    rising = direction == "asc" and name in _SORT_KEYS
    return sorted(kept, key=lambda position: (key(site.photos[position]), position), reverse=not rising)


def entry(photo: SitePhoto, extras: list[str], image_host: str) -> Reply:
    """One photo of a search reply, with exactly the extras that were asked for."""
    basic: Reply = {
        "id": photo.photo_id,
        "owner": photo.owner.nsid,
        "secret": photo.secret(BY_NAME["m"]),
        "server": photo.server,
        "farm": 66,
        "title": photo.caption.title,
        "ispublic": 1,
        "isfriend": 0,
        "isfamily": 0,
    }
    sizes = photo.sizes()
    for name in extras:
        if name in _EXTRAS:
            basic.update(_EXTRAS[name](photo))
        elif (size_name := name.removeprefix("url_")) != name and size_name in sizes:
            width, height = sizes[size_name]
            basic[name] = image_host + photo.image_path(BY_NAME[size_name])
            basic[f"height_{size_name}"], basic[f"width_{size_name}"] = height, width
    return basic


def information(photo: SitePhoto) -> Reply:
    """What flickr.photos.getInfo says about a photo."""
    page = f"https://www.flickr.com/photos/{photo.owner.nsid}/{photo.photo_id}/"
    return {
        "id": photo.photo_id,
        "secret": photo.secret(BY_NAME["m"]),
        "server": photo.server,
        "farm": 66,
        "dateuploaded": str(photo.uploaded),
        "isfavorite": 0,
        "license": str(photo.license_id),
        "owner": {"nsid": photo.owner.nsid, "username": photo.owner.name, "realname": photo.owner.name},
        "title": {"_content": photo.caption.title},
        "description": {"_content": photo.caption.description},
        "visibility": {"ispublic": 1, "isfriend": 0, "isfamily": 0},
        "dates": {
            "posted": str(photo.uploaded),
            "taken": _taken(photo)["datetaken"],
            "lastupdate": str(photo.uploaded),
        },
        "views": str(photo.views),
        "tags": {"tag": [{"raw": tag, "_content": tag} for tag in photo.caption.tags]},
        "urls": {"url": [{"type": "photopage", "_content": page}]},
        "media": "photo",
    }


def _taken(photo: SitePhoto) -> Reply:
    return {
        "datetaken": datetime.fromtimestamp(photo.taken, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        # The real site mixes the two types.
        "datetakengranularity": "0" if photo.uploaded % 2 else 0,
        "datetakenunknown": "1" if photo.taken_unknown else "0",
    }


def _original_size(photo: SitePhoto) -> Reply:
    return {"o_width": str(photo.width), "o_height": str(photo.height)} if "o" in photo.offered else {}


_EXTRAS: dict[str, Callable[[SitePhoto], Reply]] = {
    "description": lambda photo: {"description": {"_content": photo.caption.description}},
    "license": lambda photo: {"license": str(photo.license_id)},
    "date_upload": lambda photo: {"dateupload": str(photo.uploaded)},
    "date_taken": _taken,
    "owner_name": lambda photo: {"ownername": photo.owner.name},
    "icon_server": lambda photo: {"iconserver": "0", "iconfarm": 0},
    "original_format": lambda photo: {"originalformat": "jpg"} if "o" in photo.offered else {},
    "last_update": lambda photo: {"lastupdate": str(photo.uploaded)},
    "geo": lambda photo: {"latitude": 0, "longitude": 0, "accuracy": 0, "context": 0},
    "tags": lambda photo: {"tags": " ".join(photo.caption.tags)},
    "machine_tags": lambda photo: {"machine_tags": ""},
    "o_dims": _original_size,
    "views": lambda photo: {"views": str(photo.views)},
    "media": lambda photo: {"media": "photo", "media_status": "ready"},
    "path_alias": lambda photo: {"pathalias": None},
    "content_type": lambda photo: {"content_type": "0"},
}

"""Openverse: `/v1/images/`, `/v1/images/<id>/`, `/v1/auth_tokens/token/` and `/v1/rate_limit/`.

Modelled after the code and the examples of https://github.com/WordPress/openverse (api/api) and the reference at
https://api.openverse.org/v1/. The wording of refused tokens and the error of the counts are this model's.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rawlabel_photo_site.flickr.flickr_protocol import chance, claimed_total, listed
from rawlabel_photo_site.openverse.openverse_records import Record, records_of
from rawlabel_photo_site.web.throttle import Throttle
from rawlabel_photo_site.world.licenses import LICENSES, creative_commons
from rawlabel_photo_site.world.photos import Fault
from rawlabel_photo_site.world.search_index import SearchIndex
from rawlabel_photo_site.world.site import PhotoSite

DEPTH = 12 * 20
"""Results that the pages of one query reach."""
_USUAL_PAGE = 20
_LARGEST_PAGES = {"anonymous": 20, "authenticated": 50}
_LIMITS = {"anonymous": (20, 200), "authenticated": (100, 10_000)}
_HEADER_NAMES = {"anonymous": "anon", "authenticated": "oauth2_client_credentials"}
_MINUTE, _DAY = 60.0, 86_400.0
_TOKEN_SECONDS = 43_200
_LONGEST_QUERY = 200
_COUNT_ERROR = 0.05
_CC_LICENSES = ("by", "by-nc", "by-nc-nd", "by-nc-sa", "by-nd", "by-sa")
_KNOWN_LICENSES = frozenset({*_CC_LICENSES, "cc0", "pdm", "sampling+", "nc-sampling+"})
_LICENSE_TYPES = {
    "all": _KNOWN_LICENSES,
    "all-cc": _KNOWN_LICENSES - {"pdm"},
    "commercial": frozenset({"by", "by-sa", "by-nd", "cc0", "pdm", "sampling+"}),
    "modification": frozenset({"by", "by-sa", "by-nc", "by-nc-sa", "cc0", "pdm", "sampling+", "nc-sampling+"}),
}
_SOURCES = ("flickr", "wikimedia", "inaturalist")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, JSON body and headers of a reply."""

    body: dict[str, Any]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A reply that is not the one that was asked for."""

    def __init__(self, status: int, detail: object, **headers: str) -> None:
        super().__init__(str(detail))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = Answer({"detail": detail}, status, named)


class OpenverseApi:
    """Answers API calls of anonymous and of registered clients."""

    def __init__(self, site: PhotoSite) -> None:
        self._site = site
        self._records = records_of(site)
        self._by_id = {record.identifier: record for record in self._records}
        self._index = SearchIndex(self._records, site.config.seed)
        self._tokens: dict[str, tuple[str, float]] = {}
        speed = site.rules.speed
        self._throttles = {
            level: (Throttle(burst, _MINUTE / speed), Throttle(sustained, _DAY / speed))
            for level, (burst, sustained) in _LIMITS.items()
        }
        self._failed: set[str] = set()

    def record(self, identifier: str) -> Record | None:
        """The record with this identifier; None if there is none, or none any more."""
        record = self._by_id.get(identifier)
        return None if record is None or record.photo.gone else record

    def token(self, form: Mapping[str, str]) -> Answer:
        """POST /v1/auth_tokens/token/: a token for a client's id and secret."""
        if form.get("grant_type") != "client_credentials":
            return Answer({"error": "unsupported_grant_type"}, 400)
        client, secret, demanded = (
            form.get("client_id", ""),
            form.get("client_secret", ""),
            self._site.config.api_key,
        )
        if not client or not secret or (demanded is not None and secret != demanded):
            return Answer({"error": "invalid_client"}, 401)
        token = hashlib.sha256(f"{self._site.config.seed}/{client}/{len(self._tokens)}".encode()).hexdigest()[:30]
        seconds = _TOKEN_SECONDS / self._site.rules.speed
        self._tokens[token] = client, time.monotonic() + seconds
        body = {"access_token": token, "expires_in": int(seconds), "token_type": "Bearer", "scope": "read write"}
        return Answer(body)

    def search(self, parameters: Mapping[str, str], address: str, authorization: str, host: str) -> Answer:
        """GET /v1/images/ by the client at `address`; addresses of images start with `host`."""
        try:
            level, headers = self._admitted(address, authorization)
            self._fail_once(parameters)
            return Answer(self._results(parameters, level, host), 200, headers)
        except Refusal as refusal:
            return refusal.answer

    def detail(self, identifier: str, address: str, authorization: str, host: str) -> Answer:
        """Answer GET /v1/images/<id>/: the record, or a refusal with 401, 404 or 429.

        `address` and `authorization` say whose limit counts.
        """
        try:
            _, headers = self._admitted(address, authorization)
            record = self.record(identifier)
            if record is None:
                raise Refusal(404, "No Image matches the given query.")
            return Answer(entry(record, host), 200, headers)
        except Refusal as refusal:
            return refusal.answer

    def rate_limit(self, address: str, authorization: str) -> Answer:
        """GET /v1/rate_limit/: what a registered client has used up."""
        try:
            level, client = self._client(address, authorization)
        except Refusal as refusal:
            return refusal.answer
        if level == "anonymous":
            return Answer({"detail": "Forbidden"}, 403)
        burst, sustained = self._throttles[level]
        used = {"requests_this_minute": burst.used(client), "requests_today": sustained.used(client)}
        return Answer({**used, "rate_limit_model": "standard", "verified": True})

    def _client(self, address: str, authorization: str) -> tuple[str, str]:
        """Level of access and name of the client."""
        if not authorization:
            return "anonymous", address
        scheme, _, token = authorization.partition(" ")
        client, expiry = self._tokens.get(token.strip(), ("", 0.0))
        if scheme.casefold() != "bearer" or expiry <= time.monotonic():
            raise Refusal(401, "Invalid or expired access token.", WWW_Authenticate='Bearer realm="api"')
        return "authenticated", client

    def _admitted(self, address: str, authorization: str) -> tuple[str, dict[str, str]]:
        """Level of access and headers of a request within the limits; counts it."""
        level, client = self._client(address, authorization)
        throttles = dict(zip(("burst", "sustained"), self._throttles[level], strict=True))
        wait = max(throttle.wait(client) for throttle in throttles.values())
        if wait > 0:
            seconds = max(1, math.ceil(wait))
            detail = f"Request was throttled. Expected available in {seconds} second{'s' * (seconds != 1)}."
            raise Refusal(429, detail, Retry_After=str(seconds))
        headers = {}
        for name, throttle in throttles.items():
            throttle.admit(client)
            scope = f"{_HEADER_NAMES[level]}_{name}"
            headers[f"x-ratelimit-limit-{scope}"] = f"{throttle.limit}/{'min' if name == 'burst' else 'day'}"
            headers[f"x-ratelimit-available-{scope}"] = str(throttle.limit - throttle.used(client))
        return level, headers

    def _fail_once(self, parameters: Mapping[str, str]) -> None:
        query = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        number = chance(self._site.config.seed, "openverse fault", query)
        if number < self._site.faults.api_unavailable and query not in self._failed:
            self._failed.add(query)
            raise Refusal(503, "Service temporarily unavailable, try again later.")

    def _results(self, parameters: Mapping[str, str], level: str, host: str) -> dict[str, Any]:
        page_size = _number(parameters, "page_size", _USUAL_PAGE)
        page, most = _number(parameters, "page", 1), _LARGEST_PAGES[level]
        if page_size > most:
            raise Refusal(401, f"page_size may not exceed {most} for {level} requests")
        if page * page_size > DEPTH:
            raise Refusal(401, f"pagination depth may not exceed {DEPTH} for {level} requests")
        found = self._found(parameters)
        filters = "&".join(
            f"{name}={value}" for name, value in sorted(parameters.items()) if name not in ("page", "page_size")
        )
        claimed = claimed_total(len(found), _COUNT_ERROR, self._site.config.seed, filters)
        count = min(claimed if len(found) > page_size else len(found), DEPTH)
        shown = found[(page - 1) * page_size : page * page_size]
        share, seed = self._site.rules.odd_pages, self._site.config.seed
        shown = shown[: listed(len(shown), page, share, seed, filters)]
        is_short = chance(seed, "page count", filters) < share
        return {
            "result_count": count,
            "page_count": max(1, math.ceil(count / page_size) - is_short) if count else 0,
            "page_size": page_size,
            "page": page,
            "results": [
                entry(self._records[position], host) | {"fields_matched": ["title"]} for position in shown
            ],
        }

    def _found(self, parameters: Mapping[str, str]) -> tuple[int, ...]:
        text = parameters.get("q", "").strip()[:_LONGEST_QUERY]
        positions = self._index.with_text(text) if text else set(range(len(self._records)))
        if "tags" in parameters:
            positions &= self._index.with_tags(parameters["tags"].split(","), every=False)
        licenses = _wanted_licenses(parameters)
        sources = _wanted_sources(parameters)
        creator = parameters.get("creator", "").strip('" ').casefold()
        extensions = parameters.get("extension", "jpg").casefold().split(",")
        hides_dead = parameters.get("filter_dead", "true").casefold() != "false"
        kept = frozenset(
            position
            for position in positions
            if (record := self._records[position]).source in sources
            and not record.photo.gone
            and _slug(record) in licenses
            and (not creator or creator in record.photo.owner.name.casefold())
            and "jpg" in extensions
            and not (hides_dead and record.photo.fault is Fault.MISSING)
        )
        return self._index.ranked(text, kept)


def entry(record: Record, host: str) -> dict[str, Any]:
    """One image as the API shows it; addresses start with `host`."""
    known = creative_commons(record.photo.license_id)
    slug, version = (known.slug, known.version) if known is not None else ("", "")
    address, here = LICENSES[record.photo.license_id][1], f"{host}/v1/images/{record.identifier}/"
    name = known.name if known is not None else ""
    is_marked = slug in ("cc0", "pdm")
    return {
        "id": record.identifier,
        "title": record.title or None,
        "indexed_on": datetime.fromtimestamp(record.photo.uploaded + 5_000_000, UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
        "foreign_landing_url": record.landing_url,
        "url": host + record.path,
        "creator": record.photo.owner.name,
        "creator_url": record.creator_url,
        "license": slug,
        "license_version": version,
        "license_url": address,
        "provider": record.source,
        "source": record.source,
        "category": "photograph" if record.source == "flickr" else None,
        # Only some providers state the number of bytes.
        "filesize": None,
        "filetype": "jpg" if record.source != "flickr" else None,
        "tags": [
            {"name": tag, "accuracy": None, "unstable__provider": record.source} for tag in record.caption.tags
        ],
        "attribution": f'"{record.title}" by {record.photo.owner.name} is '
        f"{'marked with' if is_marked else 'licensed under'} {name}. To view "
        f"{'the terms' if is_marked else 'a copy of this license'}, visit {address}.",
        "fields_matched": [],
        "mature": False,
        "height": record.height,
        "width": record.width,
        "thumbnail": f"{here}thumb/",
        "detail_url": here,
        "related_url": f"{here}related/",
        "unstable__sensitivity": [],
    }


def _slug(record: Record) -> str:
    known = creative_commons(record.photo.license_id)
    return known.slug if known is not None else ""


def _wanted_licenses(parameters: Mapping[str, str]) -> frozenset[str]:
    wanted = _KNOWN_LICENSES
    if "license_type" in parameters:
        for name in parameters["license_type"].casefold().split(","):
            if name not in _LICENSE_TYPES:
                raise Refusal(400, {"license_type": [f"License type '{name}' does not exist."]})
            wanted &= _LICENSE_TYPES[name]
    if "license" in parameters:
        named = frozenset(parameters["license"].casefold().split(","))
        for name in sorted(named - _KNOWN_LICENSES):
            raise Refusal(400, {"license": [f"License '{name}' does not exist."]})
        wanted &= named
    return wanted


def _wanted_sources(parameters: Mapping[str, str]) -> frozenset[str]:
    known = frozenset(_SOURCES)
    if "source" in parameters and "excluded_source" in parameters:
        detail = "Cannot set both 'source' and 'excluded_source'. Use exactly one of these."
        raise Refusal(400, {"excluded_source": [detail]})
    if "source" in parameters:
        return known & frozenset(parameters["source"].casefold().split(","))
    return known - frozenset(parameters.get("excluded_source", "").casefold().split(","))


def _number(parameters: Mapping[str, str], name: str, usual: int) -> int:
    value = parameters.get(name, str(usual))
    if not re.fullmatch("-?[0-9]{1,9}", value):
        raise Refusal(400, {name: ["A valid integer is required."]})
    if int(value) < 1:
        raise Refusal(400, {name: ["Ensure this value is greater than or equal to 1."]})
    return int(value)

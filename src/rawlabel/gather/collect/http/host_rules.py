"""What hosts with a known policy may be asked at most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostRule:
    """What a host may be asked at most."""

    connections: int
    per_second: float | None = None


# Hosts with a published or widely observed policy, by the end of their name; as modelled, since none of it can be
# checked offline. Wikimedia asks for at most two connections (https://wikitech.wikimedia.org/wiki/Robot_policy);
# Flickr's image host throttles well below what its API allows; iNaturalist asks for one API call a second and for
# 5 gigabytes of media an hour (https://www.inaturalist.org/pages/api+recommended+practices); GBIF asks for one
# connection to its image cache.
KNOWN_HOSTS: Mapping[str, HostRule] = {
    # All image hosts together: originals come from upload.wikimedia.org, thumbnails from thumb.wikimedia.org.
    "wikimedia.org": HostRule(2),
    "commons.wikimedia.org": HostRule(1),
    "staticflickr.com": HostRule(2, 2.0),
    "api.inaturalist.org": HostRule(1, 1.0),
    "static.inaturalist.org": HostRule(2, 4.0),
    "inaturalist-open-data.s3.amazonaws.com": HostRule(4, 4.0),
    "api.gbif.org": HostRule(1),
}

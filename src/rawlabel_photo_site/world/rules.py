"""How strict and how erratic the services of a site are, besides the passing faults in `rates`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SiteRules:
    """Limits and moods of the services. By default Flickr is as exact and patient as it can be."""

    speed: float = 1.0
    """How many times faster the clocks of all limits run: with 60, a minute of theirs takes a second."""
    images_per_second: float | None = None
    """Requests for images that a client may make in any second; further ones are answered with 429. None for any
    number. `speed` does not change it."""
    count_noise: float = 0.0
    """How far off the total of a search on Flickr is, as a share of it; the same for all pages of a query."""
    unstable_paging: float = 0.0
    """Share of a page of Flickr's search that comes again on the next page, as if new photos had come in front."""
    flickr_throttled: float = 0.0
    """Share of Flickr's API calls whose first try answers 429 with a web page."""
    flickr_per_hour: int | None = None
    """Calls an hour and key after which Flickr's API slows down; a tenth more, and it answers 429. None for any
    number."""
    commons_results: int = 10_000
    """Offset at which a search of Commons ends."""
    inaturalist_results: int = 10_000
    """Observations that the pages of one query reach."""
    odd_pages: float = 0.0
    """Share of the pages of results, behind the first, that come empty or one result short though there are more;
    at Openverse also of the replies that state one page too few."""

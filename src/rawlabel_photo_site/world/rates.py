"""How often things happen on the simulated site. Every rate of the model is here and nowhere else.

The share of noise itself is the setting `noise`. Rates of photos are shares of all photos of the site unless
the sentence says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

SIBLING_SHARE = 0.5
"""Share of the noise that shows the class with which people confuse the keyword's class."""

HOMONYM_SHARE = 0.25
"""Share of the noise that shows the one other thing that bears the keyword as its name or number."""

OFF_TOPIC_SHARE = 1.0 - SIBLING_SHARE - HOMONYM_SHARE
"""Share of the noise that shows anything else: someone tagged the photo carelessly."""

OFF_TOPIC_CLASS_SHARE = 0.6
"""Share of the off-topic noise that shows one of the other classes; the rest shows drawn scenes."""

FIRST_SIBLING_SHARE = 0.7
"""Share of the sibling noise that falls to the first of two siblings."""

SHARED_NOISE = 0.1
"""Share of the noise photos of another class that turn up under their right keyword too."""

PLANTED_HOMONYM = 0.4
"""Share of a planted homonym's results that shows the other thing of that name, beside the usual noise."""

PLANTED_SIBLING = 0.3
"""Share of the results of either class of a planted pair that shows the other one, beside the noise of all."""

PLANTED_SHARED = 0.3
"""Share of those that turn up under their right keyword too."""

REUPLOADS = 0.04
"""Share of photos that are another owner's re-upload of a photo of the same keyword."""

IDENTICAL_REUPLOADS = 0.5
"""Share of the re-uploads with the same bytes; the others are resized, re-encoded or cropped."""

TEST_COPIES = 0.01
"""Share of photos that are re-encoded copies of photos of the clean test set."""

REMOVED = 0.02
"""Share of photos whose image address redirects to the picture 'photo unavailable'."""

MISSING = 0.01
"""Share of photos whose image address answers 404."""

TRUNCATED = 0.01
"""Share of photos of which only the first half of the JPEG is served."""

CORRUPT = 0.005
"""Share of photos whose bytes are a web page or garbage."""

TINY = 0.005
"""Share of photos whose original is under 32 pixels on both sides."""

HOSTILE_TITLES = 0.01
"""Share of photos whose title tries to break whoever prints or stores it."""

MISSING_SIZE = 0.02
"""Chance that one of the sizes that fit is not offered."""

RESTRICTED_ORIGINAL = 0.35
"""Chance that the owner does not offer the original and the sizes above 1,024 pixels."""

UNKNOWN_DATE_TAKEN = 0.08
"""Share of photos without a known date taken; the site then states the time of the upload."""

LICENSE_WEIGHTS = (60, 8, 6, 8, 6, 5, 2, 1, 1, 2, 1) + (1,) * 6
"""Relative frequency of each of Flickr's licences, by its id."""

NEW_OWNER = 0.7
"""Chance that a series of photos belongs to someone who has uploaded nothing else yet."""

CARRIED_TO_COMMONS = 0.5
"""Share of Flickr's faultless, freely licensed photos that somebody has carried over to Wikimedia Commons."""

ALSO_ON_INATURALIST = 0.2
"""Share of Flickr's faultless photos with a Creative Commons licence that are on iNaturalist too, as far as they
show a class."""

SECOND_POPULATION = 0.4
"""Results of each class among the photos that only Commons and iNaturalist have, as a share of Flickr's."""

OWN_OF_INATURALIST = 0.4
"""Share of the second population's faultless photos of classes that iNaturalist has; Commons has the rest."""

SEED_OF_SECOND_POPULATION = 1_000_003
"""What is added to the site's seed for the second population."""

DOCUMENTS_ON_COMMONS = 0.08
"""Scans, drawings and sounds on Commons, as a share of its photos."""

MISTAKEN_OBSERVATIONS = 0.1
"""Share of iNaturalist's observations below research grade that people take for the class's sibling."""

CLOSED_ON_INATURALIST = 0.2
"""Share of iNaturalist's own observations with all rights reserved."""

STRING_TOTAL = 0.25
"""Share of search replies in which `total` is a string."""

MAX_RESULTS = 4000
"""Results of one query that the API hands out; later pages repeat the last one."""


@dataclass(frozen=True, slots=True)
class FaultRates:
    """What goes wrong between the site and whoever asks; which requests it hits follows from the seed."""

    image_unavailable: float = 0.01
    """Share of image addresses whose first request answers 503."""
    image_throttled: float = 0.0
    """Share of image addresses whose first request answers 429 with `Retry-After: 1`, whatever the rate; none by
    default, since hosts that count requests (`--images-per-second`) are the usual ones."""
    api_unavailable: float = 0.05
    """Share of search requests whose first try answers that the API is not currently available."""
    image_held_up: float = 0.0
    """Share of image addresses that always answer 503 and ask for a day's pause, while the host serves others."""
    image_odd_headers: float = 0.0
    """Share of whole photos that are served as proxies leave them: with `Content-Encoding: UTF-8`, as 203, or as a
    206 that holds every byte."""


DEFAULT_FAULTS = FaultRates(image_odd_headers=0.03)
NO_FAULTS = FaultRates(0.0, 0.0, 0.0)

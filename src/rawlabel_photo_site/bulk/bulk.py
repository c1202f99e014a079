"""Flickr's search at full size: millions of photos that exist as metadata only, and no image files.

For planning and searching, which never look at a photo. The photos of a keyword are a few numpy arrays, made from
the seed when the keyword is first asked for (25 bytes a photo).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from rawlabel_photo_site.pictures.camera import generator
from rawlabel_photo_site.world import rates

FIRST_UPLOAD = int(datetime(2004, 2, 10, tzinfo=UTC).timestamp())
"""The day on which Flickr opened [seconds since 1970]."""
LAST_UPLOAD = int(datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())

_DAY = 86_400
_DAYS = (LAST_UPLOAD - FIRST_UPLOAD) // _DAY + 1
_BURST_SHARE = 0.15
"""Share of the photos that came in one second with others, from a program that sends whole albums."""
_SHARED = 0.01
"""Share of the photos of a keyword that are photos of another keyword too."""
_OWNERS = 300_000
# An id holds the second, the keyword and the number within the second, so that ids rise with time.
_KEYWORD_BITS, _RANK_BITS = 10, 14

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Uploads:
    """Photos in order of upload, a row each."""

    times: Integers
    """Seconds since 1970."""
    ids: Integers
    owners: npt.NDArray[np.int32]
    licenses: npt.NDArray[np.uint8]

    def taken(self, rows: npt.NDArray[np.intp]) -> Uploads:
        """The uploads at positions `rows` [n], in that order, as new arrays."""
        return Uploads(self.times[rows], self.ids[rows], self.owners[rows], self.licenses[rows])


class BulkSite:
    """A Flickr of metadata: `counts` photos for each keyword, the same for the same arguments.

    `count_noise` is how far off the claimed totals are, as a share; `max_results` is the number of results of one
    query that are handed out; `largest_burst` is the number of photos that one second has at most. A keyword with
    20 times as many photos has one such second. Raises ValueError for more keywords or larger bursts than the ids
    have room for, and for keywords that a search does not tell apart.
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        seed: int = 0,
        count_noise: float = 0.0,
        max_results: int = rates.MAX_RESULTS,
        largest_burst: int = 600,
    ) -> None:
        self.counts = {folded(keyword): count for keyword, count in counts.items()}
        self.seed, self.count_noise = seed, count_noise
        self.max_results, self.largest_burst = max_results, largest_burst
        if len(self.counts) < len(counts):
            raise ValueError("two of the keywords differ in case or spaces only")
        if len(counts) > 2**_KEYWORD_BITS or largest_burst > 2 ** (_RANK_BITS - 1):
            raise ValueError(f"at most {2**_KEYWORD_BITS} keywords and {2 ** (_RANK_BITS - 1)} photos a second")
        self._numbers = {keyword: number for number, keyword in enumerate(self.counts)}
        self._keywords = tuple(self.counts)
        self.uploads = functools.cache(self._uploads)
        self.relevance = functools.cache(self._relevance)

    def ids(self, keyword: str) -> tuple[str, ...]:
        """The ids of all photos that a search for the keyword can find, in order of upload.

        Raises KeyError for a keyword that the site does not have.
        """
        return tuple(map(str, self.uploads(folded(keyword)).ids.tolist()))

    def _uploads(self, keyword: str) -> Uploads:
        """The photos of a keyword: its own ones, and a few of the keyword half the list away."""
        own, number = self._own(keyword), self._numbers[keyword]
        lender = self._keywords[self._lender(number)]
        wanted = self._borrowed(number)
        if not wanted:
            return own
        theirs = self._own(lender)
        rows = generator("bulk/loan", self.seed, keyword).permutation(len(theirs.ids))[:wanted]
        loan = theirs.taken(rows)
        both = Uploads(
            np.concatenate([own.times, loan.times]),
            np.concatenate([own.ids, loan.ids]),
            np.concatenate([own.owners, loan.owners]),
            np.concatenate([own.licenses, loan.licenses]),
        )
        return both.taken(np.argsort(both.ids))

    def _lender(self, number: int) -> int:
        # Keywords of one class stand together in class files; half the list away is another class.
        return (number + len(self._keywords) // 2) % len(self._keywords)

    def _borrowed(self, number: int) -> int:
        lender = self._lender(number)
        if lender == number:
            return 0
        counts = self.counts[self._keywords[number]], self.counts[self._keywords[lender]]
        return int(_SHARED * min(counts))

    def _own(self, keyword: str) -> Uploads:
        number = self._numbers[keyword]
        count = self.counts[keyword] - self._borrowed(number)
        random = generator("bulk", self.seed, keyword)
        times, owners = _times_and_owners(count, self.largest_burst, random)
        order = np.argsort(times, kind="stable")
        times, owners = times[order], owners[order]
        ranks = np.arange(count) - np.searchsorted(times, times)
        seconds = (times - FIRST_UPLOAD).astype(np.int64) + 1
        ids = (seconds << (_KEYWORD_BITS + _RANK_BITS)) + (number << _RANK_BITS) + ranks
        weights = np.array(rates.LICENSE_WEIGHTS, float)
        licenses = random.choice(len(weights), count, p=weights / weights.sum()).astype(np.uint8)
        return Uploads(times, ids, owners, licenses)

    def _relevance(self, keyword: str) -> npt.NDArray[np.uint32]:
        """Rows by falling relevance."""
        random = generator("bulk/relevance", self.seed, keyword)
        return random.permutation(self.counts[keyword]).astype(np.uint32)


def folded(keyword: str) -> str:
    """A keyword as the search compares it: without quotes, case or repeated spaces."""
    return " ".join(keyword.replace('"', " ").casefold().split())


def _daily_weights(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """How busy each day is: growth to about 2013 and a slow decline, seasons, weekends and moods."""
    days = np.arange(_DAYS)
    years = days / 365.25
    trend = 1 / (1 + np.exp((4.5 - years) / 1.4)) * np.exp(-np.maximum(0, years - 9.5) / 7)
    season = 1 + random.uniform(0.1, 0.6) * np.sin(2 * math.pi * (years - random.uniform(0, 1)))
    weekend = np.where(days % 7 >= 5, 1.5, 1.0)
    weights = trend * season * weekend * random.lognormal(0, 0.7, _DAYS)
    return np.asarray(weights / weights.sum())


def _moments(count: int, weights: npt.NDArray[np.float64], random: np.random.Generator) -> Integers:
    days = random.choice(_DAYS, count, p=weights)
    return np.asarray(FIRST_UPLOAD + days * _DAY + random.triangular(0, 68_000, _DAY, count).astype(np.int64))


def _times_and_owners(
    count: int, largest: int, random: np.random.Generator
) -> tuple[Integers, npt.NDArray[np.int32]]:
    """Upload times and owners: single uploads, and bursts of one owner within one second."""
    weights = _daily_weights(random)
    in_bursts = int(_BURST_SHARE * count)
    sizes = np.minimum(2 + random.pareto(1.1, in_bursts // 2 + 1) * 2, largest).astype(np.int64)
    sizes[0] = min(largest, count // 20)
    sizes = sizes[np.cumsum(sizes) <= in_bursts]
    alone = count - int(sizes.sum())
    starts = np.concatenate([_moments(alone, weights, random), _moments(len(sizes), weights, random)])
    owners = (random.random(len(starts)) ** 3 * _OWNERS).astype(np.int32)
    repeats = np.concatenate([np.ones(alone, np.int64), sizes])
    return np.repeat(starts, repeats), np.repeat(owners, repeats)

"""Photo sources: one file each, one contract.

To add one, write `<name>.py` with a subclass of `Source` named by `PLUGIN`. Paging, budgets, downloading,
resuming and recording are shared; the contract test finds the new file by itself.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rawlabel.config import CollectConfig
from rawlabel.errors import SourceError
from rawlabel.gather.collect.http.api import Api
from rawlabel.gather.collect.reading.identities import is_known_placeholder
from rawlabel.records import ClassSpec, Photo

Bounds = Mapping[str, Any]
"""What narrows a search to a part of it, in the source's own words (JSON values); empty for the whole."""


ABOUT_PHOTOS = "to say whether photos are still there"
"""What a site refuses when it is not asked to search."""


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """What one search of a source can return, and how often its API may be asked."""

    page_size: int
    """Most photos of one call."""
    most_results: int | None = None
    """Most photos that the site hands out for one search, however many there are; None for no limit."""
    comfortable: int | None = None
    """Reported results up to which a search is taken whole: below `most_results`, since totals are inexact."""
    calls: tuple[tuple[int, float], ...] = ()
    """Pairs of (most calls, in so many seconds) that the API's terms ask for."""


@dataclass(frozen=True, slots=True)
class Search:
    """One question to a source."""

    class_id: str
    keyword: str
    bounds: Bounds
    cursor: str | None
    """Where the page begins, in the source's own words; None for the first."""
    until: int | None
    """Latest upload time that is searched [seconds since 1970], where the source can tell."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of search results."""

    photos: tuple[Photo, ...]
    first_rank: int
    """Rank of the page's first photo in the part that is searched, counted from 0."""
    next_cursor: str | None
    """Where the next page begins; None when the results end here."""
    total_reported: int | None
    """How many results the site says there are; sites exaggerate."""
    is_full: bool = True
    """Whether the site filled the page; results may go on behind a full one though the total says otherwise."""
    places: tuple[tuple[int, str], ...] = ()
    """Rank of each photo, and name or bounds of the part in which it counts, where another search than this one
    found it first (a manifest's do not count up from `first_rank`); empty where this one did."""
    num_listed: int | None = None
    """Results that the site listed on the page, those that are no photos included; None where each is a photo."""
    ends_at: int | None = None
    """How many of the site's results lie before the end of the page, listed or not; None where `first_rank` and
    the number of photos say so."""

    @property
    def num_results(self) -> int:
        """Results that the site listed on the page."""
        return len(self.photos) if self.num_listed is None else self.num_listed

    @property
    def position(self) -> int:
        """How many of the site's results lie before the end of the page."""
        return self.first_rank + self.num_results if self.ends_at is None else self.ends_at


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a photo can still be had from its site."""

    is_there: bool
    license_name: str | None = None
    """The license it has now; None when the site does not say."""
    license_url: str | None = None


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a source is made with."""

    api: Api
    config: CollectConfig
    base_url: str
    """Address of the API, without a slash at the end."""
    key: str | None = None
    """An API key given by the caller, in place of the one in the environment."""


class Source(ABC):
    """A place where photos are searched; a subclass is one file."""

    base_url: ClassVar[str]
    """Address of the API; empty for sources on this machine's disk."""
    search_path: ClassVar[str] = ""
    """Where its searches are below that address, without a slash at the end; an address may be given with it."""
    key_variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables that hold the API's keys."""
    needs_key: ClassVar[bool] = False
    is_relay: ClassVar[bool] = False
    """Whether its photos bear the names of the sources that first found them (a manifest's do)."""
    terms: ClassVar[str]
    """What the site's terms ask, in one sentence."""
    label_notice: ClassVar[str] = ""
    """A warning where what the source says about a photo is more than a raw label; empty where it is not."""
    common_word: ClassVar[str] = "bird"
    """A word for which the site is known to have results."""
    wants_contact: ClassVar[bool] = False
    """Whether the site's policy asks for a contact in the user agent, and throttles whoever gives none."""
    splits: ClassVar[bool] = False
    """Whether `split` gets at all results of a search, however many there are."""
    limits: SearchLimits
    """Set for each instance, since a key may raise them."""

    def __init__(self, context: SourceContext) -> None:
        """Raises `SourceError` when a key is needed and neither given nor in the environment."""
        self.context = context
        self._preparing = asyncio.Lock()
        self._is_prepared = False
        self._refusal: SourceError | None = None

    async def prepare_once(self) -> None:
        """`prepare`, unless it is done; called before the first search, so a run without searches asks nothing."""
        async with self._preparing:
            if self._refusal is not None:
                raise self._refusal
            if not self._is_prepared:
                try:
                    await self.prepare()
                except SourceError as error:
                    self._refusal = error
                    raise
                self._is_prepared = True

    @abstractmethod
    async def search(self, search: Search) -> Page:
        """Return one page of results: photos, how many the site listed, and where the next page begins.

        Raises `SourceError` where the site refuses, is silent or answers in a form that is not understood.
        """

    @classmethod
    def classes(cls, config: CollectConfig) -> list[ClassSpec] | None:
        """The classes that the source itself brings (a folder tree does); None when it brings none."""
        return None

    @classmethod
    def notices(cls, config: CollectConfig) -> list[str]:
        """What the user should know before this source is searched, one sentence each."""
        return [cls.label_notice] if cls.label_notice else []

    async def prepare(self) -> None:  # noqa: B027 - most sources need none
        """Ask once for what all searches need (a table of licenses, a token). Raises `SourceError`."""

    def first_parts(self, wanted: int) -> Sequence[tuple[str, Bounds]]:
        """Name and bounds of the parts into which a search for `wanted` photos (0: all) is laid out at first."""
        return (("", {}),)

    def further_parts(self, cut_off: Sequence[str]) -> Sequence[tuple[str, Bounds]]:
        """Parts to search when those laid out have not brought enough; empty when there are none.

        `cut_off` names the parts with more results than the site handed out; the new parts take their place.
        """
        return ()

    def split(
        self, bounds: Bounds, page: Page, until: int | None, median_upload: Callable[[int, int], int | None]
    ) -> Sequence[Bounds]:
        """Smaller parts of a part that has too many results, in order; empty when it cannot be split.

        `page` is the part's first page, which is recorded and need not be asked for again. `median_upload`
        gives the median upload time of the known photos of a span.
        """
        return ()

    async def read(self, photo: Photo) -> bytes | None:
        """The photo's bytes where the source has them itself; None when they are to be downloaded."""
        return None

    async def presence(self, photos: Sequence[Photo]) -> Mapping[str, Presence]:
        """Ask the site about photos it returned before; photos it does not answer for are left out."""
        return {}

    @classmethod
    def is_placeholder(cls, final_url: str) -> bool:
        """Whether this address serves a 'photo unavailable' picture, of this site or of one it leads to."""
        return is_known_placeholder(final_url)

"""Photo sites: one file each, one contract. To add one, write `<name>.py` with a class named by `PLUGIN`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from rawlabel.collect.http import HttpClient
from rawlabel.config import CollectConfig
from rawlabel.records import Photo


@dataclass(frozen=True, slots=True)
class Page:
    """One page of search results."""

    photos: tuple[Photo, ...]
    first_rank: int
    """Rank of the page's first photo in the whole result, counted from 0."""
    next_cursor: str | None
    """Where the next page begins; None when the results end here."""
    total_reported: int | None
    """How many results the site says there are; sites exaggerate."""


class Source(Protocol):
    """What a photo site must offer; everything else (paging, downloading, resuming) is shared."""

    base_url: ClassVar[str]
    """Address of the API."""
    key_variable: ClassVar[str | None]
    """Environment variable that holds the API key; None when the site needs none."""
    terms: ClassVar[str]
    """What the site's terms ask, in one sentence."""

    def __init__(self, http: HttpClient, config: CollectConfig, api_key: str | None) -> None:
        """Raises `SourceError` when a key is needed and neither given nor in the environment."""
        ...

    async def search(self, keyword: str, cursor: str | None) -> Page:
        """Return one page for `keyword`; `cursor` is None for the first. Raises `SourceError`."""
        ...

    def is_placeholder(self, final_url: str) -> bool:
        """Whether this address serves the site's 'photo unavailable' picture."""
        ...

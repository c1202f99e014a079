"""Search photo sites keyword by keyword, part by part and page by page; each page is one transaction.

A site hands out only so many results of one search (Flickr: 4,000). A search with more is split into parts,
each of which the site can answer in full: the source says how (Flickr by upload date, then by license). The
first page of a part is recorded like any other, so finding out that a part is too large costs nothing but the
rest of its pages.

A part ends when all is read that the site states, not with the first page that comes short or empty: sites drop
pages. Two pages in a row that bring nothing new end it all the same, since beyond their limit sites repeat
themselves. When its pages listed fewer results than the site states, the part is called incomplete. A later run
that wants more of the search asks all pages of such a part once more, since the site may have had a bad day; then
only if that brought something new, and `MOST_REPEATS` times at most.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Part, PartState, QueryState, Standing
from rawlabel.gather.collect.source import Page, Search, Source
from rawlabel.records import LabelEvent

Verify = Callable[[Source, Page], Awaitable[None]]
BARREN_PAGES = 2
"""So many pages in a row without anything new end a part, whatever the site states."""
MOST_REPEATS = 3
"""So many later runs ask a part again that came short."""


class ClassSearch:
    """All searches for one class, one page at a time: the keywords take turns, so none is forgotten."""

    def __init__(
        self,
        class_id: str,
        sources: Mapping[str, Source],
        catalogue: Catalogue,
        *,
        wanted: int,
        per_keyword: int | None,
    ) -> None:
        self._class_id, self._sources, self._catalogue = class_id, sources, catalogue
        self._wanted = min((number for number in (wanted, per_keyword) if number), default=0)
        self._per_keyword = per_keyword
        self.num_pages = 0
        """Pages asked for in this run."""
        self.num_stated: int | None = None
        """Results that the sites state for the class, as of the last page; None while one has not been asked."""

    async def next_page(self) -> bool:
        """Ask for one more page; False when the searches have nothing more to give. Raises `SourceError`."""
        queries = [one for one in self._catalogue.queries(self._class_id) if one.source in self._sources]
        self.num_stated = _stated(queries)
        open_queries = [(query, part) for query in queries if (part := self._open_part(query))]
        if not open_queries:
            return False
        # Fewest pages first. The order depends on what is recorded alone: a stopped run goes on the same way.
        query, part = min(open_queries, key=lambda pair: pair[0].pages)
        await self._ask(query, part)
        return True

    async def ask_first(self, query: QueryState, verify: Verify | None = None) -> None:
        """Ask for the first page of one search, if it has not been asked for. Raises `SourceError`.

        `verify` sees the page before it is recorded, and may raise.
        """
        if not query.pages and (part := self._open_part(query)) is not None:
            await self._ask(query, part, verify)

    def _open_part(self, query: QueryState) -> Part | None:
        """The part of a search that is asked next; None when it has given what it can or what is wanted of it."""
        if self._per_keyword is not None and query.num_events >= self._per_keyword:
            return None
        parts = self._catalogue.parts(query, PartState.OPEN)
        if parts:
            return parts[0]
        source = self._sources[query.source]
        cut_off = self._catalogue.parts(query, PartState.TRUNCATED)
        fresh = source.further_parts([one.name for one in cut_off]) if query.num_parts else ()
        if not query.num_parts:
            fresh = source.first_parts(self._wanted)
        for name, bounds in fresh:
            self._catalogue.add_part(query, name, bounds)
        if fresh:
            for part in cut_off:
                self._catalogue.leave_part(part, PartState.SPLIT)
        parts = self._catalogue.parts(query, PartState.OPEN)
        if not parts and query.missing:
            self._catalogue.ask_again(query)
            parts = self._catalogue.parts(query, PartState.OPEN)
        return parts[0] if parts else None

    async def _ask(self, query: QueryState, part: Part, verify: Verify | None = None) -> None:
        source = self._sources[query.source]
        await source.prepare_once()
        page = await source.search(Search(query.class_id, query.keyword, part.bounds, part.cursor, query.until))
        if verify is not None:
            await verify(source, page)
        self.num_pages += 1
        events = []
        for number, photo in enumerate(page.photos):
            place = page.places[number] if page.places else (page.first_rank + number, part.name)
            event = LabelEvent(photo.source, photo.photo_id, query.class_id, query.keyword, *place)
            events.append((photo, event))
        children = self._children(source, query, part, page)
        self._catalogue.record_page(
            part,
            events,
            cursor=page.next_cursor,
            total_reported=page.total_reported,
            state=PartState.SPLIT if children else PartState.OPEN,
            num_listed=page.num_results,
            judge=None if children else lambda new: self._standing(source, query, part, page, new),
            children=children,
            most_new=None if self._per_keyword is None else self._per_keyword - query.num_events,
        )

    def _children(
        self, source: Source, query: QueryState, part: Part, page: Page
    ) -> list[tuple[str, Mapping[str, object]]]:
        """Smaller parts in the place of one whose first page says that the site will not hand out all of it."""
        comfortable = source.limits.comfortable
        if part.pages or comfortable is None or (page.total_reported or 0) <= comfortable:
            return []
        bounds = source.split(
            part.bounds,
            page,
            query.until,
            lambda earliest, latest: self._catalogue.median_upload(part, earliest, latest),
        )
        # Two digits each keep the names of any number of children in order.
        return [(f"{part.name}.{number:02d}", one) for number, one in enumerate(bounds)]

    def _standing(self, source: Source, query: QueryState, part: Part, page: Page, new: int) -> Standing:
        """What a part is after a page that brought `new` photos."""
        # Sites state another total on each page; the largest one costs a call and loses nothing.
        stated, most = max(part.total_reported or 0, page.total_reported or 0), source.limits.most_results
        is_barren = self._is_barren(query, part, page, new, page.position >= stated)
        num_barren = part.num_barren + 1 if is_barren else 0
        if not _is_over(page, stated, most, num_barren):
            return Standing(PartState.OPEN, num_barren=num_barren)
        handed_out = stated if most is None else min(stated, most)
        missing = max(0, handed_out - part.num_listed - page.num_results)
        if part.repeats:
            # What the pages left out this time may be what they listed before.
            missing = min(missing, max(0, part.missing_before - part.num_repeat_new - new))
        if stated > handed_out:
            return Standing(PartState.TRUNCATED, missing, num_barren)
        return Standing(PartState.INCOMPLETE if missing else PartState.DONE, missing, num_barren)

    def _is_barren(self, query: QueryState, part: Part, page: Page, new: int, is_behind: bool) -> bool:
        """Whether a page says that the results have come to their end, or that the site repeats itself.

        `is_behind` says whether it ends where, or behind where, the site states that they end.
        """
        if not page.num_results:
            return True
        # The first page of a slice may hold nothing but the second at which the page before the split ended; and
        # results that are no photos say nothing of the next page.
        if new or not part.pages or not page.photos:
            return False
        # What is asked once more is known for the most part.
        if part.repeats:
            return is_behind
        # Where the same photos were seen in another order before, a page of known ones says nothing of the next.
        return len({one.name.partition(".")[0] for one in self._catalogue.parts(query)}) == 1


def _stated(queries: Sequence[QueryState]) -> int | None:
    """Results that the sites state; None while one has not been asked."""
    known = [one.num_events if one.exhausted else one.total_reported for one in queries]
    return None if None in known else sum(number for number in known if number is not None)


def _is_over(page: Page, stated: int, most: int | None, num_barren: int) -> bool:
    """Whether a part ends with a page: where the site says so, but not before all is read that it states."""
    if page.next_cursor is None or num_barren >= BARREN_PAGES:
        return True
    if most is not None and page.position >= most:
        return True
    # Totals are inexact both ways: go on behind the stated end while pages come full of new photos.
    return page.position >= stated and (num_barren > 0 or not page.is_full)

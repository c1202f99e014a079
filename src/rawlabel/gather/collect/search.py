"""Search photo sites keyword by keyword, part by part and page by page; each page is one transaction.

A site hands out only so many results of one search (Flickr: 4,000). A search with more is split into parts,
each of which the site can answer in full: the source says how (Flickr by upload date, then by license). The
first page of a part is recorded like any other, so finding out that a part is too large costs nothing but the
rest of its pages. A part ends when its pages are read, or as soon as a page brings nothing new: beyond their
limit sites repeat themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Part, PartState, QueryState
from rawlabel.gather.collect.source import Page, Search, Source
from rawlabel.records import LabelEvent


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
        self.last_keyword = ""
        self.num_pages = 0
        """Pages asked for in this run."""

    async def next_page(self) -> bool:
        """Ask for one more page; False when the searches have nothing more to give. Raises `SourceError`."""
        queries = [one for one in self._catalogue.queries(self._class_id) if one.source in self._sources]
        open_queries = [(query, part) for query in queries if (part := self._open_part(query))]
        if not open_queries:
            return False
        # Fewest pages first. The order depends on what is recorded alone: a stopped run goes on the same way.
        query, part = min(open_queries, key=lambda pair: pair[0].pages)
        await self._ask(query, part)
        return True

    async def ask_first(self, query: QueryState) -> None:
        """Ask for the first page of one search, if it has not been asked for. Raises `SourceError`."""
        part = self._open_part(query)
        if part is not None and not query.pages:
            await self._ask(query, part)

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
        return parts[0] if parts else None

    async def _ask(self, query: QueryState, part: Part) -> None:
        source = self._sources[query.source]
        await source.prepare_once()
        page = await source.search(Search(query.class_id, query.keyword, part.bounds, part.cursor, query.until))
        self.last_keyword, self.num_pages = query.keyword, self.num_pages + 1
        events = []
        for number, photo in enumerate(page.photos):
            place = page.places[number] if page.places else (page.first_rank + number, part.name)
            event = LabelEvent(photo.source, photo.photo_id, query.class_id, query.keyword, *place)
            events.append((photo, event))
        children = self._children(source, query, part, page)
        new = self._catalogue.record_page(
            part,
            events,
            cursor=page.next_cursor,
            total_reported=page.total_reported,
            state=PartState.SPLIT if children else PartState.OPEN,
            children=children,
            most_new=None if self._per_keyword is None else self._per_keyword - query.num_events,
        )
        if new is not None and not children and self._is_over(source, query, part, page, new):
            self._catalogue.leave_part(part, _final_state(source, part, page))

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

    def _is_over(self, source: Source, query: QueryState, part: Part, page: Page, new: int) -> bool:
        pages, limits = part.pages + 1, source.limits
        if page.next_cursor is None or not page.photos:
            return True
        if limits.most_results is not None and pages * limits.page_size >= limits.most_results:
            return True
        expected = math.ceil((page.total_reported or 0) / limits.page_size)
        # Totals are inexact both ways: go on behind the stated end while pages come full of new photos.
        if new > 0 or pages == 1:
            # The first page of a slice may hold nothing but the second at which the page before the split ended.
            return pages >= expected and not page.is_full
        # Where the same photos were seen in another order before, a page of known ones says nothing of the next.
        roots = {one.name.partition(".")[0] for one in self._catalogue.parts(query)}
        return len(roots) == 1 or (pages >= expected and not page.is_full)


def _final_state(source: Source, part: Part, page: Page) -> PartState:
    most = source.limits.most_results
    total = part.total_reported or page.total_reported or 0
    return PartState.TRUNCATED if most is not None and total > most else PartState.DONE

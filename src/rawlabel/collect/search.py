"""Ask a photo site for every keyword of every class, page by page; each page is one transaction."""

from __future__ import annotations

from rawlabel.catalogue import Catalogue, QueryState
from rawlabel.collect.sources import Source
from rawlabel.config import CollectConfig
from rawlabel.progress import progress
from rawlabel.records import LabelEvent


async def search_keywords(source: Source, catalogue: Catalogue, config: CollectConfig) -> None:
    """Run all searches that are not finished. Raises `SourceError` when the site refuses or is away."""
    queries = catalogue.queries(config.source)
    open_queries = [one for one in queries if not one.exhausted and one.num_events < config.per_keyword]
    with progress("searching", len(queries), done=len(queries) - len(open_queries)) as task:
        for query in open_queries:
            found = await _search_one(source, catalogue, query, config.per_keyword)
            task.advance(note=f"{query.keyword}: {found} photos")


async def _search_one(source: Source, catalogue: Catalogue, query: QueryState, wanted: int) -> int:
    """Page until `wanted` photos are found, the results end, or a page brings nothing new."""
    cursor, found = query.cursor, query.num_events
    while found < wanted:
        page = await source.search(query.keyword, cursor)
        events = [
            (photo, LabelEvent(photo.source, photo.photo_id, query.class_id, query.keyword, page.first_rank + i))
            for i, photo in enumerate(page.photos)
            if page.first_rank + i < wanted
        ]
        is_cut = len(events) < len(page.photos)
        next_cursor = cursor if is_cut else page.next_cursor
        new = catalogue.record_page(
            query,
            events,
            cursor=next_cursor,
            total_reported=page.total_reported,
            exhausted=not is_cut and (page.next_cursor is None or not events),
        )
        found += new
        if is_cut or page.next_cursor is None or new == 0:
            break
        cursor = page.next_cursor
    return found

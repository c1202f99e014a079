"""What a collection will cost, before it starts: calls, hours of quota, photos and gigabytes for each class.

The plan asks each source once for each keyword, for the first page of the search that `collect` would begin
with. The page is recorded, so `collect` goes on behind it: a plan spends nothing that a collection would not.
With `offline` nothing is asked, and what only a site can know is left open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import QueryState
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base.progress import progress
from rawlabel.base.signals import run_until_stopped
from rawlabel.config import PlanConfig
from rawlabel.errors import SourceError
from rawlabel.gather.classes.warnings import ClassWarning, find_warnings
from rawlabel.gather.collect.session import Session, requested_classes, requested_sources
from rawlabel.gather.collect.source import SearchLimits, Source
from rawlabel.records import ClassSpec

BYTES_PER_PIXEL = 0.33
"""Mean size of Flickr's JPEG files over their pixels, over a seventh of the TensorFlow flower photos."""
PHOTOS_PER_SLICE = 2000
"""Mean size of the slices into which a search beyond its site's limit is split; halving gives 1,500 to 3,000."""
USUAL_YIELD = 0.9
"""Share of found photos that turn out good, assumed before any is fetched."""


@dataclass(frozen=True, slots=True)
class KeywordPlan:
    """What the search for one keyword at one source will take."""

    source: str
    class_id: str
    keyword: str
    reported: int | None
    """Photos that the site says it has; None when it was not asked, or does not say."""
    photos: int | None
    """Photos that will be found."""
    calls: int
    """API calls, of which the plan itself has made `asked`; an upper limit where nothing is reported."""
    asked: int
    slices: int
    is_truncated: bool
    """The site has more photos than it hands out, and the search cannot be split."""


@dataclass(frozen=True, slots=True)
class ClassPlan:
    """What one class will take."""

    class_id: str
    name: str
    keywords: tuple[KeywordPlan, ...]
    photos: int | None
    """Photos that will be downloaded; None when a site was not asked."""
    gigabytes: float | None

    @property
    def calls(self) -> int:
        """Calls of the site's interface that a collection of all keywords of the class would make."""
        return sum(one.calls for one in self.keywords)

    @property
    def reported(self) -> int | None:
        """Photos that the sites say they have, photos found twice counted twice; None when nobody was asked."""
        known = [one.reported for one in self.keywords if one.reported is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class CollectionPlan:
    """The whole plan."""

    classes: tuple[ClassPlan, ...]
    warnings: tuple[ClassWarning, ...]
    quota_hours: Mapping[str, float]
    """For each source, the least time [hours] in which its limits allow the calls still to be made."""
    not_asked: Mapping[str, str] = field(default_factory=dict)
    """Why a source was not asked, or not to the end."""

    def as_json(self) -> Mapping[str, object]:
        """The plan as plain values, as `--out` writes it: classes, warnings, quota, what was not asked."""
        from dataclasses import asdict

        return {
            "classes": [{**asdict(one), "calls": one.calls, "reported": one.reported} for one in self.classes],
            "warnings": [asdict(one) for one in self.warnings],
            "quota_hours": dict(self.quota_hours),
            "not_asked": dict(self.not_asked),
        }


def plan(config: PlanConfig, *, api_key: str | None = None) -> CollectionPlan:
    """Plan the collection that the same settings make. Raises what `collect` raises before it asks a site.

    A source that has no key or gives no answer is left out; what can be said without it is said.
    """
    source_types = requested_sources(config)
    classes = requested_classes(config, source_types)
    if config.offline:
        limits = {name: _known_limits(kind) for name, kind in source_types.items()}
        queries = [
            QueryState(name, spec.class_id, keyword, None, None, 0, 0, 0, False, False)
            for spec in classes
            for keyword in spec.keywords
            for name in source_types
        ]
        return _assemble(config, classes, queries, limits, splits=frozenset(), mean_bytes=_mean_bytes([], config))
    with Catalogue(catalogue_path(config.project), create=True) as catalogue:
        session = Session(config, catalogue, source_types, api_key, is_lenient=True)
        catalogue.plan(list(source_types), classes, until=session.until)
        run_until_stopped(_probe(session, catalogue, classes))
        queries = catalogue.queries()
        sizes = catalogue.sizes(most=5000)
    limits = {
        name: session.sources[name].limits if name in session.sources else _known_limits(kind)
        for name, kind in source_types.items()
    }
    can_split = frozenset(name for name, source in session.sources.items() if source.splits)
    made = _assemble(config, classes, queries, limits, splits=can_split, mean_bytes=_mean_bytes(sizes, config))
    return replace(made, not_asked=session.unavailable)


def _known_limits(kind: type[Source]) -> SearchLimits:
    """The limits of a source that is not made; those with several kinds of keys know them only then."""
    return getattr(kind, "limits", SearchLimits(500))


async def _probe(session: Session, catalogue: Catalogue, classes: Sequence[ClassSpec]) -> None:
    if not session.sources:
        return
    async with session:
        with progress("asking", sum(len(spec.keywords) for spec in classes) * len(session.sources)) as task:
            async with session.telling(task):
                for spec in classes:
                    for query in catalogue.queries(spec.class_id):
                        if query.source in session.sources and query.source not in session.unavailable:
                            await _ask(session, query)
                        task.advance(1, query.keyword)


async def _ask(session: Session, query: QueryState) -> None:
    """Ask for the first page of a search; a source that does not answer is not asked again."""
    try:
        await session.search(query.class_id).ask_first(query)
    except SourceError as error:
        session.unavailable[query.source] = str(error).removeprefix(f"{query.source}: ")


def _assemble(
    config: PlanConfig,
    classes: Sequence[ClassSpec],
    queries: Sequence[QueryState],
    limits: Mapping[str, SearchLimits],
    *,
    splits: frozenset[str],
    mean_bytes: float,
) -> CollectionPlan:
    by_class: dict[str, list[QueryState]] = {spec.class_id: [] for spec in classes}
    for query in queries:
        if query.class_id in by_class and query.source in limits:
            by_class[query.class_id].append(query)
    plans = tuple(
        _class_plan(spec, by_class[spec.class_id], limits, splits, config, mean_bytes) for spec in classes
    )
    calls: dict[str, int] = dict.fromkeys(limits, 0)
    totals: dict[tuple[str, str], int] = {}
    for one in (keyword for each in plans for keyword in each.keywords):
        calls[one.source] += one.calls - one.asked
        if one.reported is not None:
            key = (one.class_id, one.keyword)
            totals[key] = totals.get(key, 0) + one.reported
    hours = {name: _quota_hours(number, limits[name]) for name, number in calls.items()}
    is_searched = any(kind.base_url for kind in requested_sources(config).values())
    warnings = find_warnings(classes, totals or None, config.per_class, is_searched=is_searched)
    return CollectionPlan(plans, tuple(warnings), hours)


def _class_plan(
    spec: ClassSpec,
    queries: Sequence[QueryState],
    limits: Mapping[str, SearchLimits],
    splits: frozenset[str],
    config: PlanConfig,
    mean_bytes: float,
) -> ClassPlan:
    # Photos to find so that enough of them turn out good; the keywords share them.
    wanted = math.ceil(config.per_class / USUAL_YIELD) if config.per_class else None
    share = math.ceil(wanted / max(1, len(queries))) if wanted is not None else None
    keywords = [
        _keyword_plan(query, limits[query.source], query.source in splits, share, config) for query in queries
    ]
    known = [one.photos for one in keywords]
    photos = None
    if all(number is not None for number in known):
        found = sum(number for number in known if number is not None)
        photos = found if wanted is None else min(found, wanted)
    gigabytes = photos * mean_bytes / 1e9 if photos is not None else None
    return ClassPlan(spec.class_id, spec.name, tuple(keywords), photos, gigabytes)


def _keyword_plan(
    query: QueryState, limits: SearchLimits, can_split: bool, share: int | None, config: PlanConfig
) -> KeywordPlan:
    wanted = min((number for number in (share, config.per_keyword) if number is not None), default=None)
    # A search that has come to its end had what it had, also where the site states no total.
    reported = query.num_events if query.total_reported is None and query.exhausted else query.total_reported
    most = limits.most_results
    handed_out = reported if can_split or most is None or reported is None else min(reported, most)
    photos = handed_out if wanted is None or handed_out is None else min(handed_out, wanted)
    slices, calls = 1, math.ceil((photos if photos is not None else wanted or most or 0) / limits.page_size)
    if can_split and photos is not None and most is not None and photos > most:
        # The pages read on the way to the slices are not lost, but each slice's last page is half full.
        slices = math.ceil(photos / PHOTOS_PER_SLICE)
        calls = math.ceil(photos / limits.page_size + slices / 2)
    is_truncated = not can_split and most is not None and (reported or 0) > most
    return KeywordPlan(
        source=query.source,
        class_id=query.class_id,
        keyword=query.keyword,
        reported=reported,
        photos=photos,
        calls=max(1, calls),
        asked=query.pages,
        slices=slices,
        is_truncated=is_truncated,
    )


def _quota_hours(calls: int, limits: SearchLimits) -> float:
    return max((calls / most * seconds / 3600 for most, seconds in limits.calls), default=0.0)


def _mean_bytes(sizes: Sequence[tuple[int, int]], config: PlanConfig) -> float:
    """Expected bytes of a photo, from the stated sizes [pixels] of those found, or else from the wanted size."""
    pixels = [width * height for width, height in sizes]
    mean = sum(pixels) / len(pixels) if pixels else config.image_size**2 * 4 / 3
    return mean * BYTES_PER_PIXEL

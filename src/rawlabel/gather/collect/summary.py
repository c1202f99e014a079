"""What a person should hear at the end of a collection: why addresses failed, and what searches did not list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from urllib.parse import urlsplit

from rawlabel.artifacts.catalogue.catalogue import Catalogue

MOST_LINES = 10


def failure_lines(catalogue: Catalogue, num_fetched: int) -> list[str]:
    """When most addresses failed, how many did so by host and cause, most first; else nothing."""
    causes = Counter(
        (_host(url), reason.describe() + (f" (HTTP {status})" if status else ""))
        for url, reason, status in catalogue.failed_addresses()
    )
    if causes.total() <= num_fetched:
        return []
    lines = [f"  {count:>6} {host}: {cause}" for (host, cause), count in causes.most_common(MOST_LINES)]
    if len(causes) > MOST_LINES:
        rest = causes.total() - sum(count for _, count in causes.most_common(MOST_LINES))
        lines.append(f"  {rest:>6} at other hosts or for other causes")
    return [
        f"most addresses failed ({causes.total()} of {causes.total() + num_fetched}), by host and cause:",
        *lines,
    ]


def incomplete_lines(catalogue: Catalogue) -> list[str]:
    """The searches whose pages listed fewer results than the site states."""
    short = sorted((one for one in catalogue.queries() if one.missing), key=lambda one: -one.missing)
    if not short:
        return []
    total = sum(one.missing for one in short)
    lines = [f"  {one.missing:>6} {one.source}: '{one.keyword}'" for one in short[:MOST_LINES]]
    if len(short) > MOST_LINES:
        lines.append(f"  {total - sum(one.missing for one in short[:MOST_LINES]):>6} of other searches")
    return [f"{len(short)} searches are incomplete; {total} results that sites state were not listed:", *lines]


def problem_of(counts: Mapping[str, int], *, search_only: bool = False) -> str:
    """Why nothing can follow a collection with these counts of its catalogue, and what to do; else nothing."""
    if not counts["photos"]:
        return (
            "no search found a photo; check the keywords (`rawlabel plan` counts them) or name another --source; "
            "with --source folder, a class finds the folder of its name, if that is no link out of --input"
        )
    if not counts["fetched"] and not search_only:
        return "none of the photos could be downloaded; the reasons are above"
    return ""


def _host(url: str | None) -> str:
    try:
        return urlsplit(url or "").hostname or "no address"
    except ValueError:
        return "no address"

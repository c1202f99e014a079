"""Whether a source still answers in the form that its client expects: one request to its API.

A site that has moved or changed its replies would otherwise be found out by a day's empty run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.base.families import Family, load
from rawlabel.base.signals import run_until_stopped
from rawlabel.config import CollectConfig, NetworkSettings, SourcesConfig
from rawlabel.errors import SourceError
from rawlabel.gather.collect.session import Session
from rawlabel.gather.collect.source import Page, Search, Source

FEWEST_FOR_DOUBT = 20
"""Stated results from which on an empty page is a fault of the form; small totals are often wrong."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a source's answer is worth."""

    source: str
    is_good: bool
    words: str


def form_fault(page: Page, *, needs_addresses: bool = True) -> str | None:
    """What is wrong with the form of a first page of results, in words; None when nothing is."""
    if page.num_results and not page.photos:
        return f"lists {page.num_results} results of which none reads as a photo"
    if not page.num_results and (page.total_reported or 0) >= FEWEST_FOR_DOUBT:
        return f"says that it has {page.total_reported:,} results and lists none"
    if needs_addresses and page.photos and all(photo.url is None for photo in page.photos):
        return f"gives no address of an image for any of {len(page.photos)} photos"
    return None


async def ask_common_word(source: Source) -> Page:
    """The first page of a search that every site has results for. Raises `SourceError`."""
    until = int(datetime.now(UTC).timestamp())
    return await source.search(Search("", source.common_word, {}, None, until))


async def require_known_form(source: Source, name: str, page: Page, *, needs_addresses: bool) -> None:
    """Raise `SourceError` when a first page and that of a common word both lack the form that is expected."""
    if form_fault(page, needs_addresses=needs_addresses) is None:
        return
    fault = form_fault(await ask_common_word(source), needs_addresses=needs_addresses)
    if fault is not None:
        raise SourceError(
            f"{name}: {source.context.base_url} {fault}; it may have moved or changed (`rawlabel sources --check` "
            "asks again)"
        )


def check_sources(names: Sequence[str], config: SourcesConfig) -> list[Checked]:
    """Ask each source once. Nothing is raised for what a site does."""
    with tempfile.TemporaryDirectory() as folder, Catalogue(Path(folder) / "c.sqlite", create=True) as catalogue:
        return [run_until_stopped(_checked(name, config, catalogue)) for name in names]


async def _checked(name: str, config: SourcesConfig, catalogue: Catalogue) -> Checked:
    kind: type[Source] = load(Family.SOURCE, name)
    if not kind.base_url:
        return Checked(name, True, "reads this machine; nothing to ask")
    try:
        session = Session(_as_collecting(config, name), catalogue, {name: kind}, None)
        async with session:
            page = await ask_common_word(session.sources[name])
    except SourceError as error:
        return Checked(name, False, str(error).removeprefix(f"{name}: "))
    fault = form_fault(page)
    if fault is not None:
        return Checked(name, False, f"{session.sources[name].context.base_url} {fault}; it may have changed")
    if not page.num_results:
        return Checked(name, True, f"answers; it has nothing for '{kind.common_word}', so no photo was seen")
    stated = "it does not say how many" if page.total_reported is None else f"{page.total_reported:,}"
    return Checked(
        name, True, f"answers as expected: {len(page.photos)} photos of {stated} for '{kind.common_word}'"
    )


def _as_collecting(config: SourcesConfig, source: str) -> CollectConfig:
    """The settings of a collection from one source; addresses of others are none of its own."""
    shared = {name: getattr(config, name) for name in NetworkSettings.model_fields}
    addresses = tuple(
        one for one in config.base_url if one.startswith(f"{source}=") or "://" in one.partition("=")[0]
    )
    return CollectConfig(source=(source,), base_url=addresses, **shared)

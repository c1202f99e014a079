"""What cards say about a data set: facts of the manifest and the catalogue, and None where they do not say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import QueryState
from rawlabel.artifacts.manifest import CLOCK_COLUMNS, METADATA_KEY, Manifest
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base import families
from rawlabel.base.untrusted_text import plain_text, web_address
from rawlabel.config import ExportConfig
from rawlabel.manifests.formats._folder import read_marks
from rawlabel.manifests.formats._photos import count_kept
from rawlabel.records import Split

_LONGEST_DEFINITION = _LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """One class in counts of label events."""

    class_id: str
    name: str
    definition: str
    keywords: tuple[str, ...]
    found: int
    train: int
    holdout: int


@dataclass(frozen=True, slots=True)
class LicenseFacts:
    """One license and the kept photos under it."""

    name: str
    address: str | None
    kept: int


@dataclass(frozen=True, slots=True)
class Searches:
    """The keyword searches together."""

    total: int
    exhausted: int
    """Searches of which all that the site hands out was asked for."""
    truncated: int
    """Searches with more results than the site hands out."""
    found: int
    reported: int
    """Results that the sites said there are, over the searches for which they said it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a card says; texts are one line each and not yet escaped."""

    name: str
    creator: str | None
    homepage: str | None
    fingerprint: str
    rawlabel: str
    """Version of the program that wrote the manifest."""
    found: int
    kept: int
    splits: dict[str, int]
    authors: int
    classes: list[ClassFacts]
    losses: list[tuple[str, str, int]]
    """Verdict, reason in words and count."""
    sources: list[tuple[str, int, int]]
    """Source, label events found and kept."""
    notices: list[str]
    """Warnings of sources whose labels are not raw."""
    licenses: list[LicenseFacts]
    days: tuple[date, date] | None
    """First and last day (UTC) on which a site was searched or a photo downloaded."""
    searches: Searches | None
    curation: list[tuple[str, str]]
    """Settings of the curation."""
    has_pixels: bool
    """Whether Parquet with the pixels of this very manifest lies beside the card."""


def gather(manifest: Manifest, out: Path, config: ExportConfig) -> Facts:
    """Count and read. Raises `DataError` for a damaged catalogue."""
    header = json.loads(manifest.table.schema.metadata[METADATA_KEY])
    project = config.project.absolute().name
    curation = header.get("config")
    return Facts(
        name=plain_text(config.name or project) or "data set",
        creator=plain_text(config.creator) or None,
        homepage=web_address(config.homepage),
        fingerprint=manifest.fingerprint,
        rawlabel=plain_text(header.get("rawlabel")) or "not known",
        found=manifest.table.num_rows,
        kept=count_kept(manifest),
        splits={split.value: manifest.kept(split).num_rows for split in Split},
        authors=_authors(manifest),
        classes=_classes(manifest),
        losses=_losses(manifest),
        sources=_sources(manifest),
        notices=_notices(manifest),
        licenses=_licenses(manifest),
        days=_days(manifest),
        searches=_searches(config.project, header.get("catalogue_fingerprint")),
        curation=_curation(curation if isinstance(curation, dict) else {}),
        has_pixels=_has_pixels(manifest, out),
    )


def _authors(manifest: Manifest) -> int:
    kept = manifest.kept()
    named = kept.filter(pc.not_equal(kept["author_id"], ""))
    return int(named.group_by(["source", "author_id"]).aggregate([]).num_rows)


def _classes(manifest: Manifest) -> list[ClassFacts]:
    found = Counter(manifest.table["class_id"].to_pylist())
    kept = {split: Counter(manifest.kept(split)["class_id"].to_pylist()) for split in Split}
    return [
        ClassFacts(
            spec.class_id,
            plain_text(spec.name),
            plain_text(spec.definition, _LONGEST_DEFINITION),
            tuple(plain_text(word) for word in spec.keywords),
            found[spec.class_id],
            kept[Split.TRAIN][spec.class_id],
            kept[Split.HOLDOUT][spec.class_id],
        )
        for spec in manifest.classes
    ]


def _losses(manifest: Manifest) -> list[tuple[str, str, int]]:
    losses = manifest.funnel.total.losses
    rows = [
        (str(loss.verdict), plain_text(loss.describe(), _LONGEST_REASON), count) for loss, count in losses.items()
    ]
    return sorted(rows, key=lambda row: (-row[2], row))


def _sources(manifest: Manifest) -> list[tuple[str, int, int]]:
    found, kept = (Counter(table["source"].to_pylist()) for table in (manifest.table, manifest.kept()))
    return [(plain_text(source), count, kept[source]) for source, count in sorted(found.items(), key=str)]


def _notices(manifest: Manifest) -> list[str]:
    known = set(families.names(families.Family.SOURCE))
    used = sorted(known & set(manifest.table["source"].to_pylist()))
    notices = ((name, families.load(families.Family.SOURCE, name).label_notice) for name in used)
    found = [f"{name}: {notice}" for name, notice in notices if notice]
    found += manifest.warnings()
    kept = manifest.kept()
    injected = kept.num_rows - kept["injected_from"].null_count
    if injected:
        found.append(f"{injected} of {kept.num_rows} labels or photos are injected noise, marked by injected_from")
    return found


def _licenses(manifest: Manifest) -> list[LicenseFacts]:
    columns = ["license_name", "license_id", "license_url"]
    counts: Counter[tuple[str, str | None]] = Counter()
    for row in manifest.kept().group_by(columns).aggregate([([], "count_all")]).to_pylist():
        name = plain_text(row["license_name"] or row["license_id"]) or "not known"
        counts[name, web_address(row["license_url"])] += row["count_all"]
    rows = [LicenseFacts(name, address, count) for (name, address), count in counts.items()]
    return sorted(rows, key=lambda row: (-row.kept, row.name, row.address or ""))


def _days(manifest: Manifest) -> tuple[date, date] | None:
    ends = [pc.min_max(manifest.table[name]).as_py() for name in CLOCK_COLUMNS]
    known = [seconds for end in ends for seconds in end.values() if seconds is not None]
    if not known:
        return None
    try:
        first, last = (datetime.fromtimestamp(seconds, UTC).date() for seconds in (min(known), max(known)))
    except (OverflowError, ValueError, OSError):
        return None  # no clock says such a thing
    return first, last


def _searches(project: Path, curated_fingerprint: Any) -> Searches | None:
    """None when the catalogue is not here or was added to since the curation."""
    if not catalogue_path(project).is_file():
        return None
    with Catalogue(catalogue_path(project)) as catalogue:
        if catalogue.fingerprint() != curated_fingerprint:
            return None
        return _sum_up(catalogue.queries())


def _sum_up(queries: Sequence[QueryState]) -> Searches:
    stated = [query for query in queries if query.total_reported]
    return Searches(
        len(queries),
        sum(query.exhausted for query in queries),
        sum(query.truncated for query in queries),
        sum(query.num_events for query in stated),
        sum(query.total_reported or 0 for query in stated),
    )


def _curation(settings: Mapping[str, object]) -> list[tuple[str, str]]:
    """Settings that shape the result; where files lay is their owner's business."""
    left_out = {"project", "workers", "manifest", "features", "second", "injected"}
    return [(key, plain_text(str(value))) for key, value in settings.items() if key not in left_out]


def _has_pixels(manifest: Manifest, out: Path) -> bool:
    mark = read_marks(out).get("parquet", {})
    return mark.get("manifest") == manifest.fingerprint and bool(mark.get("complete"))

"""Put the sections together into one page of limited size."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from numpy.typing import NDArray

from rawlabel.config import ReportConfig
from rawlabel.show.report.certificate import read_certificate
from rawlabel.show.report.class_accuracy import measure_classes
from rawlabel.show.report.confusions import make_confusions
from rawlabel.show.report.curves import make_curves
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence, newest_run, read_collection, read_run
from rawlabel.show.report.frozen_probe import make_peers
from rawlabel.show.report.funnel import make_funnel
from rawlabel.show.report.label_evidence import read_label_evidence
from rawlabel.show.report.measuring import NOTHING_MEASURED, Measure
from rawlabel.show.report.montage import ClassMontage, Tile, make_montage
from rawlabel.show.report.numbers import numbers_of
from rawlabel.show.report.photos.beside import write_rest
from rawlabel.show.report.photos.groups import find_groups
from rawlabel.show.report.photos.more import Group, Rest, groups_of, list_rest, more_tiles
from rawlabel.show.report.photos.suspects import find_suspects
from rawlabel.show.report.provenance import trace
from rawlabel.show.report.rules import rule_choices
from rawlabel.show.report.shared_photos import find_shared_photos
from rawlabel.show.report.simulated import read_planted
from rawlabel.show.report.thumbnails import Thumbnails
from rawlabel.show.report.verdict import (
    head_choice_cost,
    notices,
    run_facts,
    shown_accuracies,
    verdict_sentence,
)

MOST_BYTES = 15_000_000
"""Size limit of the page: it should open on a phone and fit into a mail."""
LEAST_TILE_BYTES = 2_000
"""A tile with a picture hardly takes less; saves making thumbnails that would not fit in any case."""
MOST_OPEN_ROWS = 60
"""Longer tables are folded."""

_SECTIONS = (
    ("verdict", "The result"),
    ("class-accuracy", "Accuracy of each class"),
    ("confusions", "What is taken for what"),
    ("label-evidence", "Which labels to doubt"),
    ("curves", "Training"),
    ("certificate", "Were test photos trained on?"),
    ("funnel", "From found to kept"),
    ("shared-photos", "Classes found together"),
    ("montage", "The photos"),
    ("provenance", "Where it comes from"),
)


@dataclass(frozen=True)
class Report:
    """The page, what it plots, and what does not fit into it."""

    html: str
    numbers: dict[str, object]
    collection: CollectionEvidence
    groups: Mapping[Group, NDArray[np.int64]]
    rest: list[Rest]

    def write_rest(self, folder: Path) -> None:
        """Write the pages of photos for which the page has no room. Raises `DiskError`."""
        style = _file("style.css")
        policy = f"default-src 'none'; img-src 'self' file:; style-src '{_digest(style)}'; base-uri 'none'"
        head = (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta '
            'http-equiv="Content-Security-Policy" '
            f'content="{policy}"><meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta name="referrer" content="no-referrer"><style>{style}</style>'
        )
        write_rest(self.collection, self.groups, self.rest, folder, head)


def render_report(config: ReportConfig, out: Path, measure: Measure = NOTHING_MEASURED) -> Report:
    """Read all evidence and return the page; `measure` adds to it what was not measured yet.

    The samples get the space that the rest leaves, so a page with many classes shows fewer photos of each and says
    so; what is left of it goes to the photos behind the counts. Raises `DataError`.
    """
    collection = read_collection(config.project)
    run_path = config.run or newest_run(config.project)
    run = read_run(run_path) if run_path else None
    thumbnails = Thumbnails()
    peers = make_peers(run, measure.probe) if run else None
    gap = measure.labels(run.path) if run and measure.labels and _lacks_labels(run) else ""
    values = _sections(collection, run, config, thumbnails) | {"peers": peers, "labels_gap": gap}
    groups, folder = groups_of(collection), out.with_name(f"{out.stem}_photos")
    template = page_environment().get_template("page.html.j2")

    def render(
        montage: list[ClassMontage], per_class: int, more: Mapping[int, list[Tile]], rest: list[Rest]
    ) -> str:
        return template.render(**values, montage=montage, per_class=per_class, more=more, rest=rest)

    nothing_shown = list_rest(collection, groups, {}, folder)
    html = without = render([], 0, {}, nothing_shown)
    space = max(MOST_BYTES - _size(without), 0)
    classes = max(len(collection.manifest.class_ids), 1)
    per_class = min(config.photos_per_class, space // (classes * LEAST_TILE_BYTES))
    montage: list[ClassMontage] = []
    drawn: set[int] = set()
    while per_class > 0:
        montage, drawn = make_montage(collection, per_class, thumbnails)
        html = render(montage, per_class, {}, nothing_shown)
        used = _size(html) - _size(without)
        if used <= space:
            break
        per_class = min(per_class - 1, per_class * space // used)
        montage, drawn, html = [], set(), without
    left = MOST_BYTES - _size(html) if config.photos_per_class else 0
    more, shown = more_tiles(collection, groups, drawn, left, thumbnails)
    rest = list_rest(collection, groups, shown, folder)
    full = render(montage, per_class, more, rest)
    if _size(full) > MOST_BYTES:
        full, rest = html, nothing_shown
    return Report(full, numbers_of(values), collection, groups, rest)


def _size(html: str) -> int:
    return len(html.encode("utf-8", errors="replace"))


def _lacks_labels(run: RunEvidence) -> bool:
    return run.is_finished and not (run.path / "suspicion.parquet").is_file()


def _sections(
    collection: CollectionEvidence, run: RunEvidence | None, config: ReportConfig, thumbnails: Thumbnails
) -> dict[str, object]:
    suspects = find_suspects(collection, run, thumbnails) if run else None
    classes = measure_classes(collection, run) if run else None
    shared = find_shared_photos(collection, run)
    rules = rule_choices(run) if run else []
    return page_parts() | {
        "sections": _SECTIONS,
        "most_open_rows": MOST_OPEN_ROWS,
        "most_megabytes": MOST_BYTES // 1_000_000,
        "wanted_per_class": config.photos_per_class,
        "collection": collection,
        "run": run,
        "facts": run_facts(run) if run else None,
        "sentence": verdict_sentence(collection, run, classes, shared, suspects),
        "accuracies": shown_accuracies(run),
        "head_choice": head_choice_cost(run),
        "notices": notices(collection, run),
        "funnel": make_funnel(collection),
        "shared": shared,
        "curves": make_curves(run, rules) if run else None,
        "rules": rules,
        "class_accuracies": classes,
        "confusions": make_confusions(collection, run, suspects, thumbnails) if run else None,
        "suspects": suspects,
        "groups": find_groups(collection, run, thumbnails) if run else None,
        "label_evidence": read_label_evidence(collection, run, suspects) if run else None,
        "certificate": read_certificate(collection, run),
        "planted": read_planted(config.project, collection.manifest, run) if collection.is_simulated else None,
        "provenance": trace(collection, run, config),
    }


def page_parts() -> dict[str, object]:
    """Style and script of a page, and the digests by which its policy knows them."""
    style, script = _file("style.css"), _file("page.js")
    return {
        "style": Markup(style),
        "style_digest": _digest(style),
        "script": Markup(script),
        "script_digest": _digest(script),
    }


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


@cache
def page_environment() -> Environment:
    """The templates, which escape all that they are given, and their filters."""
    environment = Environment(
        loader=PackageLoader("rawlabel.show.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["percent"] = lambda value, digits=1: f"{value:.{digits}f}\N{NO-BREAK SPACE}%"
    environment.filters["commands"] = _mark_commands
    # Positions in a drawing: two decimals are less than a pixel.
    environment.filters["at"] = lambda value: f"{value:.2f}%"
    return environment


def _mark_commands(text: str) -> Markup:
    """Escape `text` and set what stands between backquotes as code."""
    code = Markup("<code>{}</code>")
    parts = (code.format(part) if i % 2 else escape(part) for i, part in enumerate(text.split("`")))
    return Markup("").join(parts)


def _file(name: str) -> str:
    environment = page_environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].strip()

"""Put the sections together into one page of limited size."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from rawlabel.config import ReportConfig
from rawlabel.show.report.class_accuracy import measure_classes
from rawlabel.show.report.confusions import make_confusions
from rawlabel.show.report.curves import make_curves
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence, newest_run, read_collection, read_run
from rawlabel.show.report.frozen_probe import MeasureProbe, make_peers
from rawlabel.show.report.funnel import make_funnel
from rawlabel.show.report.label_evidence import read_label_evidence
from rawlabel.show.report.montage import make_montage
from rawlabel.show.report.provenance import trace
from rawlabel.show.report.shared_photos import find_shared_photos
from rawlabel.show.report.thumbnails import Thumbnails
from rawlabel.show.report.verdict import notices, run_facts, shown_accuracies

MOST_BYTES = 15_000_000
"""Size limit of the page: it should open on a phone and fit into a mail."""
LEAST_TILE_BYTES = 2_000
"""A tile with a picture hardly takes less; saves making thumbnails that would not fit in any case."""
MOST_OPEN_ROWS = 60
"""Longer tables are folded."""

_SECTIONS = (
    ("verdict", "The result"),
    ("funnel", "From found to kept"),
    ("shared-photos", "Classes found together"),
    ("montage", "What the photos look like"),
    ("curves", "Training"),
    ("class-accuracy", "Accuracy of each class"),
    ("confusions", "Most frequent confusions"),
    ("label-evidence", "What the labels are worth"),
    ("provenance", "Where it comes from"),
)


def render_page(config: ReportConfig, measure_probe: MeasureProbe | None = None) -> str:
    """Read all evidence and return the page; `measure_probe` adds to it where no probe was measured yet.

    The montage gets the space that the rest leaves, so a page with many classes shows fewer photos of each
    and says so. Raises `DataError`.
    """
    collection = read_collection(config.project)
    run_path = config.run or newest_run(config.project)
    run = read_run(run_path) if run_path else None
    thumbnails = Thumbnails()
    peers = make_peers(run, measure_probe) if run else None
    values = {**_sections(collection, run, config, thumbnails), "peers": peers}
    template = _environment().get_template("page.html.j2")
    without = template.render(**values, montage=[], per_class=0)
    space = max(MOST_BYTES - _size(without), 0)
    classes = max(len(collection.manifest.class_ids), 1)
    per_class = min(config.photos_per_class, space // (classes * LEAST_TILE_BYTES))
    while per_class > 0:
        montage = make_montage(collection, per_class, thumbnails)
        html = template.render(**values, montage=montage, per_class=per_class)
        used = _size(html) - _size(without)
        if used <= space:
            return html
        per_class = min(per_class - 1, per_class * space // used)
    return without


def _size(html: str) -> int:
    return len(html.encode("utf-8", errors="replace"))


def _sections(
    collection: CollectionEvidence, run: RunEvidence | None, config: ReportConfig, thumbnails: Thumbnails
) -> Mapping[str, object]:
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return {
        "style": Markup(style),
        "style_digest": digest,
        "sections": _SECTIONS,
        "most_open_rows": MOST_OPEN_ROWS,
        "most_megabytes": MOST_BYTES // 1_000_000,
        "wanted_per_class": config.photos_per_class,
        "collection": collection,
        "run": run,
        "facts": run_facts(run) if run else None,
        "accuracies": shown_accuracies(run),
        "notices": notices(collection, run),
        "funnel": make_funnel(collection),
        "shared": find_shared_photos(collection, run),
        "curves": make_curves(run) if run else None,
        "class_accuracies": measure_classes(collection, run) if run else None,
        "confusions": make_confusions(collection, run, thumbnails) if run else None,
        "label_evidence": read_label_evidence(collection, run) if run else None,
        "provenance": trace(collection, run, config),
    }


@cache
def _environment() -> Environment:
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


def _style() -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, "style.css")[0].strip()

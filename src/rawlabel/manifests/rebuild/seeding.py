"""Fill a new catalogue with a manifest's classes, photos and label events, as if they had been searched here."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import fields, replace
from itertools import groupby
from typing import Any

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Part
from rawlabel.artifacts.decision import Decision, decisions_of
from rawlabel.artifacts.manifest import Manifest
from rawlabel.base.progress import progress
from rawlabel.records import ClassSpec, LabelEvent, Outcome, Photo, Reason, Status

_FACTS = [field.name for field in fields(Photo)]
_OPTIONAL = {field.name for field in fields(Photo) if field.default is None} | {"url"}


def seed(catalogue: Catalogue, received: Manifest) -> None:
    """Record what the manifest says was found; doing it twice changes nothing. Raises `DiskError`."""
    sources = sorted(received.table["source"].unique().to_pylist())
    catalogue.plan(sources, _all_keywords(received))
    names: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    with progress("reading the manifest", received.table.num_rows) as task:
        for key, rows in groupby(decisions_of(received.table), _page):
            source, class_id, keyword, bounds, searched_at, found_at = key
            known = names[source, class_id, keyword]
            # Rows are in the order of the parts, so numbered names keep that order.
            name = known.setdefault(bounds, f"{len(known):06d}" if bounds != "{}" else "")
            part = Part(source, class_id, keyword, name, json.loads(bounds))
            page = list(rows)
            found = [(_photo_of(row), _event_of(row, name)) for row in page]
            catalogue.record_received(part, found, searched_at=searched_at, found_at=found_at)
            catalogue.record_outcomes(outcome for row in page if (outcome := _outcome_of(row)) is not None)
            task.advance(len(page))


def _photo_of(decision: Decision) -> Photo:
    """What a manifest says about the photo itself."""
    facts: dict[str, Any] = {name: getattr(decision, name, None) for name in _FACTS}
    facts |= {name: "" for name, value in facts.items() if value is None and name not in _OPTIONAL}
    # The decision's size is that of the stored picture, not the one that the site stated.
    return Photo(**facts | {"width": None, "height": None})


def _page(decision: Decision) -> tuple[str, str, str, str, int | None, int | None]:
    query = (decision.source, _found_for(decision), decision.keyword)
    return (*query, decision.part or "{}", decision.searched_at, decision.license_read_at)


def _outcome_of(decision: Decision) -> Outcome | None:
    """What became of a photo whose bytes the first project did not have; None for those that it had."""
    reason = decision.reason
    if decision.stored_sha256 is not None or reason is None:
        return None
    status = Status.FAILED
    if reason is Reason.NOT_FETCHED:
        status = Status.FOUND
    elif reason.is_choice or reason is Reason.SAME_PHOTO:
        status = Status.SKIPPED
    return Outcome(*decision.photo, status, reason, decision.http_status)


def _event_of(decision: Decision, part: str) -> LabelEvent:
    return LabelEvent(*decision.photo, _found_for(decision), decision.keyword, decision.rank, part)


def _found_for(decision: Decision) -> str:
    """The class whose keyword found the photo: injected noise is a decision of the manifest, and no fact."""
    return decision.injected_from or decision.class_id


def _all_keywords(received: Manifest) -> list[ClassSpec]:
    """The classes, with the keywords too that were searched once and have left the class list since.

    A class from which injected noise took its photos, and which is not trained on, comes last.
    """
    columns = ["class_id", "injected_from", "keyword"]
    searched = defaultdict(list)
    for row in received.table.select(columns).group_by(columns, use_threads=False).aggregate([]).to_pylist():
        searched[row["injected_from"] or row["class_id"]].append(row["keyword"])
    known = {spec.class_id: spec for spec in received.all_classes}
    specs = [*received.all_classes, *(ClassSpec(one, one, ()) for one in searched if one not in known)]
    return [
        replace(spec, keywords=tuple(dict.fromkeys([*spec.keywords, *searched[spec.class_id]]))) for spec in specs
    ]

"""The decisions of the new manifest: the received ones, with what is here; no label is edited, none is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.decision import Decision, decisions_of
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import Manifest
from rawlabel.records import Outcome, Reason, Status

_OF_THE_BYTES = (
    "sha256", "num_bytes", "pixel_sha256", "perceptual_hash", "width", "height", "final_url", "http_status",
    "etag", "last_modified",
)  # fmt: skip


def decided_here(received: Manifest, catalogue: Catalogue, project: Path) -> Iterator[Decision]:
    """One decision a label event, in the received order."""
    photos = ProjectPhotos(project)
    decisions = decisions_of(received.table)
    while some := list(islice(decisions, 1000)):
        outcomes = catalogue.outcomes([one.photo for one in some])
        for decision in some:
            outcome = outcomes.get(decision.photo)
            if outcome is not None and outcome.status is Status.FETCHED and outcome.stored_sha256:
                path = photos.name(outcome.stored_sha256, outcome.media_type or "")
                yield replace(_here(decision, outcome), path=path)
            else:
                yield _absent(decision, outcome)


def _here(decision: Decision, outcome: Outcome) -> Decision:
    now = replace(decision, stored_sha256=outcome.stored_sha256, media_type=outcome.media_type)
    if outcome.sha256 != decision.sha256:
        facts = {name: getattr(outcome, name) for name in _OF_THE_BYTES}
        now = replace(now, fetched_at=None, **facts)
    if outcome.stored_sha256 not in (outcome.sha256, decision.stored_sha256):
        # Resized on arrival: the row's size is that of the stored picture, which nobody has measured.
        now = replace(now, width=None, height=None)
    return now


def _absent(decision: Decision, outcome: Outcome | None) -> Decision:
    decision = replace(decision, path=None, stored_sha256=None)
    if not decision.is_kept:
        return decision
    reason = (outcome.reason if outcome else None) or Reason.NOT_FETCHED
    return decision.lost(reason, decision.duplicate_of, reason.verdict)

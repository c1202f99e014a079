"""The rows of the new manifest: the received ones, with what is here now; no label is edited, no row is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import Manifest
from rawlabel.records import Outcome, Reason, Status, Verdict

_OF_THE_BYTES = (
    "sha256", "num_bytes", "pixel_sha256", "perceptual_hash", "width", "height", "final_url", "http_status",
    "etag", "last_modified",
)  # fmt: skip


def decided_rows(received: Manifest, catalogue: Catalogue, project: Path) -> Iterator[dict[str, Any]]:
    """One row a label event, in the received order."""
    photos = ProjectPhotos(project)
    for batch in received.table.to_batches(max_chunksize=1000):
        rows = batch.to_pylist()
        outcomes = catalogue.outcomes([(row["source"], row["photo_id"]) for row in rows])
        for row in rows:
            outcome = outcomes.get((row["source"], row["photo_id"]))
            if outcome is not None and outcome.status is Status.FETCHED and outcome.stored_sha256:
                path = photos.name(outcome.stored_sha256, outcome.media_type or "")
                yield row | _here(row, outcome) | {"path": path}
            else:
                yield row | _absent(row, outcome)


def _here(row: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    facts: dict[str, Any] = {"stored_sha256": outcome.stored_sha256, "media_type": outcome.media_type}
    if outcome.sha256 != row["sha256"]:
        facts |= {name: getattr(outcome, name) for name in _OF_THE_BYTES} | {"fetched_at": None}
    if outcome.stored_sha256 not in (outcome.sha256, row["stored_sha256"]):
        # Resized on arrival: the row's size is that of the stored picture, which nobody has measured.
        facts |= {"width": None, "height": None}
    return facts


def _absent(row: dict[str, Any], outcome: Outcome | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"path": None, "stored_sha256": None}
    if row["verdict"] == Verdict.KEPT:
        reason = (outcome.reason if outcome else None) or Reason.NOT_FETCHED
        facts |= {"verdict": reason.verdict.value, "reason": reason.value, "split": None}
    return facts

"""What a site's later answer about a photo means for the rows of a manifest; curating and pruning agree on it."""

from __future__ import annotations

from typing import Any

from rawlabel.artifacts.catalogue.rows import LastSeen
from rawlabel.records import Reason, Verdict


def decided_again(row: dict[str, Any], seen: LastSeen | None) -> dict[str, Any]:
    """The row in the light of what the site last answered; a row whose download failed keeps its reason."""
    if seen is None or not row["stored_sha256"]:
        return row
    changes: dict[str, Any] = {}
    name, url = seen.license_name, seen.license_url
    if name is not None and (name, url or "") != (row["license_name"], row["license_url"]):
        # The site's own id of the new license is not known.
        changes = {
            "license_id": "",
            "license_name": name,
            "license_url": url or "",
            "license_read_at": seen.asked_at,
        }
    if seen.reason is not None:
        verdict = seen.reason.verdict.value
        changes |= {"verdict": verdict, "reason": seen.reason.value, "split": None, "duplicate_of": None}
    if seen.reason is Reason.TAKEN_DOWN:
        changes |= {"path": None, "stored_sha256": None, "width": None, "height": None}
    return row | changes


def is_lost(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a row was kept and is not any more."""
    return bool(before["verdict"] == Verdict.KEPT != after["verdict"])

"""What a site's later answer about a photo means for the rows of a manifest; curating and pruning agree on it."""

from __future__ import annotations

from dataclasses import replace

from rawlabel.artifacts.catalogue.rows import LastSeen
from rawlabel.artifacts.decision import Decision
from rawlabel.records import Reason


def decided_again(decision: Decision, seen: LastSeen | None) -> Decision:
    """The decision in the light of what the site last answered; one whose download failed keeps its reason."""
    if seen is None or not decision.stored_sha256:
        return decision
    name, url = seen.license_name, seen.license_url
    if name is not None and (name, url or "") != (decision.license_name, decision.license_url):
        # The site's own id of the new license is not known.
        decision = replace(
            decision, license_id="", license_name=name, license_url=url or "", license_read_at=seen.asked_at
        )
    if seen.reason is not None:
        decision = decision.lost(seen.reason, verdict=seen.reason.verdict)
    if seen.reason is Reason.TAKEN_DOWN:
        decision = replace(decision, path=None, stored_sha256=None, width=None, height=None)
    return decision

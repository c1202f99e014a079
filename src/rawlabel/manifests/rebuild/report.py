"""What a rebuild came to, in counts and by name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TypedDict

from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS
from rawlabel.artifacts.manifest import Manifest
from rawlabel.manifests.rebuild.comparison import Likeness, Promise
from rawlabel.records import Outcome, Reason


class NotExact(TypedDict):
    """A photo that is not exactly what it was, as `rebuild.json` lists it."""

    source: str
    photo_id: str
    classes: list[str]
    url: str | None
    outcome: str
    reason: str | None
    http_status: int | None
    different_bits: int | None


class RebuildFacts(TypedDict):
    """What a rebuild came to."""

    received: str
    """Fingerprint of the manifest that was rebuilt."""
    rebuilt: str
    """Fingerprint of the new one."""
    near_copy_bits: int
    config: Mapping[str, object]
    counts: dict[str, int]
    """Photos by likeness."""
    reasons: dict[str, int]
    by_class: dict[str, dict[str, int]]
    not_exact: list[NotExact]


class RebuildReport:
    """Counts of photos by likeness, and each photo that is not exactly what it was."""

    def __init__(self, received: Manifest, config: Mapping[str, object]) -> None:
        self._received, self._config = received, config
        self.counts: Counter[Likeness] = Counter()
        self.by_class: dict[str, Counter[Likeness]] = defaultdict(Counter)
        """A photo of two classes counts in both."""
        self.reasons: Counter[Reason] = Counter()
        """Why the photos that are gone or pending are so."""
        self.photos: list[NotExact] = []

    def add(self, key: tuple[str, str], promise: Promise, found: Likeness, outcome: Outcome | None) -> None:
        """Count one photo of the manifest under what became of it, and under each of its classes.

        `key` is source and photo id; a photo that is not exactly the promised one is also listed with reason,
        status and differing bits.
        """
        self.counts[found] += 1
        for class_id in promise.class_ids:
            self.by_class[class_id][found] += 1
        reason = outcome.reason if outcome else None
        if found in (Likeness.GONE, Likeness.PENDING):
            self.reasons[reason or Reason.NOT_FETCHED] += 1
        if found is not Likeness.EXACT:
            self.photos.append(
                {
                    "source": key[0],
                    "photo_id": key[1],
                    "classes": list(promise.class_ids),
                    "url": promise.url,
                    "outcome": found.value,
                    "reason": reason.value if reason else None,
                    "http_status": outcome.http_status if outcome else None,
                    "different_bits": promise.bits(outcome) if outcome else None,
                }
            )

    @property
    def num_photos(self) -> int:
        """Photos that the manifest promised, each counted once under what became of it."""
        return self.counts.total()

    def as_json(self, manifest: Manifest) -> RebuildFacts:
        """Plain values; `manifest` is the new one."""
        return {
            "received": self._received.fingerprint,
            "rebuilt": manifest.fingerprint,
            "near_copy_bits": NEAR_COPY_BITS,
            "config": self._config,
            "counts": {one.value: self.counts[one] for one in Likeness},
            "reasons": {reason.value: count for reason, count in self.reasons.most_common()},
            "by_class": {
                class_id: {one.value: self.by_class[class_id][one] for one in Likeness}
                for class_id in (spec.class_id for spec in self._received.all_classes)
            },
            "not_exact": self.photos,
        }

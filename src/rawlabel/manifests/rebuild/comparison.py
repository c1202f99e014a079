"""Whether what an address serves now is what the manifest promises.

Hosts encode their pictures anew now and then, so equal bytes are too much to ask for; and an address can be bought
by somebody else, so no comparison at all is too little (Carlini et al., 2023, https://arxiv.org/abs/2302.10149).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS
from rawlabel.artifacts.image_check import different_bits
from rawlabel.records import Outcome, Reason, Status


class Likeness(StrEnum):
    """How a photo compares with its promise, from best to worst."""

    EXACT = "exact"
    SAME_PIXELS = "same_pixels"
    NEAR_COPY = "near_copy"
    CHANGED = "changed"
    GONE = "gone"
    PENDING = "pending"

    def describe(self) -> str:
        """How like the photo is to the promised one, in a phrase for people."""
        return _TEXT[self]


_TEXT = {
    Likeness.EXACT: "the same bytes",
    Likeness.SAME_PIXELS: "the same pixels in other bytes",
    Likeness.NEAR_COPY: f"the same picture to the eye (at most {NEAR_COPY_BITS} of 256 bits differ)",
    Likeness.CHANGED: "another picture: left out",
    Likeness.GONE: "gone: left out",
    Likeness.PENDING: "not had yet, or refused here; the same command asks again",
}


_LIMITS_HERE = (Reason.TOO_LARGE, Reason.DECODE_LIMIT)
"""What this machine's settings stopped; a photo that was there once is not gone for that."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a manifest says of one photo's bytes, as the first host sent them; None where it says nothing."""

    sha256: str | None
    pixel_sha256: str | None
    perceptual_hash: str | None
    url: str | None
    class_ids: tuple[str, ...] = ()

    def compare(self, outcome: Outcome) -> Likeness:
        """How a picture that was fetched compares: exact, same pixels, near copy or changed."""
        if self.sha256 is not None and outcome.sha256 == self.sha256:
            return Likeness.EXACT
        if self.pixel_sha256 is not None and outcome.pixel_sha256 == self.pixel_sha256:
            return Likeness.SAME_PIXELS
        bits = self.bits(outcome)
        return Likeness.NEAR_COPY if bits is not None and bits <= NEAR_COPY_BITS else Likeness.CHANGED

    def bits(self, outcome: Outcome) -> int | None:
        """In how many of 256 bits the perceptual hashes differ; None where one is not known."""
        if self.perceptual_hash is None or outcome.perceptual_hash is None:
            return None
        return different_bits(self.perceptual_hash, outcome.perceptual_hash)


def likeness(promise: Promise, outcome: Outcome | None) -> Likeness:
    """How a photo compares with its promise, given what became of its download."""
    if outcome is None or outcome.status in (Status.FOUND, Status.SKIPPED):
        return Likeness.PENDING
    if outcome.status is Status.FETCHED:
        return promise.compare(outcome)
    if outcome.reason is Reason.CHANGED:
        return Likeness.CHANGED
    is_passing = outcome.reason is not None and (outcome.reason.may_pass or outcome.reason in _LIMITS_HERE)
    return Likeness.PENDING if is_passing else Likeness.GONE

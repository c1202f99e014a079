"""The certificate `decontamination.json`: what was done so that no test image is among the images of a run.

It binds two sets of images by digests of their pixels, so that whoever holds both can say whether it speaks of
them. It lies in a run directory, or beside the manifest that `rawlabel decontaminate` wrote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import Field

from rawlabel.base.checked import Count, Measured, Record, check_record
from rawlabel.base.files import read_json

FILE = "decontamination.json"
LEAK, NO_LEAK = "leak", "no leak"
"""What people decide of a photo that may show a test image; whoever is unsure decides nothing."""


class Side(Record):
    """One of the two sets of images."""

    place: str = ""
    """Where the images lie, for people."""
    images: Count
    digest: str
    """`digest_of` the images' pixels."""
    unreadable: Count = 0
    """Images that could not be read, and were not compared."""


class Thresholds(Record):
    """From where on a candidate is left out, or shown to a person."""

    automatic_bits: Count
    """Most bits of 256 in which the fingerprints of a copy and its photo differ, looked at no further."""
    verified_bits: Count
    """Most bits in which they may differ where the pixels, laid over each other, confirm the copy."""
    review_bits: Count
    """Most bits in which a pair is still listed for a person."""
    small_side: Count
    """Shorter side [pixels] up to which images are compared by their pixels."""
    automatic_correlation: Measured
    """Least correlation of the pixels of a small copy, -1 to 1."""
    burst_seconds: Count = 0
    """Time between two photos of one owner [seconds] up to which they are of one burst."""


class RemovedImage(Record):
    """A candidate that was left out."""

    image: str
    test: str
    """The test image that it shows; of a star or burst, the one its copied photo shows."""
    tier: str
    """`equal`, `copy` (hash or pixels), `star` (a copy of one left out) or `burst` (same owner, same minutes)."""
    probe: str = ""
    """The part or turn of the test image that it is like; `whole` is the image as it is."""
    bits: Count | None = None
    correlation: Measured | None = None
    """Of the pixels laid over each other, -1 to 1; None where nothing asked for it."""


class TransformRecall(Record):
    """Canaries of one transform."""

    planted: Count
    caught: Count


class Canaries(Record):
    """Freshly transformed test images that were planted among the candidates, and how many were found again."""

    planted: Count
    caught: Count
    interval: tuple[Measured, Measured]
    """Clopper-Pearson interval of the recall, 0 to 1."""
    confidence: Measured
    by_transform: Mapping[str, TransformRecall] = Field(default_factory=dict)
    missed: tuple[str, ...] = ()
    """`transform of test image`, for each that was not found."""

    @property
    def recall(self) -> float:
        """Share that was found, 0 to 1; 0 of none."""
        return self.caught / self.planted if self.planted else 0.0

    def describe(self) -> str:
        """`998 of 1000 canaries caught (95 % interval of the recall: 99.3 to 100.0 %)`."""
        if not self.planted:
            return "no canary was planted"
        lower, upper = (100 * one for one in self.interval)
        return (
            f"{self.caught} of {self.planted} canaries caught ({100 * self.confidence:g} % interval of the "
            f"recall: {lower:.1f} to {upper:.1f} %)"
        )


class Certificate(Record):
    """What `decontamination.json` holds."""

    rawlabel: str = ""
    """Version that wrote it."""
    fingerprints: str
    """Version of the fingerprints."""
    candidates: Side
    """What was compared."""
    kept: Side
    """What is left of it: the images of the run."""
    test: Side
    thresholds: Thresholds
    probes: tuple[str, ...]
    small_probes: tuple[str, ...] = ()
    """Probes of images of up to `small_side` pixels."""
    pairs_compared: Count
    """Pairs of a candidate and a probe of a test image."""
    removed: tuple[RemovedImage, ...] = ()
    overlapping: tuple[str, ...] = ()
    """Digests (hex) of the pixels of the test images of which a copy was among the candidates."""
    for_review: Count = 0
    """Pairs on the review list that nobody has decided."""
    canaries: Canaries
    decisions: Mapping[str, Count] = Field(default_factory=dict)
    """Pairs that people decided, by `leak`, `no leak` and `unsure`."""

    def matches(self, kept: str, test: str) -> bool:
        """Whether it speaks of a run on images of the digest `kept` and of a test set of the digest `test`."""
        return (self.kept.digest, self.test.digest) == (kept, test)

    def decided(self, decisions: Mapping[str, int], left: int) -> Certificate:
        """The same with what people have said of the listed pairs, of which nobody has decided `left`."""
        return self.model_copy(update={"decisions": dict(decisions), "for_review": left})

    def tiers(self) -> dict[str, int]:
        """Images left out, by tier, those alone that occur."""
        names = [one.tier for one in self.removed]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    def describe(self) -> str:
        """One line: what was left out, of how many, and the canaries."""
        found = ", ".join(f"{count} {tier}" for tier, count in self.tiers().items())
        left_out = f"{len(self.removed)} of {self.candidates.images} candidates left out"
        said = ", ".join(f"{count} {name}" for name, count in self.decisions.items())
        people = f", people said of listed pairs: {said}" if said else ""
        return f"{left_out}{f' ({found})' if found else ''}, {self.canaries.describe()}{people}"


def digest_of(pixel_digests: Iterable[bytes | None]) -> str:
    """SHA-256 (hex) over the sorted pixel digests of the images of a set; None stands for an unreadable one.

    The order of the images and their labels play no part, and an image that lies there twice counts twice.
    """
    digest = hashlib.sha256()
    for one in sorted(one for one in pixel_digests if one is not None):
        digest.update(one)
    return digest.hexdigest()


def read_certificates(folder: Path) -> Sequence[Certificate]:
    """The certificates of a folder, of each test set one; empty where there is none. Raises `DataError`."""
    path = folder / FILE
    if not path.is_file():
        return ()
    found = read_json(path, "the certificates of a decontamination")
    return check_record(tuple[Certificate, ...], found, path, "remove it and decontaminate again")

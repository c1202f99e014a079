"""Decontaminate one set of images against another: compare, find whole stars and bursts, and certify it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.certificate import Canaries, Certificate, RemovedImage, Side, Thresholds, digest_of
from rawlabel.artifacts.copies.fingerprint import SMALL_SIDE, VERSION
from rawlabel.artifacts.copies.stars import SURE_BITS
from rawlabel.base.version import __version__
from rawlabel.images.image_source import ImageSource
from rawlabel.judge.decontaminate.bursts import BURST_SECONDS, Shot, bursts
from rawlabel.judge.decontaminate.canaries import Planting, plant
from rawlabel.judge.decontaminate.comparing import (
    AUTOMATIC_CORRELATION,
    REVIEW_BITS,
    RULES,
    Settings,
    Sides,
    compare,
    stars,
)
from rawlabel.judge.decontaminate.kept_fingerprints import KeptFingerprints
from rawlabel.judge.decontaminate.matches import Match
from rawlabel.judge.decontaminate.verifying import VERIFIED_BITS


@dataclass(frozen=True, eq=False)
class Decontamination:
    """What is to be left out of the candidates, what is to be looked at, and how well the pass finds copies."""

    removed: tuple[Match, ...]
    """One a candidate, in the order of the candidates."""
    review: tuple[Match, ...]
    """Pairs for a person, likest first."""
    outcome: _Outcome
    candidate_digests: tuple[bytes | None, ...]
    test_digests: tuple[bytes | None, ...]
    source: ImageSource
    tests: ImageSource
    settings: Settings

    @property
    def left_out(self) -> npt.NDArray[np.int64]:
        """Positions of the candidates to be left out, in order."""
        return np.array([one.candidate for one in self.removed], dtype=np.int64)

    def overlapping(self) -> npt.NDArray[np.int64]:
        """Positions of the test images of which a copy is among the candidates; a burst is no copy."""
        return np.array([one.test for one in self.outcome.hits], dtype=np.int64)

    def certificate(
        self,
        place: str,
        test_place: str,
        *,
        kept: Sequence[int] | None = None,
    ) -> Certificate:
        """What is written down: the candidates without those left out (or `kept`) hold no known copy."""
        digests, out = self.candidate_digests, set(self.left_out.tolist())
        rows = [row for row in range(len(digests)) if row not in out] if kept is None else kept
        unread = sum(one is None for one in digests)
        return Certificate(
            rawlabel=__version__,
            fingerprints=str(VERSION),
            candidates=Side(place=place, images=len(digests), digest=digest_of(digests), unreadable=unread),
            kept=Side(place=place, images=len(rows), digest=digest_of(digests[row] for row in rows)),
            test=Side(
                place=test_place,
                images=len(self.test_digests),
                digest=digest_of(self.test_digests),
                unreadable=sum(one is None for one in self.test_digests),
            ),
            thresholds=Thresholds(
                automatic_bits=SURE_BITS, verified_bits=VERIFIED_BITS, review_bits=REVIEW_BITS,
                small_side=SMALL_SIDE, automatic_correlation=AUTOMATIC_CORRELATION, burst_seconds=BURST_SECONDS,
            ),
            probes=self.outcome.probes,
            small_probes=self.outcome.small_probes,
            pairs_compared=self.outcome.pairs_compared,
            removed=tuple(self.describe(one) for one in self.removed),
            overlapping=tuple((self.test_digests[row] or b"").hex() for row in self.overlapping().tolist()),
            for_review=len(self.review),
            canaries=self.outcome.canaries,
        )  # fmt: skip

    def describe(self, match: Match) -> RemovedImage:
        """A match with the names of its images, which say nothing of the machine that they lie on."""
        return RemovedImage(
            image=self.source.name(match.candidate),
            test=self.tests.name(match.test),
            tier=match.tier,
            probe=match.probe,
            bits=match.bits,
            correlation=None if match.correlation is None else round(match.correlation, 4),
        )


def decontaminate(
    candidates: ImageSource,
    tests: ImageSource,
    cache: Path | None,
    *,
    shots: Sequence[Shot | None] | None = None,
    settings: Settings | None = None,
    titles: tuple[str, str] = ("fingerprints of the candidates", "fingerprints of test images"),
) -> Decontamination:
    """Find the candidates that are copies of test images, by their pictures alone.

    Fingerprints are kept in the folder `cache`, so that a stopped or second pass goes on from them. `shots` say
    who took each candidate and when, where that is known. Raises what `settings.pause` raises.
    """
    settings = settings or Settings()
    is_joined = settings.cluster.joined() if settings.cluster is not None else nullcontext()
    with is_joined, KeptFingerprints.open(cache, settings.cluster) as kept:
        own = kept.of(candidates, titles[0], settings.pause)
        theirs = kept.of(tests, titles[1], settings.pause)
        digests, test_digests = own.pixel_digests(), theirs.pixel_digests()
        # By their pixels, so that a set that was split otherwise, as by another seed, is not compared again.
        order = np.array(sorted(range(len(own)), key=lambda place: digests[place] or b""), dtype=np.int64)
        sides = Sides(candidates.select(order), own.select(order), tests, theirs)
        # The order counts here, since the outcome names positions.
        how = [sorted(settings.without), settings.listed, settings.thorough, settings.canaries]
        key = json.dumps([VERSION, __version__, RULES, *how, *_orders(sides)])
        known = kept.outcome(key)
        outcome = _Outcome.read(known) if known is not None else _pass(sides, kept, settings)
        if known is None:
            kept.note_outcome(key, outcome.as_text())
    outcome = outcome.placed(order)
    matches = list(outcome.matches)
    matches += bursts(shots, matches) if shots is not None else []
    matches = sorted(matches, key=lambda one: one.candidate)
    out = {one.candidate for one in matches}
    review = tuple(one for one in outcome.review if one.candidate not in out)
    return Decontamination(
        tuple(matches), review, outcome, tuple(digests), tuple(test_digests), candidates, tests, settings
    )


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What a pass came to, before the bursts."""

    matches: tuple[Match, ...]
    hits: tuple[Match, ...]
    """One a test image of which there is a copy."""
    review: tuple[Match, ...]
    pairs_compared: int
    probes: tuple[str, ...]
    small_probes: tuple[str, ...]
    flat_tests: int
    """Test images that show too little, or cannot be read: compared for equal pixels alone."""
    canaries: Canaries

    def as_text(self) -> str:
        """As it is kept."""
        lists = ([astuple(one) for one in part] for part in (self.matches, self.hits, self.review))
        return json.dumps(
            [*lists, self.pairs_compared, self.probes, self.small_probes, self.flat_tests, self.canaries.as_json()]
        )

    def placed(self, order: npt.NDArray[np.int64]) -> _Outcome:
        """With each candidate's position `order[i]` in place of `i`."""
        matches, hits, review = (
            tuple(replace(one, candidate=int(order[one.candidate])) for one in part)
            for part in (self.matches, self.hits, self.review)
        )
        return replace(self, matches=matches, hits=hits, review=review)

    @classmethod
    def read(cls, text: str) -> _Outcome:
        """What was kept."""
        *lists, count, probes, small_probes, flat, canaries = json.loads(text)
        found, hits, listed = (tuple(Match(*one) for one in part) for part in lists)
        return cls(found, hits, listed, count, tuple(probes), tuple(small_probes), flat, Canaries(**canaries))


def _pass(sides: Sides, kept: KeptFingerprints, settings: Settings) -> _Outcome:
    """Plant canaries, compare, judge the canaries, and find the whole stars of what is left out."""
    seed = hashlib.sha256("/".join(map(digest_of, _digests(sides))).encode()).hexdigest()
    planting = plant(sides, seed, settings.canaries)
    overlap = _Overlap(planting)
    comparison = compare(planting.sides, kept, settings, overlap.hear)
    matches = planting.real(comparison.matches)
    matches += stars(sides, matches, settings.pause)
    return _Outcome(
        tuple(matches),
        overlap.matches(),
        tuple(planting.real(comparison.review)),
        comparison.pairs_compared,
        tuple(one.name for one in comparison.probes),
        tuple(one.name for one in comparison.small_probes),
        int((~sides.test_prints.large() & ~sides.test_prints.small()).sum()),
        planting.judge(comparison.matches),
    )


class _Overlap:
    """Of each test image of which there is a copy, the likest of real ones."""

    def __init__(self, planting: Planting) -> None:
        self._planting, self._best = planting, dict[int, Match]()

    def hear(self, match: Match) -> None:
        """Take a pair that is a copy; of canaries, nothing is kept."""
        for one in self._planting.real([match]):
            best = self._best.get(one.test)
            if best is None or (one.doubt, one.candidate) < (best.doubt, best.candidate):
                self._best[one.test] = one

    def matches(self) -> tuple[Match, ...]:
        """Them, by test image."""
        return tuple(self._best[test] for test in sorted(self._best))


def pixel_digests(
    sources: tuple[ImageSource, ImageSource], cache: Path | None, titles: tuple[str, str]
) -> tuple[list[bytes | None], list[bytes | None]]:
    """Digests of the pixels of all images of two sets; None of those that cannot be read."""
    with KeptFingerprints.open(cache) as kept:
        own, theirs = (kept.of(*one).pixel_digests() for one in zip(sources, titles, strict=True))
    return own, theirs


def _digests(sides: Sides) -> tuple[list[bytes | None], list[bytes | None]]:
    return sides.candidate_prints.pixel_digests(), sides.test_prints.pixel_digests()


def _orders(sides: Sides) -> list[str]:
    return [hashlib.sha256(b"".join(one or b"-" for one in part)).hexdigest() for part in _digests(sides)]

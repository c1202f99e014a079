"""Whether the pixels of a candidate and of the part of a test image that it is like say that it is a copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from rawlabel.artifacts.copies.agreement import agreement
from rawlabel.artifacts.copies.alignment import likeness
from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS, Pixels, thumbnail, trimmed
from rawlabel.artifacts.copies.stars import SURE_BITS
from rawlabel.errors import DataError
from rawlabel.images.decoding import read_pixels
from rawlabel.images.image_source import ImageSource
from rawlabel.judge.decontaminate.hashes import HashPairs
from rawlabel.judge.decontaminate.kept_fingerprints import Fingerprints
from rawlabel.judge.decontaminate.matches import Found, Match
from rawlabel.judge.decontaminate.probes import Probe, probe_part

VERIFIED_BITS = 64
"""Most bits in which a copy differs that its pixels confirm."""
KINDS = ("", ", flipped", ", trimmed")
"""What the hashes of a candidate are of, as a match's probe has it."""
_LEAST_LIKENESS = 0.80
"""Least correlation of the thumbnails from which the details are compared."""


class Verdict(NamedTuple):
    """What the pixels of a pair say."""

    is_copy: bool
    correlation: float
    """Of the thumbnails, -1 to 1."""


class Verifier:
    """Lays candidates over the parts of the test images that they are like, several at a time."""

    def __init__(
        self,
        candidates: ImageSource,
        prints: Fingerprints,
        tests: ImageSource,
        probes: Sequence[Probe],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._candidates, self._prints, self._probes, self._pool = candidates, prints, probes, pool
        # Pairs come by test image.
        self._test = lru_cache(maxsize=16)(lambda place: read_pixels(tests, place, None))

    def take(
        self, pairs: HashPairs, is_verified: bool, found: Found, pause: Callable[[], None] = lambda: None
    ) -> None:
        """Add pairs to those that were found, as copies or for a person."""
        whole = np.array([one.stage != "grid" for one in self._probes])[pairs.probes]
        is_copy = (pairs.bits <= SURE_BITS) & whole
        correlations = np.full(len(pairs), np.nan)
        rows = np.flatnonzero(~is_copy & (pairs.bits <= VERIFIED_BITS) & is_verified).tolist()
        for row, said in zip(rows, self._pool.map(lambda row: self._verdict(pairs, row), rows), strict=True):
            pause()
            is_copy[row], correlations[row] = said
        names = [
            self._probes[probe].name + KINDS[kind]
            for probe, kind in zip(pairs.probes.tolist(), pairs.kinds.tolist(), strict=True)
        ]
        for row in np.flatnonzero(is_copy).tolist():
            correlation = None if np.isnan(correlations[row]) else float(correlations[row])
            place, test, bits = (int(one[row]) for one in (pairs.candidates, pairs.tests, pairs.bits))
            found.add(Match(place, test, "copy", names[row], bits, correlation))
        others = np.flatnonzero(~is_copy)
        found.add_for_review(
            pairs.candidates[others], pairs.tests[others], [names[row] for row in others.tolist()],
            pairs.bits[others], correlations[others],
        )  # fmt: skip

    def _verdict(self, pairs: HashPairs, row: int) -> Verdict:
        probe, kind = int(pairs.probes[row]), int(pairs.kinds[row])
        place, test = int(pairs.candidates[row]), int(pairs.tests[row])
        correlation = self._likeness(place, test, probe, kind)
        is_near = int(pairs.bits[row]) <= NEAR_COPY_BITS and self._probes[probe].stage != "grid"
        is_likely = is_near or correlation >= _LEAST_LIKENESS
        return Verdict(is_likely and self.is_confirmed(place, test, probe, kind), correlation)

    def _likeness(self, candidate: int, test: int, probe: int, kind: int) -> float:
        """Correlation of their thumbnails, -1 to 1; 0 where one cannot be read any more."""
        try:
            part = thumbnail(probe_part(self._test(test), self._probes[probe]))
            if KINDS[kind] == ", trimmed":
                return likeness(thumbnail(self._shown(candidate, kind)), part)
        except DataError:
            return 0.0
        own: Pixels = np.asarray(self._prints.rows["thumbnail"][candidate])
        return likeness(np.ascontiguousarray(own[:, ::-1]) if kind else own, part)

    def is_confirmed(self, candidate: int, test: int, probe: int, kind: int) -> bool:
        """Whether their details agree; False where one cannot be read any more."""
        try:
            part = probe_part(self._test(test), self._probes[probe])
            return agreement(self._shown(candidate, kind), part).is_copy
        except DataError:
            return False

    def _shown(self, candidate: int, kind: int) -> Pixels:
        pixels = read_pixels(self._candidates, candidate, None)
        if KINDS[kind] == ", trimmed":
            return trimmed(pixels)
        return np.ascontiguousarray(pixels[:, ::-1]) if kind else pixels

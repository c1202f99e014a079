"""Which candidates are copies of test images, and which a person should look at; labels play no part.

Photos are compared by hashes, against the probes of each test image; images of up to 64 pixels by their pixels. A
pair is a copy at few differing bits, or at more where the pixels, laid over each other, say so as well: their
thumbnails roughly, which is quick, and then their details (`rawlabel.artifacts.copies.agreement`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.agreement import agreement
from rawlabel.artifacts.copies.alignment import likeness
from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS, SMALL_SIDE, Pixels, thumbnail, trimmed
from rawlabel.artifacts.copies.stars import SURE_BITS
from rawlabel.errors import DataError
from rawlabel.images.decoding import read_pixels
from rawlabel.images.image_source import ImageSource
from rawlabel.judge.decontaminate.correlation import AlikePairs, Likest, Nearest, alike, correlate
from rawlabel.judge.decontaminate.hashes import HashPairs, near_pairs
from rawlabel.judge.decontaminate.kept_fingerprints import Fingerprints, KeptFingerprints
from rawlabel.judge.decontaminate.probes import (
    FINE,
    SMALL_PROBES,
    Probe,
    SmallProbe,
    photo_probes,
    probe_part,
    small_probes,
)

RULES = 2
"""Of what is a copy; whatever changes them takes a new number, since outcomes are kept."""
VERIFIED_BITS = 64
"""Most bits in which a copy differs that its pixels confirm."""
REVIEW_BITS = 90
"""Most bits at which a pair is listed for a person; unrelated photos differ in 84 or more."""
_LEAST_LIKENESS = 0.80
"""Least correlation of the thumbnails from which the details are compared."""
AUTOMATIC_CORRELATION = 0.90
"""Least correlation at which a small image is a copy."""
LISTED = 10
"""Candidates of each test image that are listed for a person, at most."""
_KINDS = ("", ", flipped", ", trimmed")
"""What the hashes of a candidate are of, as a match's probe has it."""


@dataclass(frozen=True, slots=True)
class Match:
    """A candidate that shows a test image, or may."""

    candidate: int
    test: int
    tier: str
    """`equal`, `copy`, `star`, `burst`, or `review`."""
    probe: str
    bits: int | None = None
    correlation: float | None = None
    """Of the pixels, -1 to 1; None where nothing asked for it."""

    @property
    def doubt(self) -> float:
        """How unlike the two are, from 0 to 1, by which pairs are ranked."""
        if self.tier == "equal":
            return 0.0
        if self.bits is not None:
            return self.bits / 256
        # Rounding may bring equal pixels above 1, and what is equal comes first.
        return max(0.0, (1 - (self.correlation or 0.0)) / 2)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What comparing two sets came to."""

    matches: tuple[Match, ...]
    """The copies, one a candidate: of the test image that it is likest to."""
    hits: tuple[Match, ...]
    """All pairs that are copies, as they were found; a candidate may show several test images."""
    review: tuple[Match, ...]
    """Pairs to be looked at, likest first, of candidates that are no copies."""
    pairs_compared: int
    """Pairs of a candidate and a probe of a test image."""
    probes: tuple[Probe, ...]
    small_probes: tuple[SmallProbe, ...]


@dataclass(frozen=True)
class Settings:
    """What may be switched off or widened; a run uses the defaults."""

    without: frozenset[str] = frozenset()
    """Stages: `equal`, `identity`, `flip`, `trim`, `square`, `centre`, `grid`, `verification`, `correlation`."""
    listed: int = LISTED
    """Candidates of each test image that are listed for a person, at most; 0 where nobody asks for a list."""
    thorough: bool = False
    """All probes, however long that takes."""
    canaries: bool = True
    pause: Callable[[], None] = field(default=lambda: None)
    """Called now and then; may raise."""


@dataclass(frozen=True, eq=False)
class Sides:
    """The two sets: images by position, and their fingerprints."""

    candidates: ImageSource
    candidate_prints: Fingerprints
    tests: ImageSource
    test_prints: Fingerprints


def compare(sides: Sides, kept: KeptFingerprints, settings: Settings | None = None) -> Comparison:
    """Compare every candidate with every test image. Raises what `settings.pause` raises."""
    settings = settings or Settings()
    found = _Found(settings.listed)
    if "equal" not in settings.without:
        _equal(sides, found)
    large, large_tests = sides.candidate_prints.large(), sides.test_prints.large()
    probes = FINE if settings.thorough else photo_probes(int(large.sum()) * int(large_tests.sum()))
    probes = tuple(one for one in probes if one.stage not in settings.without)
    small = SMALL_PROBES if settings.thorough else small_probes(_num_small(sides))
    small = tuple(one for one in small if one.stage not in settings.without)
    num_pairs = 0
    if probes and large.any() and large_tests.any():
        pairs = _hash_pairs(sides, kept, probes, settings)
        num_pairs += int(large.sum()) * int(large_tests.sum()) * len(probes)
        _take_hashes(pairs, _Verifier(sides, probes), settings, probes, found)
    if small and "correlation" not in settings.without:
        num_pairs += _correlations(sides, small, settings, found)
    matches = tuple(found.best[place] for place in sorted(found.best))
    return Comparison(matches, tuple(found.hits), found.ranked(), num_pairs, probes, small)


def _num_small(sides: Sides) -> int:
    """Pairs of which one image, at least, is small."""
    own, theirs = (
        (int(one.known.sum()), int(one.small().sum())) for one in (sides.candidate_prints, sides.test_prints)
    )
    return theirs[1] * own[0] + (theirs[0] - theirs[1]) * own[1]


class _Found:
    """Matches as they are found: the best of each candidate, and for review the best of each test image."""

    def __init__(self, listed: int) -> None:
        self.best: dict[int, Match] = {}
        self.hits: list[Match] = []
        self._review: dict[int, list[Match]] = {}
        self._listed = listed

    def add(self, match: Match) -> None:
        if match.tier == "review":
            self._review.setdefault(match.test, []).append(match)
            return
        if match.candidate not in self.best or match.doubt < self.best[match.candidate].doubt:
            self.best[match.candidate] = match
        self.hits.append(match)

    def ranked(self) -> tuple[Match, ...]:
        listed: list[Match] = []
        for matches in self._review.values():
            open_ones = [one for one in matches if one.candidate not in self.best]
            listed += sorted(open_ones, key=lambda one: (one.doubt, one.candidate))[: self._listed]
        return tuple(sorted(listed, key=lambda one: (one.doubt, one.test, one.candidate)))


def _equal(sides: Sides, found: _Found) -> None:
    places: dict[bytes, int] = {}
    for place, digest in enumerate(sides.test_prints.pixel_digests()):
        if digest is not None:
            places.setdefault(digest, place)
    for place, digest in enumerate(sides.candidate_prints.pixel_digests()):
        if digest is not None and digest in places:
            found.add(Match(place, places[digest], "equal", "whole", 0, 1.0))


def _hash_pairs(sides: Sides, kept: KeptFingerprints, probes: Sequence[Probe], settings: Settings) -> HashPairs:
    is_test = sides.test_prints.large()
    places = np.flatnonzero(is_test)
    made = kept.probes(sides.tests.select(places), probes, "cutting probes of test images", settings.pause)
    tests = ((places[start : start + len(hashes)], hashes, there) for start, hashes, there in made)
    return near_pairs(candidate_hashes(sides.candidate_prints, settings.without), tests, REVIEW_BITS)


def candidate_hashes(
    prints: Fingerprints, without: frozenset[str] = frozenset()
) -> list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
    """The hashes of candidates, as they are, mirrored, and without borders, and whose each is."""
    large = prints.large()
    masks = {"hash": large, "mirrored": large, "trimmed": large & prints.rows["has_trimmed"]}
    off = {"mirrored": "flip", "trimmed": "trim"}
    nothing = np.zeros(0, dtype=np.int64)
    places = {name: nothing if off.get(name) in without else np.flatnonzero(mask) for name, mask in masks.items()}
    return [(np.ascontiguousarray(prints.rows[name][rows]), rows) for name, rows in places.items()]


class _Verifier:
    """Lays a candidate over the part of the test image that it is like."""

    def __init__(self, sides: Sides, probes: Sequence[Probe]) -> None:
        self._sides, self._probes = sides, probes
        self._test = lru_cache(maxsize=16)(lambda place: read_pixels(sides.tests, place, None))

    def likeness(self, candidate: int, test: int, probe: int, kind: int) -> float:
        """Correlation of their thumbnails, -1 to 1; 0 where one cannot be read any more."""
        try:
            part = thumbnail(probe_part(self._test(test), self._probes[probe]))
            if _KINDS[kind] == ", trimmed":
                return likeness(thumbnail(self._shown(candidate, kind)), part)
        except DataError:
            return 0.0
        own: Pixels = np.asarray(self._sides.candidate_prints.rows["thumbnail"][candidate])
        return likeness(np.ascontiguousarray(own[:, ::-1]) if kind else own, part)

    def is_confirmed(self, candidate: int, test: int, probe: int, kind: int) -> bool:
        """Whether their details agree; False where one cannot be read any more."""
        try:
            part = probe_part(self._test(test), self._probes[probe])
            return agreement(self._shown(candidate, kind), part).is_copy
        except DataError:
            return False

    def _shown(self, candidate: int, kind: int) -> Pixels:
        pixels = read_pixels(self._sides.candidates, candidate, None)
        if _KINDS[kind] == ", trimmed":
            return trimmed(pixels)
        return np.ascontiguousarray(pixels[:, ::-1]) if kind else pixels


def _take_hashes(
    pairs: HashPairs, verifier: _Verifier, settings: Settings, probes: Sequence[Probe], found: _Found
) -> None:
    for candidate, test, bits, probe, kind in zip(
        *(one.tolist() for one in (pairs.candidates, pairs.tests, pairs.bits, pairs.probes, pairs.kinds)),
        strict=True,
    ):
        settings.pause()
        tier, correlation = "review", None
        is_whole = probes[probe].stage != "grid"
        if bits <= SURE_BITS and is_whole:
            tier = "copy"
        elif bits <= VERIFIED_BITS and "verification" not in settings.without:
            correlation = verifier.likeness(candidate, test, probe, kind)
            is_likely = correlation >= _LEAST_LIKENESS or (bits <= NEAR_COPY_BITS and is_whole)
            tier = "copy" if is_likely and verifier.is_confirmed(candidate, test, probe, kind) else "review"
        found.add(Match(candidate, test, tier, probes[probe].name + _KINDS[kind], bits, correlation))


def _correlations(sides: Sides, probes: Sequence[SmallProbe], settings: Settings, found: _Found) -> int:
    """Compare the small images of either side with all of the other; returns how many pairs that were."""
    known, small = sides.candidate_prints.known, sides.candidate_prints.small()
    known_tests, small_tests = sides.test_prints.known, sides.test_prints.small()
    parts = ((small_tests, known), (known_tests & ~small_tests, small))
    count = 0
    for is_test, is_candidate in parts:
        tests, candidates = np.flatnonzero(is_test), np.flatnonzero(is_candidate)
        if not len(tests) or not len(candidates):
            continue
        count += len(tests) * len(candidates) * len(probes)
        if not settings.listed and [one.stage for one in probes] == ["identity"]:
            shown = _Thumbnails(sides.candidate_prints, candidates)
            pairs = alike(sides.test_prints.rows["thumbnail"][tests], shown, AUTOMATIC_CORRELATION, settings.pause)
            _take_alike(pairs, tests, candidates, found)
            continue
        nearest, likest = correlate(
            sides.test_prints.rows["thumbnail"][tests],
            _Thumbnails(sides.candidate_prints, candidates),
            probes, settings.listed, settings.pause,
        )  # fmt: skip
        _take_likest(likest, tests, candidates, probes, found)
        _take_nearest(nearest, tests, candidates, probes, found)
    return count


def _take_alike(
    pairs: AlikePairs, tests: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64], found: _Found
) -> None:
    order = np.lexsort((pairs.candidates, pairs.tests))
    for test, place, value in zip(
        tests[pairs.tests[order]].tolist(), candidates[pairs.candidates[order]].tolist(),
        pairs.correlations[order].tolist(), strict=True,
    ):  # fmt: skip
        found.add(Match(place, test, "copy", "whole", None, value))


def _take_likest(
    likest: Likest, tests: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64], probes: Sequence[SmallProbe],
    found: _Found,
) -> None:  # fmt: skip
    for row in np.flatnonzero(likest.correlations >= AUTOMATIC_CORRELATION).tolist():
        value, probe = float(likest.correlations[row]), probes[int(likest.probes[row])].name
        found.add(Match(int(candidates[row]), int(tests[likest.tests[row]]), "copy", probe, None, value))


def _take_nearest(
    nearest: Nearest, tests: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64],
    probes: Sequence[SmallProbe], found: _Found,
) -> None:  # fmt: skip
    for row, column in np.argwhere(nearest.candidates >= 0).tolist():
        value, probe = float(nearest.correlations[row, column]), probes[int(nearest.probes[row, column])].name
        place = int(candidates[nearest.candidates[row, column]])
        tier = "copy" if value >= AUTOMATIC_CORRELATION else "review"
        found.add(Match(place, int(tests[row]), tier, probe, None, value))


class _Thumbnails:
    """Thumbnails of some candidates, a block at a time, so that they are never all in memory."""

    def __init__(self, prints: Fingerprints, places: npt.NDArray[np.int64]) -> None:
        self._prints, self._places = prints, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, block: slice) -> npt.NDArray[np.uint8]:
        found: npt.NDArray[np.uint8] = self._prints.rows["thumbnail"][self._places[block]]
        return found


def stars(sides: Sides, centres: Sequence[Match], pause: Callable[[], None] = lambda: None) -> list[Match]:
    """Candidates that are copies of copies: near one that is left out, though not near the test image itself.

    One step alone, from the candidate that is left out, so that no chain of ever less like photos goes.
    """
    prints, whole = sides.candidate_prints, (Probe("whole", "identity"),)
    own = _Verifier(Sides(sides.candidates, prints, sides.candidates, prints), whole)
    of = {one.candidate: one for one in centres}
    found: dict[int, Match] = {}
    digests = prints.pixel_digests()
    equal = {digest: place for place in of if (digest := digests[place]) is not None}
    for place, digest in enumerate(digests):
        if place not in of and digest is not None and digest in equal:
            found[place] = Match(place, of[equal[digest]].test, "star", "whole", 0, 1.0)
    large, small = prints.large(), prints.small()
    middles = np.array([place for place in of if large[place]], dtype=np.int64)
    hashes = prints.rows["hash"][middles][:, None, :]
    pairs = near_pairs(
        candidate_hashes(prints), [(middles, hashes, np.ones((len(middles), 1), dtype=np.bool_))], NEAR_COPY_BITS
    )
    for place, centre, bits, kind in zip(
        pairs.candidates.tolist(), pairs.tests.tolist(), pairs.bits.tolist(), pairs.kinds.tolist(), strict=True
    ):
        pause()
        if place in of or place in found:
            continue
        if bits <= SURE_BITS or own.is_confirmed(place, centre, 0, kind):
            found[place] = Match(place, of[centre].test, "star", f"whole{_KINDS[kind]}", bits)
    middles, others = np.array([one for one in of if small[one]], dtype=np.int64), np.flatnonzero(small)
    if len(middles):
        shown = prints.rows["thumbnail"][middles]
        _, likest = correlate(shown, _Thumbnails(prints, others), SMALL_PROBES[:2], 1, pause)
        for row in np.flatnonzero(likest.correlations >= AUTOMATIC_CORRELATION).tolist():
            place, value = int(others[row]), float(likest.correlations[row])
            if place not in of:
                centre = int(middles[likest.tests[row]])
                found.setdefault(place, Match(place, of[centre].test, "star", "whole", None, value))
    return [found[place] for place in sorted(found)]


__all__ = ["SMALL_SIDE", "Comparison", "Match", "Settings", "Sides", "compare", "stars"]

"""Which candidates are copies of test images, and which a person should look at; labels play no part.

Photos are compared by hashes, against the probes of each test image; images of up to 64 pixels by their pixels. A
pair is a copy at few differing bits, or at more where the pixels, laid over each other, say so as well: their
thumbnails roughly, which is quick, and then their details (`rawlabel.artifacts.copies.agreement`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS
from rawlabel.artifacts.copies.hamming import Hashes
from rawlabel.artifacts.copies.stars import SURE_BITS
from rawlabel.base import processes
from rawlabel.base.ray_cluster import Cluster, Shared
from rawlabel.images.image_source import ImageSource
from rawlabel.judge.decontaminate.correlation import AlikePairs, Likest, Nearest, alike, correlate
from rawlabel.judge.decontaminate.hashes import HashPairs, Kinds, Tests, near_pairs
from rawlabel.judge.decontaminate.kept_fingerprints import Fingerprints, KeptFingerprints
from rawlabel.judge.decontaminate.matches import LISTED, Found, Match
from rawlabel.judge.decontaminate.probes import (
    FINE,
    SMALL_PROBES,
    Probe,
    SmallProbe,
    photo_probes,
    small_probes,
)
from rawlabel.judge.decontaminate.verifying import KINDS, VERIFIED_BITS, Verifier

RULES = 2
"""Of what is a copy; whatever changes them takes a new number, since outcomes are kept."""
REVIEW_BITS = 90
"""Most bits at which a pair is listed for a person; unrelated photos differ in 84 or more."""
AUTOMATIC_CORRELATION = 0.90
"""Least correlation at which a small image is a copy."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What comparing two sets came to."""

    matches: tuple[Match, ...]
    """The copies, one a candidate: of the test image that it is likest to."""
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
    cluster: Cluster | None = None
    """What makes fingerprints and compares hashes; None for this process."""
    pause: Callable[[], None] = field(default=lambda: None)
    """Called now and then; may raise."""


@dataclass(frozen=True, eq=False)
class Sides:
    """The two sets: images by position, and their fingerprints."""

    candidates: ImageSource
    candidate_prints: Fingerprints
    tests: ImageSource
    test_prints: Fingerprints


def compare(
    sides: Sides,
    kept: KeptFingerprints,
    settings: Settings | None = None,
    hear: Callable[[Match], None] = lambda _: None,
) -> Comparison:
    """Compare every candidate with every test image. Raises what `settings.pause` raises.

    `hear` is told each pair that is a copy; a candidate may show several test images. Memory grows with the images
    and not with the pairs.
    """
    with Found.kept((settings or Settings()).listed, hear) as found:
        return _compare(sides, kept, settings or Settings(), found)


def _compare(sides: Sides, kept: KeptFingerprints, settings: Settings, found: Found) -> Comparison:
    if "equal" not in settings.without:
        _equal(sides, found)
    large, large_tests = sides.candidate_prints.large(), sides.test_prints.large()
    probes = FINE if settings.thorough else photo_probes(int(large.sum()) * int(large_tests.sum()))
    probes = tuple(one for one in probes if one.stage not in settings.without)
    small = SMALL_PROBES if settings.thorough else small_probes(_num_small(sides))
    small = tuple(one for one in small if one.stage not in settings.without)
    num_pairs = 0
    if probes and large.any() and large_tests.any():
        num_pairs += int(large.sum()) * int(large_tests.sum()) * len(probes)
        _by_hashes(sides, kept, probes, settings, found)
    if small and "correlation" not in settings.without:
        num_pairs += _correlations(sides, small, settings, found)
    matches = tuple(found.best[place] for place in sorted(found.best))
    return Comparison(matches, found.ranked(), num_pairs, probes, small)


def _num_small(sides: Sides) -> int:
    """Pairs of which one image, at least, is small."""
    own, theirs = (
        (int(one.known.sum()), int(one.small().sum())) for one in (sides.candidate_prints, sides.test_prints)
    )
    return theirs[1] * own[0] + (theirs[0] - theirs[1]) * own[1]


def _equal(sides: Sides, found: Found) -> None:
    places: dict[bytes, int] = {}
    for place, digest in enumerate(sides.test_prints.pixel_digests()):
        if digest is not None:
            places.setdefault(digest, place)
    for place, digest in enumerate(sides.candidate_prints.pixel_digests()):
        if digest is not None and digest in places:
            found.add(Match(place, places[digest], "equal", "whole", 0, 1.0))


def _by_hashes(
    sides: Sides, kept: KeptFingerprints, probes: Sequence[Probe], settings: Settings, found: Found
) -> None:
    """Compare some test images at a time, of which nothing is kept but what was found."""
    places = np.flatnonzero(sides.test_prints.large())
    own = candidate_hashes(sides.candidate_prints, settings.without)
    is_verified = "verification" not in settings.without
    # Nobody is to look at a list, so nothing is listed of what no pixels would confirm.
    most_bits = REVIEW_BITS if settings.listed else VERIFIED_BITS
    made = kept.probes(sides.tests.select(places), probes, "cutting probes of test images", settings.pause)
    parts = (
        part
        for start, hashes, there in made
        for part in Tests(places[start : start + len(hashes)], hashes, there).parts(len(sides.candidate_prints))
    )
    with processes.own_threads() as pool:
        verifier = Verifier(sides.candidates, sides.candidate_prints, sides.tests, probes, pool)
        for pairs in _near_pairs(own, parts, most_bits, settings):
            verifier.take(pairs, is_verified, found, settings.pause)


def _near_pairs(own: Kinds, parts: Iterable[Tests], most_bits: int, settings: Settings) -> Iterator[HashPairs]:
    """Part by part, here or by the tasks of a cluster, which finds the same."""
    if settings.cluster is None:
        yield from (near_pairs(own, part, most_bits, settings.pause) for part in parts)
    else:
        shared = Shared(own)
        yield from settings.cluster.results(near_pairs, ((shared, part, most_bits) for part in parts))


def candidate_hashes(
    prints: Fingerprints, without: frozenset[str] = frozenset()
) -> list[tuple[Hashes, npt.NDArray[np.int64]]]:
    """The hashes of candidates, as they are, mirrored, and without borders, and whose each is."""
    large = prints.large()
    masks = {"hash": large, "mirrored": large, "trimmed": large & prints.rows["has_trimmed"]}
    off = {"mirrored": "flip", "trimmed": "trim"}
    nothing = np.zeros(0, dtype=np.int64)
    places = {name: nothing if off.get(name) in without else np.flatnonzero(mask) for name, mask in masks.items()}
    return [(np.ascontiguousarray(prints.rows[name][rows]), rows) for name, rows in places.items()]


def _correlations(sides: Sides, probes: Sequence[SmallProbe], settings: Settings, found: Found) -> int:
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
    pairs: AlikePairs, tests: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64], found: Found
) -> None:
    order = np.lexsort((pairs.candidates, pairs.tests))
    for test, place, value in zip(
        tests[pairs.tests[order]].tolist(), candidates[pairs.candidates[order]].tolist(),
        pairs.correlations[order].tolist(), strict=True,
    ):  # fmt: skip
        found.add(Match(place, test, "copy", "whole", None, value))


def _take_likest(
    likest: Likest, tests: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64], probes: Sequence[SmallProbe],
    found: Found,
) -> None:  # fmt: skip
    for row in np.flatnonzero(likest.correlations >= AUTOMATIC_CORRELATION).tolist():
        value, probe = float(likest.correlations[row]), probes[int(likest.probes[row])].name
        found.add(Match(int(candidates[row]), int(tests[likest.tests[row]]), "copy", probe, None, value))


def _take_nearest(
    nearest: Nearest, tests: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64],
    probes: Sequence[SmallProbe], found: Found,
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
    prints = sides.candidate_prints
    of = {one.candidate: one for one in centres}
    found: dict[int, Match] = {}
    digests = prints.pixel_digests()
    equal = {digest: place for place in of if (digest := digests[place]) is not None}
    for place, digest in enumerate(digests):
        if place not in of and digest is not None and digest in equal:
            found[place] = Match(place, of[equal[digest]].test, "star", "whole", 0, 1.0)
    _stars_by_hashes(sides, of, found, pause)
    small = prints.small()
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


def _stars_by_hashes(
    sides: Sides, of: dict[int, Match], found: dict[int, Match], pause: Callable[[], None]
) -> None:
    prints, whole = sides.candidate_prints, (Probe("whole", "identity"),)
    large = prints.large()
    middles = np.array([place for place in of if large[place]], dtype=np.int64)
    own, is_there = candidate_hashes(prints), np.ones((len(middles), 1), dtype=np.bool_)
    with processes.own_threads() as pool:
        verifier = Verifier(sides.candidates, prints, sides.candidates, whole, pool)
        for some in Tests(middles, prints.rows["hash"][middles][:, None, :], is_there).parts(len(prints)):
            pairs = near_pairs(own, some, NEAR_COPY_BITS, pause)
            for place, centre, bits, kind in zip(
                *(one.tolist() for one in (pairs.candidates, pairs.tests, pairs.bits, pairs.kinds)), strict=True
            ):
                pause()
                if place in of or place in found:
                    continue
                if bits <= SURE_BITS or verifier.is_confirmed(place, centre, 0, kind):
                    found[place] = Match(place, of[centre].test, "star", f"whole{KINDS[kind]}", bits)

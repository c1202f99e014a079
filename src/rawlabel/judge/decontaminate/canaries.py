"""Canaries: freshly transformed test images, planted among the candidates, of which the pass must find every one.

How many it finds says what it would find of real copies that were transformed so. Which rows are canaries is not
told to the pass. Where they stand and how each is transformed follows from the digests of the two sets, so that
the same two sets have the same canaries, and no two pairs of sets do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.certificate import Canaries, TransformRecall
from rawlabel.artifacts.copies.fingerprint import Pixels, fingerprint
from rawlabel.base import processes
from rawlabel.base.metrics import clopper_pearson
from rawlabel.base.progress import progress
from rawlabel.errors import DataError
from rawlabel.images.decoding import read_pixels
from rawlabel.images.image_source import ImageSource
from rawlabel.judge.decontaminate.comparing import Sides
from rawlabel.judge.decontaminate.kept_fingerprints import Fingerprints, empty_rows, row_of
from rawlabel.judge.decontaminate.matches import Match
from rawlabel.judge.decontaminate.probes import is_small

MOST = 1000
A_TEST_IMAGE = 4
"""Canaries of one test image at most."""
CONFIDENCE = 0.95

Transform = Callable[[Pixels, np.random.Generator], Pixels]


def _encoded(pixels: Pixels, quality: int) -> Pixels:
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)[..., ::-1])


def _as_pixels(values: npt.NDArray[np.generic]) -> Pixels:
    return np.ascontiguousarray(np.clip(values, 0, 255).astype(np.uint8))


def _resized(pixels: Pixels, width: float, height: float) -> Pixels:
    size = (max(8, round(width)), max(8, round(height)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _scaled(pixels: Pixels, chance: np.random.Generator, least: int) -> Pixels:
    """Smaller, down to the shorter side `least`, or a little larger."""
    height, width = pixels.shape[:2]
    scale = chance.uniform(min(1.0, least / min(height, width)), 1.2)
    return _resized(pixels, scale * width, scale * height)


def _kept(pixels: Pixels, chance: np.random.Generator, least: float) -> Pixels:
    """A crop that keeps a share from `least` to 1 of each side, anywhere."""
    height, width = pixels.shape[:2]
    across, down = round(chance.uniform(least, 1) * width), round(chance.uniform(least, 1) * height)
    left, top = int(chance.integers(0, width - across + 1)), int(chance.integers(0, height - down + 1))
    return np.ascontiguousarray(pixels[top : top + down, left : left + across])


def _size(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    return _scaled(pixels, chance, 96)


def _quality(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    return _encoded(pixels, int(chance.integers(40, 90)))


def _stretch(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    return _resized(pixels, chance.uniform(0.75, 1.0) * width, height)


def _gray(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return _as_pixels(np.repeat(np.asarray(gray)[..., None], 3, axis=2))


def _light(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    factor, middle = chance.uniform(0.8, 1.2), pixels.mean()
    return _as_pixels((pixels.astype(np.float32) - middle) * factor + middle + chance.uniform(-15, 15))


def _flip(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    return _encoded(np.ascontiguousarray(pixels[:, ::-1]), 85)


def _crop(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    return _encoded(_kept(pixels, chance, 0.88), 80)


def _flipped_crop(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    return np.ascontiguousarray(_crop(pixels, chance)[:, ::-1])


def _square(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _encoded(np.ascontiguousarray(pixels[top : top + side, left : left + side]), 80)


def _evaluated(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    """The middle of the middle square, as networks are evaluated on it."""
    square = _square(pixels, chance)
    edge = round(len(square) / 16)
    return np.ascontiguousarray(square[edge : len(square) - edge, edge : len(square) - edge])


def _bordered(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    wide, high = round(chance.uniform(0.05, 0.15) * width), round(chance.uniform(0.05, 0.15) * height)
    color = [int(chance.choice((0, 255)))] * 3
    framed = cv2.copyMakeBorder(pixels, high, high, wide, wide, cv2.BORDER_CONSTANT, value=color)
    return _encoded(np.asarray(framed, dtype=np.uint8), 85)


def _small_size(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    return _scaled(pixels, chance, 24)


def _small_quality(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    return _encoded(pixels, int(chance.integers(70, 95)))


def _small_flip(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


def _small_crop(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    """An eighth of each side cut off, at an even share of its ends, as a shifted crop in training is."""
    height, width = pixels.shape[:2]
    down, across = round(height * 7 / 8), round(width * 7 / 8)
    ends = (0.0, 0.5, 1.0)
    top = round(float(chance.choice(ends)) * (height - down))
    left = round(float(chance.choice(ends)) * (width - across))
    return np.ascontiguousarray(pixels[top : top + down, left : left + across])


PHOTO_TRANSFORMS: dict[str, Transform] = {
    "size": _size, "quality": _quality, "stretch": _stretch, "gray": _gray, "light": _light, "flip": _flip,
    "crop of 88 % or more a side": _crop, "flipped crop": _flipped_crop, "centre square": _square,
    "ImageNet centre crop": _evaluated, "border": _bordered,
}  # fmt: skip
SMALL_TRANSFORMS: dict[str, Transform] = {
    "size": _small_size, "quality": _small_quality, "light": _light, "flip": _small_flip, "crop": _small_crop,
}  # fmt: skip


@dataclass(frozen=True)
class Canary:
    """A planted picture, made anew whenever it is looked at: a thousand large ones would fill the memory."""

    test: int
    """Position of the test image that it is made of."""
    transform: str
    seed: tuple[int, int]
    """Of what is random in the transform."""
    is_small: bool
    """Whether the test image is compared by its pixels."""

    def pixels(self, tests: ImageSource) -> Pixels:
        """The picture [height, width, 3] in RGB. Raises `DataError` where the test image cannot be read."""
        transforms = SMALL_TRANSFORMS if self.is_small else PHOTO_TRANSFORMS
        shown = read_pixels(tests, self.test, None)
        return transforms[self.transform](shown, np.random.default_rng(self.seed))


Made = tuple[Canary, np.void]
"""A canary, and its fingerprint as a row of `Fingerprints`."""


def make_canaries(tests: ImageSource, prints: Fingerprints, seed: str) -> list[Made]:
    """Canaries of the test images that can be told from others: up to four an image and a thousand in all.

    Flat images, which nothing but equal pixels tells apart, have none.
    """
    chance = np.random.default_rng(np.frombuffer(bytes.fromhex(seed), dtype=np.uint32))
    small = prints.small()
    places = np.flatnonzero(prints.large() | (small & _is_told(prints)))
    if not len(places):
        return []
    count = min(MOST, A_TEST_IMAGE * len(places))
    drawn = np.concatenate([chance.permutation(places) for _ in range(-(-count // len(places)))])[:count]
    turn, planned = Counter[bool](), []
    for place in drawn.tolist():
        is_one = bool(small[place])
        transforms = SMALL_TRANSFORMS if is_one else PHOTO_TRANSFORMS
        # Each in turn, so that all occur; the turn does not depend on the image.
        name = list(transforms)[turn[is_one] % len(transforms)]
        turn[is_one] += 1
        own = chance.integers(0, 2**63, 2).tolist()
        planned.append(Canary(place, name, (own[0], own[1]), is_one))

    def make(one: Canary) -> Made | None:
        try:
            pixels = one.pixels(tests)
        except DataError:
            return None
        is_alike = is_small(pixels.shape[1], pixels.shape[0]) == one.is_small
        return (one, row_of(fingerprint(pixels))[0]) if is_alike else None

    with processes.own_threads() as pool, progress("making canaries", count) as task:
        made = []
        for found in pool.map(make, planned):
            made += [found] if found is not None else []
            task.advance()
    return made


def _is_told(prints: Fingerprints) -> npt.NDArray[np.bool_]:
    """Small images with enough contrast for their correlation to say anything."""
    told: npt.NDArray[np.bool_] = prints.known & (prints.rows["thumbnail"].std(axis=(1, 2, 3)) > 4)
    return told


class _Planted(ImageSource):
    """Candidates with canaries among them."""

    def __init__(
        self, source: ImageSource, canaries: Sequence[Canary], tests: ImageSource, order: npt.NDArray[np.int64]
    ) -> None:
        self._source, self._canaries, self._tests, self._order = source, canaries, tests, order

    def __len__(self) -> int:
        return len(self._order)

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        place = int(self._order[index])
        if place < len(self._source):
            return self._source.read(place)
        return self._canaries[place - len(self._source)].pixels(self._tests)

    def name(self, index: int) -> str:
        return str(index)


@dataclass(frozen=True)
class Planting:
    """Two sides of a comparison with canaries among the candidates, and what only the certificate may know."""

    sides: Sides
    canaries: Sequence[Canary]
    _order: npt.NDArray[np.int64]
    _num_real: int

    def real(self, matches: Sequence[Match]) -> list[Match]:
        """The matches of real candidates, by their positions before the planting."""
        return [
            Match(place, one.test, one.tier, one.probe, one.bits, one.correlation)
            for one in matches
            if (place := int(self._order[one.candidate])) < self._num_real
        ]

    def judge(self, matches: Sequence[Match]) -> Canaries:
        """Which of the canaries are among the matches."""
        found = {int(self._order[one.candidate]) - self._num_real for one in matches}
        is_caught = [number in found for number in range(len(self.canaries))]
        planted = Counter(one.transform for one in self.canaries)
        caught = Counter(one.transform for one, is_one in zip(self.canaries, is_caught, strict=True) if is_one)
        lower, upper = clopper_pearson(sum(is_caught), len(is_caught), CONFIDENCE)
        tests = self.sides.tests
        return Canaries(
            planted=len(is_caught),
            caught=sum(is_caught),
            interval=(float(lower), float(upper)),
            confidence=CONFIDENCE,
            by_transform={
                name: TransformRecall(planted=count, caught=caught[name])
                for name, count in sorted(planted.items())
            },
            missed=tuple(
                f"{one.transform} of {tests.where(one.test)}"
                for one, is_one in zip(self.canaries, is_caught, strict=True)
                if not is_one
            ),
        )


def plant(sides: Sides, seed: str, with_canaries: bool = True) -> Planting:
    """Put canaries at secret places among the candidates; `seed` is a digest (hex) of the two sets."""
    made = make_canaries(sides.tests, sides.test_prints, seed) if with_canaries else []
    canaries = [one for one, _ in made]
    own, count = sides.candidate_prints, len(sides.candidate_prints)
    chance = np.random.default_rng([*np.frombuffer(bytes.fromhex(seed), dtype=np.uint32).tolist(), 1])
    order = chance.permutation(count + len(canaries)).astype(np.int64)
    rows, known = empty_rows(len(order)), np.ones(len(order), dtype=np.bool_)
    is_real = order < count
    rows[is_real], known[is_real] = own.rows[order[is_real]], own.known[order[is_real]]
    for place in np.flatnonzero(~is_real).tolist():
        rows[place] = made[int(order[place]) - count][1]
    shown = _Planted(sides.candidates, canaries, sides.tests, order)
    planted = Sides(shown, Fingerprints(rows, known), sides.tests, sides.test_prints)
    return Planting(planted, canaries, order, count)

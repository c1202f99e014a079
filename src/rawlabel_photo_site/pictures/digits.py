"""The built-in collection: real handwritten digits, photographed.

The digits are scikit-learn's copy of the test part of Alpaydin and Kaynak, "Optical Recognition of
Handwritten Digits" (UCI Machine Learning Repository, 1998): 1,797 grey images of 8 x 8 pixels. A picture shows
one of them as written with some pen on some surface, in some light.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from rawlabel_photo_site.pictures.camera import Pixels, expose, generator, texture
from rawlabel_photo_site.world.photos import SamplePicture

if TYPE_CHECKING:
    from PIL import Image

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SIBLINGS = {
    "zero": ("six", "eight"),
    "one": ("seven", "four"),
    "two": ("seven", "three"),
    "three": ("eight", "five"),
    "four": ("nine", "one"),
    "five": ("six", "three"),
    "six": ("five", "zero"),
    "seven": ("one", "two"),
    "eight": ("three", "nine"),
    "nine": ("four", "eight"),
}
_HOMONYMS = {
    "zero": "fish",
    "one": "bus",
    "two": "cup",
    "three": "tree",
    "four": "house",
    "five": "clock",
    "six": "car",
    "seven": "mountain",
    "eight": "boat",
    "nine": "cat",
}
_TEST_SHARE = 1 / 3
_LONGER_SIDES = (500, 640, 800, 1024, 1600)
_ASPECTS = ((4, 3), (4, 3), (3, 2), (1, 1), (3, 4), (2, 3))
_MASK_SIDE = 96
_SURFACES: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("plain", (238, 234, 224)),
    ("plain", (214, 205, 186)),
    ("lined", (242, 240, 232)),
    ("squared", (236, 238, 236)),
    ("plain", (190, 154, 112)),
    ("plain", (246, 224, 120)),
    ("plain", (178, 204, 214)),
    ("plain", (226, 178, 170)),
    ("board", (44, 62, 54)),
    ("board", (38, 40, 46)),
    ("board", (52, 74, 110)),
    ("board", (118, 58, 48)),
)
_DARK_INKS = ((24, 24, 28), (26, 40, 110), (140, 24, 32), (20, 84, 52), (84, 40, 96), (70, 66, 64))
_LIGHT_INKS = ((236, 236, 228), (240, 222, 120), (240, 180, 170), (170, 214, 240))
_TABLES = ((92, 64, 44), (146, 116, 86), (58, 60, 66), (168, 168, 164), (70, 92, 84))


@functools.cache
def _digits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Grey images (1797 x 8 x 8, 0 to 1) and the digit that each shows."""
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    return (images.reshape(-1, 8, 8) / 16).astype(np.float32), targets.astype(np.int64)


@dataclass(frozen=True, slots=True)
class DigitPicture:
    """A photo of one handwritten digit. Pictures of one series share the surface and the pen."""

    digit: int
    """Row in the digits data."""
    series: str
    shot: str
    width: int
    height: int

    def draw(self, width: int, height: int) -> Image.Image:
        """The photo as RGB, `width` x `height` pixels."""
        from PIL import Image

        style, shot = generator("series", self.series), generator("shot", self.shot)
        surface, base = _SURFACES[style.integers(len(_SURFACES))]
        inks = _LIGHT_INKS if surface == "board" else _DARK_INKS
        ink = np.array(inks[style.integers(len(inks))], np.float32) / 255
        table = np.array(_TABLES[style.integers(len(_TABLES))], np.float32) / 255
        scene = _surface(surface, base, width, height, style, shot)
        scene = _on_table(scene, table, shot)
        mask = _stroke_mask(self.digit, width, height, float(style.uniform(0.30, 0.42)), shot)
        cover = float(style.uniform(0.8, 1.0)) * (1 + 0.12 * texture(width, height, 48, shot))
        alpha = np.clip(mask * cover, 0, 1)[..., None]
        scene += alpha * (ink - scene)
        return Image.fromarray(expose(scene, shot))


def _surface(
    surface: str,
    base: tuple[int, int, int],
    width: int,
    height: int,
    style: np.random.Generator,
    shot: np.random.Generator,
) -> Pixels:
    """Paper, note or board with its texture, height x width x 3."""
    color = np.array(base, np.float32) / 255 * style.uniform(0.88, 1.06, 3).astype(np.float32)
    roughness = (0.05 if surface == "board" else 0.025) * style.uniform(0.5, 1.6)
    relief = roughness * (texture(width, height, 8, shot) + 0.5 * texture(width, height, 40, shot))
    scene = color * (1 + relief)[..., None]
    if surface in ("lined", "squared"):
        distance = float(style.uniform(0.09, 0.15)) * min(width, height)
        phase, thickness = shot.uniform(0, 1), max(1, round(min(width, height) / 180))
        rule = np.array((0.55, 0.66, 0.82), np.float32)
        rows = np.arange(phase * distance, height, distance).astype(int)
        for offset in range(thickness):
            scene[np.minimum(rows + offset, height - 1)] *= rule
        if surface == "squared":
            columns = np.arange(phase * distance, width, distance).astype(int)
            for offset in range(thickness):
                scene[:, np.minimum(columns + offset, width - 1)] *= rule
    return np.asarray(scene, dtype=np.float32)


def _on_table(scene: Pixels, table: npt.NDArray[np.floating], shot: np.random.Generator) -> Pixels:
    """The surface cut to a sheet that lies on a table, in about half of the photos."""
    height, width = scene.shape[:2]
    margins, tilt = shot.uniform(0.0, 0.09, 4), shot.uniform(-0.03, 0.03)
    if shot.random() < 0.5:
        return scene
    left, top, right, bottom = margins
    corners = np.array(
        [
            (left, top + tilt),
            (1 - right - tilt, top - tilt),
            (1 - right, 1 - bottom - tilt),
            (left + tilt, 1 - bottom + tilt),
        ]
    ) * (width, height)
    sheet = np.zeros((height, width), np.float32)
    cv2.fillConvexPoly(sheet, np.round(corners * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    sheet = np.asarray(cv2.GaussianBlur(sheet, (0, 0), max(0.5, min(width, height) / 300)), dtype=np.float32)
    return np.asarray(table + (scene - table) * sheet[..., None], dtype=np.float32)


def _stroke_mask(digit: int, width: int, height: int, threshold: float, shot: np.random.Generator) -> Pixels:
    """How much ink is where, height x width in 0 to 1: the digit turned, sheared, scaled and shifted."""
    images, _ = _digits()
    padded = np.pad(images[digit], 1)
    smooth = cv2.resize(padded, (_MASK_SIDE, _MASK_SIDE), interpolation=cv2.INTER_CUBIC)
    side = min(width, height)
    scale = shot.uniform(0.62, 0.98) * side / _MASK_SIDE
    angle, shear = np.deg2rad(shot.uniform(-14, 14)), shot.uniform(-0.12, 0.12)
    stretch = shot.uniform(0.85, 1.12)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = scale * turn @ np.array([[stretch, shear], [0.0, 1.0]])
    centre = np.array([width, height]) / 2 + shot.uniform(-0.08, 0.08, 2) * side
    offset = centre - matrix @ np.array([_MASK_SIDE / 2, _MASK_SIDE / 2])
    warped = cv2.warpAffine(
        np.asarray(smooth, np.float32),
        np.hstack([matrix, offset[:, None]]),
        (width, height),
        flags=cv2.INTER_LINEAR,
    )
    ramp = np.clip((warped - threshold) / 0.22, 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), dtype=np.float32)


class DigitCollection:
    """Ten classes, `zero` to `nine`; a stratified third of the digits is the clean test set.

    The division into candidates and test set is always the same, whatever the seed, so that test
    accuracies of different seeds can be compared.
    """

    classes: tuple[str, ...] = CLASSES

    def __init__(self, seed: int) -> None:
        self._seed = seed
        _, targets = _digits()
        split = np.random.default_rng(1998)
        shuffle = generator("digits", seed)
        self._candidates: dict[str, list[int]] = {}
        test: list[SamplePicture] = []
        for value, name in enumerate(CLASSES):
            rows = split.permutation(np.flatnonzero(targets == value))
            tested = round(len(rows) * _TEST_SHARE)
            for row in sorted(rows[:tested].tolist()):
                picture = _photographed(row, f"test/{row}", f"test/{row}")
                test.append(SamplePicture(f"{name}/{name}_{row:04}.jpg", name, picture))
            self._candidates[name] = shuffle.permutation(rows[tested:]).tolist()
        self.test = tuple(test)

    def siblings(self, name: str) -> tuple[str, ...]:
        """The classes that people confuse with this one."""
        return _SIBLINGS[name]

    def homonym(self, name: str) -> str:
        """The drawn subject that bears this class's name."""
        return _HOMONYMS[name]

    def supply(self, name: str) -> int | None:
        """None: a digit can be photographed any number of times."""
        return None

    def picture(self, name: str, index: int, series: str) -> DigitPicture:
        """The `index`-th photo of class `name`, taken in the given series."""
        rows = self._candidates[name]
        row = rows[index % len(rows)]
        return _photographed(row, f"{self._seed}/{series}", f"{self._seed}/{name}/{index}")


def _photographed(row: int, series: str, shot: str) -> DigitPicture:
    size = generator("size", series)
    longer = _LONGER_SIDES[size.choice(len(_LONGER_SIDES), p=(0.3, 0.25, 0.2, 0.2, 0.05))]
    across, down = _ASPECTS[size.integers(len(_ASPECTS))]
    unit = longer / max(across, down)
    return DigitPicture(row, series, shot, round(across * unit), round(down * unit))

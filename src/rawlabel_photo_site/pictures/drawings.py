"""Drawn scenes: what the noise photos show that shows none of the classes. Each call varies the rendering."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from rawlabel_photo_site.pictures.camera import expose, generator, texture

Color = tuple[int, int, int]
_WALLS: tuple[Color, ...] = ((196, 178, 150), (150, 170, 176), (182, 150, 140), (206, 204, 196), (110, 118, 104))
_SKIES: tuple[Color, ...] = ((150, 190, 226), (186, 206, 220), (232, 190, 150), (120, 150, 190))
_GROUNDS: tuple[Color, ...] = ((104, 132, 74), (140, 124, 92), (120, 120, 118), (180, 164, 120))
_PAINTS: tuple[Color, ...] = (
    (176, 44, 40),
    (44, 82, 150),
    (232, 180, 50),
    (48, 120, 84),
    (214, 214, 208),
    (60, 56, 60),
)
_WATERS: tuple[Color, ...] = ((58, 104, 130), (70, 130, 134), (44, 74, 110))


class Pen:
    """Draws in a unit square in the middle of the canvas, moved and scaled; y grows downward."""

    def __init__(self, image: Image.Image, random: np.random.Generator) -> None:
        self.canvas = ImageDraw.Draw(image)
        self.width, self.height = image.size
        self.random = random
        self.unit = min(image.size) * float(random.uniform(0.72, 1.0))
        self.left = (self.width - self.unit) / 2 + float(random.uniform(-0.08, 0.08)) * self.unit
        self.top = (self.height - self.unit) / 2 + float(random.uniform(-0.05, 0.05)) * self.unit

    def pick(self, colors: tuple[Color, ...]) -> Color:
        """One of the colours, each channel off by a normal draw with deviation 9.

        Colours are red, green and blue from 0 to 255.
        """
        base = colors[self.random.integers(len(colors))]
        red, green, blue = (int(np.clip(value + self.random.normal(0, 9), 0, 255)) for value in base)
        return red, green, blue

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixel position of a point of the unit square."""
        return self.left + x * self.unit, self.top + y * self.unit

    def oval(self, x: float, y: float, across: float, down: float, color: Color) -> None:
        """A filled ellipse around (x, y) with the given half axes."""
        self.canvas.ellipse([self.at(x - across, y - down), self.at(x + across, y + down)], fill=color)

    def box(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        """Draw a filled rectangle; its edges are coordinates of the unit square in the middle of the canvas."""
        self.canvas.rectangle([self.at(left, top), self.at(right, bottom)], fill=color)

    def shape(self, points: Iterable[tuple[float, float]], color: Color) -> None:
        """Draw a filled polygon.

        Its points lie in the unit square in the middle of the canvas, y growing downward.
        """
        self.canvas.polygon([self.at(x, y) for x, y in points], fill=color)

    def stroke(self, points: Iterable[tuple[float, float]], color: Color, thickness: float = 0.012) -> None:
        """Draw a line through points of the unit square.

        `thickness` is a share of the square's side, a pixel at least.
        """
        pixels = [self.at(x, y) for x, y in points]
        self.canvas.line(pixels, fill=color, width=max(1, round(thickness * self.unit)), joint="curve")

    def fill(self, color: Color) -> None:
        """Fill the whole canvas with one colour, over all that was drawn."""
        self.canvas.rectangle([0, 0, self.width, self.height], fill=color)

    def below(self, y: float, color: Color) -> None:
        """Everything under the height y, over the whole width of the canvas."""
        self.canvas.rectangle([0, self.at(0, y)[1], self.width, self.height], fill=color)

    def landscape(self, horizon: float, ground: tuple[Color, ...] = _GROUNDS) -> None:
        """Fill the canvas with sky, and with ground below `horizon`, a height in the unit square, 0 at its top."""
        self.fill(self.pick(_SKIES))
        self.below(horizon, self.pick(ground))


def _cat(pen: Pen) -> None:
    pen.fill(pen.pick(_WALLS))
    pen.below(0.85, pen.pick(_GROUNDS))
    fur = pen.pick(((60, 56, 56), (196, 128, 62), (150, 146, 142), (224, 214, 200), (96, 72, 52)))
    eye = pen.pick(((120, 160, 70), (200, 170, 60)))
    pen.stroke([(0.7, 0.85), (0.9, 0.75), (0.88, 0.5)], fur, 0.06)
    pen.oval(0.5, 0.74, 0.24, 0.22, fur)
    pen.oval(0.5, 0.42, 0.2, 0.17, fur)
    pen.shape([(0.32, 0.36), (0.34, 0.12), (0.47, 0.28)], fur)
    pen.shape([(0.68, 0.36), (0.66, 0.12), (0.53, 0.28)], fur)
    for x in (0.42, 0.58):
        pen.oval(x, 0.4, 0.04, 0.03, eye)
        pen.oval(x, 0.4, 0.012, 0.03, (20, 20, 20))
    pen.shape([(0.48, 0.47), (0.52, 0.47), (0.5, 0.5)], (190, 110, 110))
    for y in (0.49, 0.52):
        pen.stroke([(0.22, y), (0.44, 0.5)], (220, 220, 220), 0.006)
        pen.stroke([(0.78, y), (0.56, 0.5)], (220, 220, 220), 0.006)


def _bus(pen: Pen) -> None:
    pen.landscape(0.7, ((110, 110, 112),))
    paint = pen.pick(_PAINTS)
    pen.box(0.02, 0.28, 0.98, 0.74, paint)
    for column in range(5):
        pen.box(0.06 + column * 0.18, 0.34, 0.2 + column * 0.18, 0.52, (176, 206, 220))
    pen.box(0.02, 0.58, 0.98, 0.61, (240, 240, 236))
    for x in (0.24, 0.76):
        pen.oval(x, 0.75, 0.09, 0.09, (28, 28, 30))
        pen.oval(x, 0.75, 0.04, 0.04, (150, 150, 150))


def _cup(pen: Pen) -> None:
    pen.fill(pen.pick(_WALLS))
    pen.below(0.6, pen.pick(((120, 84, 56), (88, 62, 46), (170, 150, 124))))
    china = pen.pick(_PAINTS)
    pen.oval(0.5, 0.84, 0.4, 0.09, (232, 230, 224))
    pen.oval(0.77, 0.55, 0.12, 0.13, china)
    pen.oval(0.77, 0.55, 0.07, 0.08, pen.pick(_WALLS))
    pen.shape([(0.25, 0.38), (0.75, 0.38), (0.66, 0.82), (0.34, 0.82)], china)
    pen.oval(0.5, 0.38, 0.25, 0.07, (236, 232, 226))
    pen.oval(0.5, 0.39, 0.22, 0.055, (92, 54, 30))


def _tree(pen: Pen) -> None:
    pen.landscape(0.8)
    pen.shape([(0.46, 0.5), (0.54, 0.5), (0.58, 0.9), (0.42, 0.9)], pen.pick(((96, 70, 48),)))
    leaves = pen.pick(((62, 112, 52), (178, 108, 40), (96, 136, 60)))
    for _ in range(9):
        x, y = pen.random.uniform(0.3, 0.7), pen.random.uniform(0.15, 0.5)
        pen.oval(x, y, pen.random.uniform(0.1, 0.18), pen.random.uniform(0.09, 0.15), pen.pick((leaves,)))


def _house(pen: Pen) -> None:
    pen.landscape(0.78)
    pen.box(0.18, 0.42, 0.82, 0.86, pen.pick(((226, 214, 190), (190, 110, 84), (206, 210, 214), (232, 200, 130))))
    pen.shape([(0.1, 0.44), (0.5, 0.12), (0.9, 0.44)], pen.pick(((130, 60, 48), (74, 74, 80))))
    pen.box(0.44, 0.62, 0.57, 0.86, pen.pick(_PAINTS))
    for x in (0.25, 0.64):
        pen.box(x, 0.52, x + 0.12, 0.66, (170, 200, 214))
        pen.stroke([(x + 0.06, 0.52), (x + 0.06, 0.66)], (240, 240, 240))


def _clock(pen: Pen) -> None:
    pen.fill(pen.pick(_WALLS))
    pen.oval(0.5, 0.5, 0.42, 0.42, pen.pick(_PAINTS))
    pen.oval(0.5, 0.5, 0.37, 0.37, (240, 238, 228))
    for hour in range(12):
        x, y = math.sin(hour * math.pi / 6), -math.cos(hour * math.pi / 6)
        pen.stroke([(0.5 + 0.3 * x, 0.5 + 0.3 * y), (0.5 + 0.35 * x, 0.5 + 0.35 * y)], (30, 30, 30), 0.015)
    for length, thickness in ((0.2, 0.03), (0.3, 0.018)):
        angle = pen.random.uniform(0, 2 * math.pi)
        tip = (0.5 + length * math.sin(angle), 0.5 - length * math.cos(angle))
        pen.stroke([(0.5, 0.5), tip], (20, 20, 24), thickness)


def _car(pen: Pen) -> None:
    pen.landscape(0.66, ((112, 110, 108), (140, 134, 126)))
    paint = pen.pick(_PAINTS)
    pen.shape([(0.24, 0.52), (0.36, 0.36), (0.66, 0.36), (0.78, 0.52)], paint)
    pen.shape([(0.3, 0.51), (0.38, 0.4), (0.5, 0.4), (0.5, 0.51)], (180, 206, 218))
    pen.shape([(0.53, 0.51), (0.53, 0.4), (0.64, 0.4), (0.72, 0.51)], (180, 206, 218))
    pen.box(0.06, 0.52, 0.95, 0.7, paint)
    for x in (0.26, 0.75):
        pen.oval(x, 0.71, 0.09, 0.09, (26, 26, 28))
        pen.oval(x, 0.71, 0.045, 0.045, (170, 170, 172))


def _mountain(pen: Pen) -> None:
    pen.landscape(0.72)
    for _ in range(3):
        x, y = pen.random.uniform(0.1, 0.9), pen.random.uniform(0.12, 0.35)
        pen.shape([(x - 0.6, 0.74), (x, y), (x + 0.6, 0.74)], pen.pick(((96, 104, 116), (120, 112, 108))))
        pen.shape([(x - 0.1, y + 0.1), (x, y), (x + 0.1, y + 0.1), (x, y + 0.07)], (240, 242, 246))


def _boat(pen: Pen) -> None:
    pen.landscape(0.62, _WATERS)
    pen.shape([(0.14, 0.62), (0.86, 0.62), (0.72, 0.76), (0.26, 0.76)], pen.pick(_PAINTS))
    pen.stroke([(0.48, 0.64), (0.48, 0.1)], (80, 60, 44), 0.016)
    pen.shape([(0.5, 0.12), (0.5, 0.56), (0.8, 0.56)], (240, 238, 230))
    pen.shape([(0.46, 0.18), (0.46, 0.56), (0.24, 0.56)], pen.pick(((232, 226, 210), (200, 80, 60))))


def _fish(pen: Pen) -> None:
    pen.fill(pen.pick(_WATERS))
    pen.below(0.9, pen.pick(((190, 170, 120),)))
    scales = pen.pick(((226, 120, 40), (220, 180, 60), (190, 196, 204)))
    pen.oval(0.45, 0.5, 0.3, 0.17, scales)
    pen.shape([(0.7, 0.5), (0.93, 0.33), (0.93, 0.67)], scales)
    pen.shape([(0.36, 0.36), (0.5, 0.22), (0.6, 0.38)], pen.pick((scales,)))
    pen.oval(0.28, 0.46, 0.035, 0.035, (245, 245, 245))
    pen.oval(0.27, 0.46, 0.018, 0.018, (15, 15, 15))
    for y in (0.12, 0.24, 0.32):
        pen.oval(0.12, y, 0.02, 0.02, (210, 230, 236))


def _sunset(pen: Pen) -> None:
    pen.fill(pen.pick(((226, 120, 70), (200, 90, 90), (236, 160, 80))))
    x, y = pen.random.uniform(0.2, 0.8), pen.random.uniform(0.35, 0.6)
    pen.oval(x, y, 0.12, 0.12, (252, 226, 150))
    pen.below(0.66, pen.pick(((60, 50, 70), (40, 60, 80))))
    for row in range(5):
        pen.stroke([(x - 0.1, 0.7 + row * 0.06), (x + 0.1, 0.7 + row * 0.06)], (236, 180, 110))


def _flower(pen: Pen) -> None:
    pen.fill(pen.pick(_GROUNDS))
    pen.stroke([(0.5, 0.5), (0.54, 1.0)], (60, 110, 50), 0.03)
    petals, count = pen.pick(((220, 90, 130), (240, 240, 236), (240, 200, 60), (150, 110, 190))), 8
    for petal in range(count):
        angle = 2 * math.pi * petal / count
        pen.oval(0.5 + 0.19 * math.cos(angle), 0.42 + 0.19 * math.sin(angle), 0.1, 0.1, petals)
    pen.oval(0.5, 0.42, 0.1, 0.1, (190, 130, 40))


def _balloon(pen: Pen) -> None:
    pen.landscape(0.92)
    pen.oval(0.5, 0.36, 0.26, 0.3, pen.pick(_PAINTS))
    pen.oval(0.5, 0.36, 0.1, 0.3, pen.pick(_PAINTS))
    for x in (0.4, 0.6):
        pen.stroke([(x, 0.62), (0.5 + (x - 0.5) * 0.5, 0.78)], (70, 60, 50), 0.006)
    pen.box(0.44, 0.77, 0.56, 0.86, (124, 88, 52))


def _skyline(pen: Pen) -> None:
    pen.landscape(0.9)
    for x in np.arange(-0.3, 1.3, 0.15):
        top, shade = pen.random.uniform(0.2, 0.65), pen.pick(((90, 96, 108), (130, 126, 124), (70, 78, 92)))
        pen.box(x, top, x + 0.14, 0.92, shade)
        for y in np.arange(top + 0.04, 0.86, 0.07):
            pen.box(x + 0.03, y, x + 0.06, y + 0.03, (226, 214, 150))
            pen.box(x + 0.08, y, x + 0.11, y + 0.03, (150, 168, 180))


def _poster(pen: Pen) -> None:
    pen.fill(pen.pick(_WALLS))
    paper = pen.pick(((236, 230, 214), (240, 210, 90), (200, 60, 50), (40, 70, 120)))
    ink = (24, 24, 28) if sum(paper) > 360 else (240, 236, 226)
    pen.box(0.12, 0.04, 0.88, 0.96, paper)
    words = ("OPEN", "SALE", "MUSIC", "TOWN HALL", "EXIT", "PARKING", "MARKET", "THIS WAY", "CLOSED")
    for row in range(3):
        text = words[pen.random.integers(len(words))]
        pen.canvas.text(pen.at(0.5, 0.2 + row * 0.28), text, fill=ink, anchor="mm", font_size=pen.unit * 0.12)


def _lighthouse(pen: Pen) -> None:
    pen.landscape(0.74, _WATERS)
    pen.shape([(0.2, 1.0), (0.35, 0.72), (0.68, 0.72), (0.84, 1.0)], pen.pick(((96, 92, 84),)))
    pen.shape([(0.43, 0.24), (0.57, 0.24), (0.62, 0.76), (0.38, 0.76)], (238, 236, 230))
    stripes = pen.pick(((180, 50, 44), (40, 70, 130)))
    for y in (0.34, 0.54):
        pen.shape([(0.42, y), (0.58, y), (0.59, y + 0.1), (0.41, y + 0.1)], stripes)
    pen.box(0.44, 0.15, 0.56, 0.24, (236, 214, 120))
    pen.shape([(0.42, 0.15), (0.5, 0.07), (0.58, 0.15)], stripes)


SUBJECTS: dict[str, Callable[[Pen], None]] = {
    "fish": _fish,
    "bus": _bus,
    "cup": _cup,
    "tree": _tree,
    "house": _house,
    "clock": _clock,
    "car": _car,
    "mountain": _mountain,
    "boat": _boat,
    "cat": _cat,
    "sunset": _sunset,
    "flower": _flower,
    "balloon": _balloon,
    "skyline": _skyline,
    "poster": _poster,
    "lighthouse": _lighthouse,
}
"""Everything that can be drawn, by name."""

_OVERSAMPLING_BELOW = 640


@dataclass(frozen=True, slots=True)
class DrawingPicture:
    """A photo of a drawn scene."""

    subject: str
    shot: str
    width: int
    height: int

    def draw(self, width: int, height: int) -> Image.Image:
        """The photo as RGB, `width` x `height` pixels."""
        random = generator("drawing", self.shot)
        factor = 2 if max(width, height) < _OVERSAMPLING_BELOW else 1
        image = Image.new("RGB", (width * factor, height * factor))
        SUBJECTS[self.subject](Pen(image, random))
        if factor > 1:
            image = image.reduce(factor)
        scene = np.asarray(image, dtype=np.float32) / 255
        grain = 1 + 0.05 * texture(width, height, 32, random)
        return Image.fromarray(expose(np.asarray(scene * grain[..., None], np.float32), random))


def unavailable_png() -> bytes:
    """The picture that photo hosts serve in place of a removed photo, as PNG."""
    import io

    image = Image.new("RGB", (500, 375), (243, 245, 246))
    canvas = ImageDraw.Draw(image)
    canvas.rectangle([0, 0, 499, 374], outline=(212, 216, 218), width=2)
    canvas.text((250, 172), "This photo is", fill=(128, 134, 138), anchor="mm", font_size=30)
    canvas.text((250, 212), "no longer available", fill=(128, 134, 138), anchor="mm", font_size=30)
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()

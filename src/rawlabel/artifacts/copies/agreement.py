"""Whether two pictures agree in their details, once one is laid over the other: what confirms a copy.

Hashes and thumbnails see forms. Plain drawings of one thing, photos of a series, and a digit that two people wrote
alike in form are no copies: laid over each other as well as they can be, their edges lie a pixel or two apart, and
their colors differ. So one picture is fitted to the other (an affine map that maximises the enhanced correlation
coefficient; Evangelidis and Psarakis, 2008), and what is compared is not the whole but each small place of it: a
copy has the same detail nearly everywhere. Other encoding, size, brightness and contrast do not matter, nor gray.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.fingerprint import Pixels

LEAST_DETAIL, LEAST_COLOR = 0.95, 0.9
"""Of copies; chosen on the demo's sites of seeds 0, 2 and 4 and on 98 photos of flowers, judged on others."""

_SIDE = 128
"""Longer side [pixels] of the pictures that are laid over each other."""
_PLACE = 8
"""Side [pixels] of a place whose detail is compared."""
_LEAST_CONTRAST, _OF_STRONGEST = 3.0, 0.3
"""Standard deviation [gray levels] of a place from which it shows something, and as a share of the strongest."""
_LEAST_SHOWN, _LEAST_COVER = 0.01, 0.4
"""Share of the picture that shows something, and share that lies on the other, below which nothing is said."""
_COLORLESS = 3.0
"""Mean distance from gray [levels] below which a picture has no colors to compare."""
_DARK, _BRIGHT = 20, 235
"""Gray levels outside of which brighter or darker copies have lost their colors."""
_BAR = 0.125
"""Part of the height that a caption may hide."""
_LEAST_SCALE, _MOST_SCALE, _MOST_STRETCH = 0.7, 1.4, 1.25
"""How much a fit may shrink, enlarge and stretch what it began with; beyond it, it has lost its way."""
_BLUR = 0.7
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)

Plane = npt.NDArray[np.float32]
Map = npt.NDArray[np.float32]
"""[2, 3], from places of the one picture to places of the other, in pixels."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two pictures agree where they show something."""

    detail: float
    """Correlation of small places, -1 to 1: half of the detail, by its contrast, correlates better."""
    color: float
    """Cosine between their colors about gray, -1 to 1; 1 where one has none."""

    @property
    def is_copy(self) -> bool:
        """Whether the detail and the colors are those of one picture."""
        return self.detail >= LEAST_DETAIL and self.color >= LEAST_COLOR


NOTHING = Agreement(0.0, 0.0)
"""Of pictures of which nothing can be said."""


def agreement(one: Pixels, other: Pixels, start: Map | None = None) -> Agreement:
    """Lay a picture [height, width, 3] in RGB over another and compare their details.

    `start` says where the places of `one` are in `other`, as shares of its sides; without it, the whole of each
    lies on the whole of the other.
    """
    ours, theirs = _planes(one), _planes(other)
    begun = _in_pixels(np.eye(2, 3, dtype=np.float32) if start is None else start, ours, theirs)
    if start is None and ours.size > theirs.size:
        ours, theirs, begun = theirs, ours, cv2.invertAffineTransform(begun).astype(np.float32)
    found = [NOTHING]
    for placed in (begun, _fitted(ours, theirs, begun)):
        if placed is not None:
            found += _agreements(ours, theirs, placed)
    return max(found, key=lambda it: it.detail + it.color)


def _planes(pixels: Pixels) -> Plane:
    """Brightness and two differences of color about 0 [height, width, 3]."""
    scale = _SIDE / max(pixels.shape[:2])
    if scale < 1:
        size = (max(_PLACE, round(pixels.shape[1] * scale)), max(_PLACE, round(pixels.shape[0] * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    planes = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb), dtype=np.float32)
    planes[..., 1:] -= 128
    return planes


def _in_pixels(shares: Map, ours: Plane, theirs: Plane) -> Map:
    (height, width), (their_height, their_width) = ours.shape[:2], theirs.shape[:2]
    to, of = np.diag([their_width, their_height]), np.diag([1 / width, 1 / height, 1])
    return np.asarray(to @ shares @ of, dtype=np.float32)


def _fitted(ours: Plane, theirs: Plane, begun: Map) -> Map | None:
    """The map at which the brightness of both correlates best, near `begun`; None where there is none."""
    first, second = (np.ascontiguousarray(one[..., 0]) for one in (ours, theirs))
    everywhere = np.full(second.shape, 255, dtype=np.uint8)
    try:
        _, found = cv2.findTransformECC(first, second, begun.copy(), cv2.MOTION_AFFINE, _STEPS, everywhere, 5)
    except cv2.error:  # it does not converge: nothing to lay over
        return None
    scales = np.linalg.svd(found[:, :2] @ np.linalg.inv(begun[:, :2]), compute_uv=False)
    is_near = scales[1] >= _LEAST_SCALE and scales[0] <= _MOST_SCALE and scales[0] <= _MOST_STRETCH * scales[1]
    return np.asarray(found, dtype=np.float32) if is_near else None


def _agreements(ours: Plane, theirs: Plane, placed: Map) -> Iterator[Agreement]:
    """Of the whole, and without what a caption at the top or the bottom may hide."""
    height, width = ours.shape[:2]
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (width, height)
    laid = np.asarray(
        cv2.warpAffine(theirs, placed, size, flags=inverse, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
    ones = np.ones(theirs.shape[:2], dtype=np.float32)
    nearest = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    cover = np.asarray(cv2.warpAffine(ones, placed, size, flags=nearest), dtype=np.float32)
    bar = round(_BAR * height)
    both = _Blurred.of(ours), _Blurred.of(laid)
    for rows in (slice(None), slice(0, height - bar), slice(bar, height)):
        shown = np.zeros_like(cover)
        shown[rows] = cover[rows]
        if shown.mean() >= _LEAST_COVER:
            yield Agreement(_detail(*both, shown), _color(*both, shown))


class _Blurred(NamedTuple):
    """What is compared of a picture."""

    detail: Plane
    """Brightness without the noise of single pixels."""
    colors: Plane
    """Two differences of color about 0, of larger places."""
    is_lit: npt.NDArray[np.bool_]
    """What is neither as dark nor as bright as can be, and so has its color."""

    @classmethod
    def of(cls, planes: Plane) -> _Blurred:
        brightness = planes[..., 0]
        detail = np.asarray(cv2.GaussianBlur(brightness, (0, 0), _BLUR), np.float32)
        colors = np.asarray(cv2.GaussianBlur(planes[..., 1:], (0, 0), 2), np.float32)
        return cls(detail, colors, (brightness > _DARK) & (brightness < _BRIGHT))


def _detail(ours: _Blurred, laid: _Blurred, shown: Plane) -> float:
    """The median, weighed by contrast, of the correlation of small places; 0 where nothing is to be seen."""
    first, second = ours.detail, laid.detail

    def total(plane: Plane) -> Plane:
        box = cv2.boxFilter(plane * shown, -1, (_PLACE, _PLACE), normalize=False, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(box, dtype=np.float32)

    count = np.maximum(total(np.ones_like(first)), 1)
    mean, other_mean = total(first) / count, total(second) / count
    variance = np.maximum(total(first * first) / count - mean**2, 0)
    other_variance = np.maximum(total(second * second) / count - other_mean**2, 0)
    covariance = total(first * second) / count - mean * other_mean
    is_whole = (count > _PLACE**2 / 2) & (shown > 0)
    contrast = np.sqrt(np.maximum(variance, other_variance))
    strongest = float(np.quantile(contrast[is_whole], 0.95)) if is_whole.any() else 0.0
    is_told = is_whole & (contrast > max(_LEAST_CONTRAST, _OF_STRONGEST * strongest))
    if is_told.sum() < _LEAST_SHOWN * is_told.size:
        return 0.0
    least = (_LEAST_CONTRAST / 2) ** 4
    correlation = (covariance / np.sqrt(np.maximum(variance * other_variance, least)))[is_told]
    order = np.argsort(correlation)
    weight = np.cumsum(contrast[is_told][order])
    return float(np.clip(correlation[order][np.searchsorted(weight, weight[-1] / 2)], -1, 1))


def _color(ours: _Blurred, laid: _Blurred, shown: Plane) -> float:
    is_lit = (shown > 0) & ours.is_lit & laid.is_lit
    first, second = ours.colors[is_lit], laid.colors[is_lit]
    if not is_lit.any() or min(float(np.linalg.norm(it, axis=1).mean()) for it in (first, second)) < _COLORLESS:
        return 1.0
    return float((first * second).sum() / (np.linalg.norm(first) * np.linalg.norm(second)))

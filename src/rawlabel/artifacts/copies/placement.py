"""Where one picture lies in another: of crops and edits that no hash survives.

Keypoints of both are matched (SIFT; Lowe, 2004), and one map of shift, scale and turn that many of them agree on
is sought (RANSAC). That is where the pictures are then laid over each other; it confirms nothing by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.agreement import Map
from rawlabel.artifacts.copies.fingerprint import Pixels

_SIDE = 256
"""Longer side [pixels] of the pictures in which keypoints are looked for."""
_MOST_KEYPOINTS, _CONTRAST = 300, 0.02
_RATIO = 0.8
"""A match counts if it is that much nearer than the second best (Lowe's ratio)."""
_LEAST_MATCHES = 6
_ERROR = 3.0
"""Pixels by which a match may be off the map that it agrees with."""
_MOST_ZOOM = 3.0


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Those of one picture at its reduced size."""

    places: npt.NDArray[np.float32]
    """[keypoints, 2], across and down [pixels]."""
    descriptors: npt.NDArray[np.float32]
    """[keypoints, 128]."""
    size: tuple[int, int]
    """Width and height of the reduced picture [pixels]."""


def keypoints(pixels: Pixels) -> Keypoints:
    """The keypoints of a picture [height, width, 3] in RGB; none of a flat one."""
    gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    scale = _SIDE / max(gray.shape)
    if scale < 1:
        size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
        gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    sift = cv2.SIFT.create(_MOST_KEYPOINTS, contrastThreshold=_CONTRAST)
    found, descriptors = sift.detectAndCompute(gray, np.full(gray.shape, 255, dtype=np.uint8))
    places = np.array([one.pt for one in found], dtype=np.float32).reshape(-1, 2)
    no_descriptors: Any = np.zeros((0, 128), dtype=np.float32)
    described = no_descriptors if descriptors is None else descriptors
    return Keypoints(places, np.asarray(described, dtype=np.float32), (gray.shape[1], gray.shape[0]))


def placement(one: Keypoints, other: Keypoints) -> Map | None:
    """Where the places of `one` are in `other`, as shares of the sides; None where too few keypoints agree."""
    if min(len(one.places), len(other.places)) < _LEAST_MATCHES:
        return None
    matches = cv2.BFMatcher(cv2.NORM_L2).knnMatch(one.descriptors, other.descriptors, k=2)
    good = [pair[0] for pair in matches if pair[0].distance < _RATIO * pair[1].distance]
    if len(good) < _LEAST_MATCHES:
        return None
    ours = one.places[[match.queryIdx for match in good]]
    theirs = other.places[[match.trainIdx for match in good]]
    found, agree = cv2.estimateAffinePartial2D(ours, theirs, ransacReprojThreshold=_ERROR)
    if found is None or agree.sum() < _LEAST_MATCHES:
        return None
    zoom = float(np.linalg.norm(found[:, 0]))
    if not 1 / _MOST_ZOOM <= zoom <= _MOST_ZOOM:
        return None
    of, to = np.diag([*one.size, 1]), np.diag([1 / other.size[0], 1 / other.size[1]])
    return np.asarray(to @ found @ of, dtype=np.float32)

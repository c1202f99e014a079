"""Small images by their pixels: the zero-mean normalised correlation of every pair, exactly, block by block.

Of images up to 64 pixels a hash tells too little. The correlation of their pixels does not mind brightness and
contrast, and one product of matrices makes it of many pairs; memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rawlabel.artifacts.copies.fingerprint import THUMBNAIL_SIDE
from rawlabel.base.progress import progress
from rawlabel.judge.decontaminate.probes import SmallProbe

_TEST_BLOCK, _CANDIDATE_BLOCK = 1024, 4096
_PROBE_BLOCK = 2048
"""Probes of test images that are in memory at once: 12 kB each."""
_FLAT = 1.0
"""Standard deviation [levels of 255] below which an image shows nothing: it correlates with none."""


class Thumbnails(Protocol):
    """Thumbnails [images, 32, 32, 3] of uint8, of which some are asked for at a time."""

    def __len__(self) -> int: ...
    def __getitem__(self, block: slice, /) -> npt.NDArray[np.uint8]: ...


@dataclass(frozen=True, eq=False)
class Nearest:
    """The candidates that are likest to each test image, likest first."""

    candidates: npt.NDArray[np.int64]
    """Their positions [tests, kept]; -1 where there are fewer candidates than kept places."""
    correlations: npt.NDArray[np.float32]
    """Of the likest probe of the test image, -1 to 1; [tests, kept]."""
    probes: npt.NDArray[np.int64]
    """Which probe that is; [tests, kept]."""


@dataclass(frozen=True, eq=False)
class Likest:
    """The test image that is likest to each candidate."""

    tests: npt.NDArray[np.int64]
    """Its position, [candidates]."""
    correlations: npt.NDArray[np.float32]
    probes: npt.NDArray[np.int64]


def correlate(
    tests: npt.NDArray[np.uint8],
    candidates: Thumbnails,
    probes: Sequence[SmallProbe],
    keep: int,
    pause: Callable[[], None] = lambda: None,
    device: str | None = None,
) -> tuple[Nearest, Likest]:
    """Compare thumbnails [images, 32, 32, 3] of all test images with those of all candidates.

    Both results are exact: the `keep` likest candidates of each test image, and the likest test image of each
    candidate, by the likest of the probes. `pause` is called now and then, and may raise.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    places, values, which = [], [], []
    own = _Best(len(candidates))
    rows = min(_TEST_BLOCK, max(1, _PROBE_BLOCK // len(probes)))
    steps = -(-len(tests) // rows) * -(-len(candidates) // _CANDIDATE_BLOCK)
    with progress("comparing small images", steps) as task:
        for first in range(0, len(tests), rows):
            shown = tests[first : first + rows]
            turned = [features(probe.of(shown)).to(where) for probe in probes]
            best = _Top(len(shown), keep)
            for start in range(0, len(candidates), _CANDIDATE_BLOCK):
                pause()
                block = features(np.asarray(candidates[start : start + _CANDIDATE_BLOCK])).to(where).T
                found, probe = _of_likest_probe(turned, block)
                best.add(found, probe, start)
                own.add(found, probe, start, first)
                task.advance()
            places.append(best.places.numpy())
            values.append(best.values.numpy())
            which.append(best.probes.numpy())
    shape = (0, keep)
    nearest = Nearest(
        np.concatenate([np.zeros(shape, np.int64), *places]),
        np.concatenate([np.zeros(shape, np.float32), *values]),
        np.concatenate([np.zeros(shape, np.int64), *which]),
    )
    return nearest, Likest(own.tests, own.values, own.probes)


@dataclass(frozen=True, eq=False)
class AlikePairs:
    """Pairs of a test image and a candidate, in no order."""

    tests: npt.NDArray[np.int64]
    candidates: npt.NDArray[np.int64]
    correlations: npt.NDArray[np.float32]


def alike(
    tests: npt.NDArray[np.uint8], candidates: Thumbnails, least: float, pause: Callable[[], None] = lambda: None
) -> AlikePairs:
    """Every pair of whole thumbnails that correlates by `least` or more, and no other, as exactly as `correlate`.

    That most pairs do not is seen by a sixteenth of the work: of the low frequencies the correlation is computed,
    and of the rest it is at most the product of their lengths (Cauchy and Schwarz).
    """
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    blocks = range(0, len(tests), _TEST_BLOCK)
    shorts = [_shortened(features(tests[first : first + _TEST_BLOCK])) for first in blocks]
    with progress("comparing small images", -(-len(candidates) // _CANDIDATE_BLOCK)) as task:
        for start in range(0, len(candidates), _CANDIDATE_BLOCK):
            others = features(np.asarray(candidates[start : start + _CANDIDATE_BLOCK]))
            other_shorts = _shortened(others).T
            for first, short in zip(blocks, shorts, strict=True):
                pause()
                rows, columns = torch.nonzero(short @ other_shorts >= least - _ROUNDING, as_tuple=True)
                for begin in range(0, len(rows), _TEST_BLOCK):
                    one, other = (some[begin : begin + _TEST_BLOCK] for some in (rows, columns))
                    value = (features(tests[(one + first).numpy()]) * others[other]).sum(dim=1)
                    is_alike = value >= least
                    found.append((one[is_alike] + first, other[is_alike] + start, value[is_alike]))
            task.advance()
    none = (torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    return AlikePairs(*(torch.cat(parts).numpy() for parts in zip(none, *found, strict=True)))


_ROUNDING = 1e-4
_LOW = 8
"""Frequencies along each side, and each color, that a pair is judged by at first."""


def _shortened(vectors: Tensor) -> Tensor:
    """Low frequencies of vectors [images, 3072], and the length of what is left, [images, 193]."""
    side = THUMBNAIL_SIDE
    waves = torch.cos(torch.pi / side * torch.arange(_LOW)[:, None] * (torch.arange(side)[None] + 0.5))
    waves *= torch.where(torch.arange(_LOW) == 0, 1 / side, 2 / side).sqrt()[:, None]
    pictures = vectors.reshape(len(vectors), side, side, 3)
    low = torch.einsum("uy,nyxc,vx->nuvc", waves, pictures, waves).reshape(len(vectors), -1)
    rest = (vectors.square().sum(dim=1) - low.square().sum(dim=1)).clamp(min=0).sqrt()
    return torch.cat([low, rest[:, None]], dim=1)


def features(thumbnails: npt.NDArray[np.uint8]) -> Tensor:
    """Thumbnails as vectors [images, 3072] whose products are correlations; those of flat ones are 0."""
    found = torch.from_numpy(np.array(thumbnails)).reshape(len(thumbnails), -1).to(torch.float32)
    found -= found.mean(dim=1, keepdim=True)
    length = found.norm(dim=1, keepdim=True)
    is_flat = length < _FLAT * found.shape[1] ** 0.5
    return torch.where(is_flat, 0.0, found / length.clamp(min=1e-6))


def _of_likest_probe(turned: Sequence[Tensor], block: Tensor) -> tuple[Tensor, Tensor]:
    """The largest correlation [tests, candidates] over the probes, and the probe."""
    best = turned[0] @ block
    probe = torch.zeros(best.shape, dtype=torch.int16, device=best.device)
    for number, one in enumerate(turned[1:], 1):
        other = one @ block
        is_better = other > best
        best = torch.where(is_better, other, best)
        probe[is_better] = number
    return best, probe


class _Top:
    """The largest values of each row so far, with their columns and probes."""

    def __init__(self, rows: int, keep: int) -> None:
        self.values = torch.full((rows, keep), -torch.inf)
        self.places = torch.full((rows, keep), -1, dtype=torch.int64)
        self.probes = torch.zeros((rows, keep), dtype=torch.int64)

    def add(self, found: Tensor, probe: Tensor, start: int) -> None:
        keep = self.values.shape[1]
        values, columns = found.topk(min(keep, found.shape[1]), dim=1)
        probes = probe.gather(1, columns).to(torch.int64).cpu()
        values = torch.cat([self.values, values.cpu()], dim=1)
        # A stable order, so that of equal ones the first stays, however they are cut into blocks.
        order = values.argsort(dim=1, descending=True, stable=True)[:, :keep]
        self.values = values.gather(1, order)
        self.places = torch.cat([self.places, columns.cpu() + start], dim=1).gather(1, order)
        self.probes = torch.cat([self.probes, probes], dim=1).gather(1, order)


class _Best:
    """The largest value of each column so far."""

    def __init__(self, columns: int) -> None:
        self.tests: npt.NDArray[np.int64] = np.full(columns, -1, dtype=np.int64)
        self.values: npt.NDArray[np.float32] = np.full(columns, -np.inf, dtype=np.float32)
        self.probes: npt.NDArray[np.int64] = np.zeros(columns, dtype=np.int64)

    def add(self, found: Tensor, probe: Tensor, start: int, first: int) -> None:
        values, rows = found.max(dim=0)
        probes = probe.gather(0, rows[None])[0].cpu().numpy()
        here, new = slice(start, start + found.shape[1]), values.cpu().numpy()
        is_better = new > self.values[here]
        self.values[here] = np.where(is_better, new, self.values[here])
        self.tests[here] = np.where(is_better, rows.cpu().numpy() + first, self.tests[here])
        self.probes[here] = np.where(is_better, probes, self.probes[here])

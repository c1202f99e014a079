"""Matches of a candidate and a test image, and what is kept of them while two sets are compared."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt

LISTED = 10
"""Candidates of each test image that are listed for a person, at most."""
_WRITTEN = 1 << 16
"""Pairs that wait in memory to be written."""
_PAIR = np.dtype(
    [
        ("candidate", "<i8"), ("test", "<i8"), ("probe", "<i4"), ("bits", "<i2"), ("correlation", "<f8"),
    ]
)  # fmt: skip
_NO_BITS = -1


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


class Found:
    """Matches as they are found: of the copies, the best of each candidate, and all told to whoever asks for them.

    Pairs for a person may be as many as there are pairs, where many photos are alike, so they wait in a passing
    file until it is known which candidates are copies: what is left out is not listed.
    """

    def __init__(self, stream: IO[bytes], listed: int, hear: Callable[[Match], None]) -> None:
        self.best: dict[int, Match] = {}
        self._stream, self._listed, self._hear = stream, listed, hear
        self._probes: dict[str, int] = {}
        self._waiting: list[tuple[int, int, int, int, float]] = []

    @classmethod
    @contextmanager
    def kept(cls, listed: int, hear: Callable[[Match], None]) -> Iterator[Found]:
        """Nothing yet. `listed` pairs of each test image are for a person, at most; `hear` is told each copy."""
        with tempfile.TemporaryFile() as stream:
            yield cls(stream, listed, hear)

    def add(self, match: Match) -> None:
        """Take a copy, or a pair that a person should look at."""
        if match.tier == "review":
            bits = _NO_BITS if match.bits is None else match.bits
            correlation = np.nan if match.correlation is None else match.correlation
            self._waiting.append((match.candidate, match.test, self._probe(match.probe), bits, correlation))
            if len(self._waiting) >= _WRITTEN:
                self._write_waiting()
            return
        if match.candidate not in self.best or match.doubt < self.best[match.candidate].doubt:
            self.best[match.candidate] = match
        self._hear(match)

    def add_for_review(
        self,
        candidates: npt.NDArray[np.int64],
        tests: npt.NDArray[np.int64],
        names: list[str],
        bits: npt.NDArray[np.int64],
        correlations: npt.NDArray[np.float64],
    ) -> None:
        """Take pairs for a person, with the name of the probe of each; their correlation may be NaN."""
        if not self._listed:
            return
        pairs = np.zeros(len(candidates), dtype=_PAIR)
        pairs["candidate"], pairs["test"], pairs["bits"], pairs["correlation"] = (
            candidates,
            tests,
            bits,
            correlations,
        )
        pairs["probe"] = [self._probe(name) for name in names]
        self._write(pairs)

    def ranked(self) -> tuple[Match, ...]:
        """The pairs of candidates that are no copies: so many of each test image, likest first."""
        self._write_waiting()
        out, chosen = np.array(sorted(self.best), dtype=np.int64), np.zeros(0, dtype=_PAIR)
        for pairs in self._read():
            is_open = ~np.isin(pairs["candidate"], out)
            # At once, so that what is chosen grows with the test images alone.
            chosen = _likest(np.concatenate([chosen, pairs[is_open]]), self._listed)
        names = list(self._probes)
        found = [
            Match(
                candidate, test, "review", names[probe],
                None if bits == _NO_BITS else bits, None if np.isnan(correlation) else correlation,
            )
            for candidate, test, probe, bits, correlation in chosen.tolist()
        ]  # fmt: skip
        return tuple(sorted(found, key=lambda one: (one.doubt, one.test, one.candidate)))

    def _probe(self, name: str) -> int:
        return self._probes.setdefault(name, len(self._probes))

    def _write_waiting(self) -> None:
        self._write(np.array(self._waiting, dtype=_PAIR))
        self._waiting.clear()

    def _write(self, pairs: npt.NDArray[np.void]) -> None:
        if self._listed and len(pairs):
            self._stream.write(pairs.tobytes())

    def _read(self) -> Iterator[npt.NDArray[np.void]]:
        self._stream.seek(0)
        while data := self._stream.read(_WRITTEN * _PAIR.itemsize):
            yield np.frombuffer(data, dtype=_PAIR)


def _likest(pairs: npt.NDArray[np.void], most: int) -> npt.NDArray[np.void]:
    """Of each test image the likest pairs, as many as are asked for at most."""
    doubt = np.where(
        pairs["bits"] == _NO_BITS, np.maximum(0.0, (1 - pairs["correlation"]) / 2), pairs["bits"] / 256
    )
    pairs = pairs[np.lexsort((pairs["candidate"], doubt, pairs["test"]))]
    is_first = np.ones(len(pairs), dtype=np.bool_)
    is_first[1:] = pairs["test"][1:] != pairs["test"][:-1]
    starts = np.flatnonzero(is_first)
    place = np.arange(len(pairs)) - np.repeat(starts, np.diff([*starts, len(pairs)]))
    return np.asarray(pairs[place < most])

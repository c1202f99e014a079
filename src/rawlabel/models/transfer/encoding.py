"""Images in, features out: an encoder on a device, in the arithmetic that is fastest there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

from rawlabel.models.device import choose_precision, synchronize
from rawlabel.models.encoder import Encoder, Pixels
from rawlabel.models.networks.normalization import Normalization, Normalizer
from rawlabel.models.precision import PassSeconds, faster_precision

BATCH = 64
"""Images that an encoder is handed at once."""
_WORK = "encoding in parts"
"""What trials of arithmetic are kept under; another word is due when features come to be computed another way."""
_PIXELS_AT_ONCE = 400_000
"""Of the views that one thread of a processor computes at once: what layers make of more of them leaves the cache,
which takes up to twice the time. Measured: `results/measured/encoder_ceiling`."""
_FEWEST_IN_FLOAT32 = 16
"""Images at once from which on features in float32 are the same to the last bit however many there are."""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Have torch compute on the processor with so many threads, for the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Encoding:
    """An encoder with where and in what arithmetic it computes."""

    def __init__(self, encoder: Encoder, device: torch.device, precision: torch.dtype) -> None:
        self.encoder, self.device, self.precision = encoder, device, precision
        normalization = Normalization(encoder.mean, encoder.std)
        self._normalizer = Normalizer(encoder.image_size, device, normalization)
        self._is_there, self._threads = False, torch.get_num_threads()

    @property
    def name(self) -> str:
        """Name of the encoder, as `--encoder` takes it and messages call it."""
        return self.encoder.name

    @property
    def key(self) -> str:
        """What features depend on besides the images."""
        return f"{self.encoder.key}:{self.arithmetic}"

    def view(self, pixels: Pixels) -> Pixels:
        """The encoder's view [side, side, 3] of an image."""
        return self.encoder.view(pixels)

    @property
    def arithmetic(self) -> str:
        """The precision in a word: float32 or bfloat16."""
        return str(self.precision).removeprefix("torch.")

    def __call__(self, views: Tensor) -> Tensor:
        """Features [batch, features] float, on the device, of views [batch, side, side, 3] uint8."""
        if not self._is_there:
            self.encoder.network.to(self.device)
            self._is_there = True
        with threads(self._threads):
            if self.device.type != "cpu":
                return self._features(views)
            parts = self._parts(views)
            if min(self._threads, len(parts)) < 2:
                return torch.cat([self._features(part) for part in parts])
            # Threads that share each layer wait for each other at its end: twice the time where other work,
            # such as decoding, takes a core now and then. So each has images of its own.
            with ThreadPoolExecutor(self._threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                return torch.cat(list(pool.map(self._features, parts)))

    def _parts(self, views: Tensor) -> Sequence[Tensor]:
        """Views in parts of about one size, as many for each thread, that a processor's cache has room for."""
        count = max(self._threads, len(views) // _most_at_once(self.encoder, self.precision))
        # A part more than others have would keep one thread at work while they wait. Fewer parts are larger than
        # the cache likes; more may fall under the fewest views.
        is_exact = self.precision == torch.float32
        rounds = count // self._threads if is_exact else -(-count // self._threads)
        return views.tensor_split(max(1, min(len(views), rounds * self._threads)))

    @torch.inference_mode()
    def _features(self, views: Tensor) -> Tensor:
        """What the network, on its device by now, makes of views in as many threads as the calling one has."""
        images = self._normalizer(views)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            features: Tensor = self.encoder.network(images)
        return features.float()


def _most_at_once(encoder: Encoder, precision: torch.dtype) -> int:
    """Of the encoder's views, how many one thread of a processor computes at once."""
    most = max(1, _PIXELS_AT_ONCE // encoder.image_size**2)
    return max(most, _FEWEST_IN_FLOAT32) if precision == torch.float32 else most


def encoding_of(encoder: Encoder, device: torch.device, precision: str) -> Encoding:
    """`encoder` on `device` in the arithmetic that `precision` (auto, bf16 or fp32) says.

    `auto` takes bf16 where the processor computes in it and a trial, made once, finds it faster for this network.
    """
    chosen = choose_precision(precision, device)
    if precision == "auto" and chosen == torch.bfloat16:
        work = {"encoder": encoder.key, "images": _trial_images(encoder, device), "work": _WORK}
        chosen = faster_precision(device, work, lambda: _passes(encoder, device))
    return Encoding(encoder, device, chosen)


def _trial_images(encoder: Encoder, device: torch.device) -> int:
    """A batch or, on a processor, as much of one as gives each thread all that it ever has at once."""
    if device.type != "cpu":
        return BATCH
    return min(BATCH, torch.get_num_threads() * _most_at_once(encoder, torch.float32))


def _passes(encoder: Encoder, device: torch.device) -> PassSeconds:
    encodings = {dtype: Encoding(encoder, device, dtype) for dtype in (torch.float32, torch.bfloat16)}
    return lambda dtype: _pass_seconds(encodings[dtype])


def _pass_seconds(encoding: Encoding) -> float:
    side, images = encoding.encoder.image_size, _trial_images(encoding.encoder, encoding.device)
    views = torch.zeros((images, side, side, 3), dtype=torch.uint8)
    synchronize(encoding.device)
    started = time.perf_counter()
    encoding(views)
    synchronize(encoding.device)
    return time.perf_counter() - started

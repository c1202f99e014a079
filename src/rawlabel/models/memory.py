"""What to do when memory runs out: measure in smaller parts, or say what to try."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from rawlabel.base import distributed
from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError

Result = TypeVar("Result")
Batch = TypeVar("Batch", bound=Any)
"""Images or their features, along the first axis of an array or tensor."""

OUTSIDE_OF_STEPS = (
    "out of memory, though not in a training step; end other programs that use it, or try --cache memory or none, "
    "a smaller --image-size, or a smaller --model"
)


class FittingParts:
    """Computes batches in parts that fit into memory; what has been too large once is not tried again.

    For measurements, in which what comes of an image does not depend on those beside it, up to rounding.
    """

    def __init__(self) -> None:
        self._most: int | None = None

    def __call__(self, compute: Callable[[Batch], Result], batch: Batch) -> Iterator[Result]:
        """What `compute` gives of each part of `batch`, in order.

        A part that is too large is halved. Raises `ConfigError` when a single image is.
        """
        start = 0
        while start < len(batch):
            size = min(self._most or len(batch), len(batch) - start)
            try:
                result = compute(batch[start : start + size])
            except (RuntimeError, MemoryError) as error:
                if not _is_lack_of_memory(error):
                    raise
                if size == 1:
                    raise ConfigError(
                        "out of memory with a single image; end other programs that use it, or hide the GPU "
                        "(CUDA_VISIBLE_DEVICES=) to compute on the processor"
                    ) from error
                self._most = size // 2
                # From here on nothing holds the tensors of the attempt.
                continue
            yield result
            start += size


@contextmanager
def memory_errors(message: str) -> Iterator[None]:
    """Turn a lack of memory into a `ConfigError` that says what to try."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_lack_of_memory(error):
            raise
        raise ConfigError(message) from error


def advice_for_steps(config: TrainConfig) -> str:
    """What to say when a training step lacks memory."""
    at_once = images_at_once(config)
    fact = f"--batch-size: out of memory with {at_once} images of {config.image_size} pixels at once"
    if at_once < 4:
        return f"{fact}; try a smaller --image-size or --model"
    return (
        f"{fact}; try --accumulate {2 * config.accumulate}, which keeps the step, or --batch-size "
        f"{at_once // 2 * distributed.count()}"
    )


def images_at_once(config: TrainConfig) -> int:
    """Images of a training step that one process computes at once."""
    return max(2, config.batch_size // config.accumulate // distributed.count())


def _is_lack_of_memory(error: Exception) -> bool:
    """Whether memory was refused; the processor's and the libraries' own errors are told by their words."""
    words = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(one in str(error) for one in words)

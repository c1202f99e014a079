"""Training that is asked to stop at a certain step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rawlabel.base.signals import StopRequest
from rawlabel.config import TrainConfig
from rawlabel.errors import Interrupted
from rawlabel.images.loader import RawBatch
from rawlabel.training import loop
from rawlabel.training.stage import train


class StopAfter(StopRequest):
    """Asks to stop once so many steps were made."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __bool__(self) -> bool:
        return self.steps <= 0


def interrupt(config: TrainConfig, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train until so many steps were made, and stop there."""
    request = StopAfter(steps)
    make_step = loop.Trainer.train_step

    def counted(self: loop.Trainer, raw_batch: RawBatch) -> None:
        make_step(self, raw_batch)
        request.steps -= 1

    @contextmanager
    def stop_requests() -> Iterator[StopRequest]:
        yield request

    with monkeypatch.context() as patched:
        patched.setattr(loop, "stop_requests", stop_requests)
        patched.setattr(loop.Trainer, "train_step", counted)
        with pytest.raises(Interrupted):
            train(config)

"""Ways to the same training in less time or memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError
from rawlabel.run_directory import RunDirectory
from rawlabel.train import train
from rawlabel.train.acceleration import memory_errors
from rawlabel.train.loader import RawBatch
from rawlabel.train.methods.cross_entropy import CrossEntropy
from rawlabel.train.schedule import image_size_at
from tests.train.conftest import tiny


@given(st.integers(2, 300), st.integers(1, 40))
def test_a_batch_falls_into_parts_that_batch_norm_can_use(num_images: int, count: int) -> None:
    ids = torch.arange(num_images)
    parts = list(RawBatch(ids.clone(), ids, (ids + 1,), count).parts())
    assert torch.equal(torch.cat([part.sample_ids for part in parts]), ids)
    assert all(torch.equal(part.strong_views[0], part.sample_ids + 1) for part in parts)
    sizes = [len(part.sample_ids) for part in parts]
    assert len(parts) == min(count, num_images // 2)
    assert max(sizes) - min(sizes) <= 1 < min(sizes)


@given(size=st.sampled_from([32, 64, 160, 224]), start=st.integers(0, 224), epochs=st.integers(1, 200))
def test_views_grow_to_their_full_size(size: int, start: int, epochs: int) -> None:
    config = TrainConfig(image_size=size, progressive_from=start, epochs=epochs)
    sizes = [image_size_at(config, epoch) for epoch in range(epochs)]
    assert (np.diff(sizes) >= 0).all() and sizes[-1] == size
    assert all(one == size or one % (4 if size <= 64 else 32) == 0 for one in sizes)
    if 32 <= start < size and epochs >= 8:
        assert (abs(sizes[0] - start) <= 16 and sizes[0] < size) or size - start <= 16


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), None])
def test_a_lack_of_memory_is_told_with_a_size_to_try(error: RuntimeError | None) -> None:
    told = (
        r"--batch-size: out of memory with 64 images of 224 pixels at once; try --accumulate 4.* --batch-size 32"
    )
    with pytest.raises(ConfigError, match=told), memory_errors(TrainConfig(batch_size=128, accumulate=2)):
        if error:
            raise error
        torch.empty(2**50)  # the processor's own complaint
    with pytest.raises(RuntimeError, match="another"), memory_errors(TrainConfig()):
        raise RuntimeError("another")


@contextmanager
def batches() -> Iterator[list[torch.Size]]:
    """The shapes of all images that are trained on meanwhile."""
    seen: list[torch.Size] = []
    forward = CrossEntropy.forward

    def listening(method: CrossEntropy, batch: Any) -> Any:
        seen.append(batch.images.shape)
        return forward(method, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CrossEntropy, "forward", listening)
        yield seen


@pytest.mark.integration
def test_parts_of_a_batch_add_up_to_its_step(data: Path, tmp_path: Path) -> None:
    """With a network without batch norm, whose statistics would be those of each part."""
    same: dict[str, Any] = {"model": "squeezenet1_1", "image_size": 32,
                            "epochs": 1, "precision": "fp32", "augment": "none"}  # fmt: skip
    logs, largest = [], []
    for parts in (1, 3):
        with batches() as seen:
            logs.append(train(tiny(data, outpath=tmp_path / str(parts), accumulate=parts, **same)).log()[0])
        largest.append(max(shape[0] for shape in seen))
    assert largest == [16, 6]
    assert logs[0]["train"]["loss"] == pytest.approx(logs[1]["train"]["loss"], rel=1e-4)
    assert logs[0]["holdout"]["loss"] == pytest.approx(logs[1]["holdout"]["loss"], rel=1e-3)


@pytest.mark.integration
def test_progressive_sizes_are_trained_on_and_resumed(data: Path, tmp_path: Path) -> None:
    with batches() as seen:
        run = train(tiny(data, outpath=tmp_path / "run", progressive_from=8, epochs=8))
    sides = [shape[-1] for shape in seen]
    assert sorted(set(sides)) == [8, 12, 16] and sides == sorted(sides)
    assert RunDirectory(run.path).log()[-1]["train"]["acc1"] > 50


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_learns_the_same_and_is_loaded_as_any_other(data: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"epochs": 1, "precision": "fp32", "augment": "none"}
    with pytest.MonkeyPatch.context() as patch:
        # What captures the network is the default's; only its code generator, which takes a minute, is left out.
        patch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="aot_eager"))
        eager, compiled = (
            train(tiny(data, outpath=tmp_path / choice, compile=choice, **settings)) for choice in ("off", "on")
        )
    assert compiled.log()[0]["holdout"]["loss"] == pytest.approx(eager.log()[0]["holdout"]["loss"], rel=1e-2)
    signals = [run.log()[0]["signals"]["alignment_mean"] for run in (eager, compiled)]
    assert signals[1] == pytest.approx(signals[0], rel=1e-2, abs=1e-3)
    assert '"chosen": "compiled"' in (compiled.path / "timing.jsonl").read_text()

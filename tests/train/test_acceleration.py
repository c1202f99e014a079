"""Ways to the same training in less time or memory."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import TrainConfig
from rawlabel.images.loader import RawBatch
from rawlabel.images.view_size import image_size_at, pixels_to_come
from rawlabel.models.device import CopyStream, choose_precision
from rawlabel.models.methods.cross_entropy import CrossEntropy
from rawlabel.training import acceleration
from rawlabel.training.acceleration import compile_if_faster
from rawlabel.training.expected_time import say_expected_time
from rawlabel.training.stage import train
from tests.helpers.tiny_training import DEVICES, tiny


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


@pytest.mark.usefixtures("messages_on_stderr")
def test_the_time_of_views_that_grow_is_told_by_their_pixels(capsys: pytest.CaptureFixture[str]) -> None:
    config = TrainConfig(image_size=288, progressive_from=128, epochs=6)
    squares = [128**2, 160**2, 192**2, 256**2, 288**2, 288**2]
    assert pixels_to_come(config, 0) == pytest.approx(sum(squares) / 6 / 128**2)
    assert pixels_to_come(config, 4) == pixels_to_come(TrainConfig(image_size=64, epochs=3), 0) == 1
    say_expected_time(300, config, torch.device("cpu"))
    assert "about 0:15:47 on" in capsys.readouterr().err  # 300 s, 3.156 times


class Timed(nn.Linear):
    """Passes take a second of `clock` each, and `compiled` seconds when it is compiled."""

    clock: ClassVar[list[float]] = [0.0]
    compiled = 1.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.clock[0] += self.compiled if self._compiled_call_impl else 1
        return super().forward(images)

    def compile(self, *given: Any, **named: Any) -> None:
        self._compiled_call_impl = self._call_impl


class Uncompilable(Timed):
    def compile(self, *given: Any, **named: Any) -> None:
        raise torch._dynamo.exc.Unsupported("no")


@pytest.mark.parametrize(
    ("kind", "compiled", "chosen"), [(Timed, 0.5, "compiled"), (Timed, 2.0, "eager"), (Uncompilable, 0.5, "eager")]
)
@pytest.mark.filterwarnings("ignore:--compile auto. Unsupported; training goes on without it")
def test_a_network_is_compiled_by_itself_where_a_trial_finds_it_faster(
    kind: type[Timed], compiled: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock; and the trial leaves no trace in weights or random numbers."""
    monkeypatch.setattr(Timed, "compiled", compiled)
    monkeypatch.setattr(acceleration, "_can_pay", lambda device, num_steps: True)
    monkeypatch.setattr(acceleration.time, "perf_counter", lambda: Timed.clock[0])
    network = kind(8, 2)
    predictor: Any = SimpleNamespace(
        device=torch.device("cpu"), precision=torch.float32, method=SimpleNamespace(network=network)
    )
    before, random = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    found = compile_if_faster(predictor, tiny(Path(), image_size=8), 10)
    assert found["chosen"] == chosen
    assert (network._compiled_call_impl is not None) == (chosen == "compiled")
    if kind is Timed:
        assert found["step_seconds"] == {"eager": 1, "compiled": compiled}
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert network.weight.grad is None


def test_no_trial_where_it_cannot_pay() -> None:
    gpu, processor = torch.device("cuda"), torch.device("cpu")
    pairs = ((gpu, 2001), (gpu, 2000), (processor, 10**6))
    assert [acceleration._can_pay(*pair) for pair in pairs] == [True, False, False]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("has_bf16", "precision", "expected"),
    [(True, "auto", torch.bfloat16), (True, "fp32", torch.float32), (False, "auto", torch.float32)],
)
def test_by_default_bf16_where_the_hardware_is_faster_in_it_and_channels_last(
    has_bf16: bool, precision: str, expected: torch.dtype, data: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    """In training as in measuring, all the way through the network."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_bf16}, raising=False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)
    assert choose_precision(precision, torch.device("cuda")) == expected
    monkeypatch.setenv("RAWLABEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("rawlabel.models.precision._trial", lambda *work: {"fp32": 2.0, "bf16": 1.0})
    forward, seen = nn.Conv2d.forward, set()

    def listening(layer: nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
        result = forward(layer, images)
        # Of a single image, which is tried at first, channels may come last or not.
        if images.shape[0] > 1 and images.shape[1] > 1 and images.shape[2] > 1:
            is_last = all(one.is_contiguous(memory_format=torch.channels_last) for one in (images, result))
            seen.add((layer.training, result.dtype, is_last))
        return result

    monkeypatch.setattr(nn.Conv2d, "forward", listening)
    run = train(tiny(data, outpath=tmp_path / "run", epochs=1, precision=precision))
    assert seen == {(True, expected, True), (False, expected, True)}
    [start] = json.loads((run.path / "environment.json").read_text())
    assert start["precision"] == str(expected).removeprefix("torch.")


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


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_copied_beside_the_computation_is_what_was_sent(device: str) -> None:
    copies, sums = CopyStream(torch.device(device)), []
    for value in range(100):
        # Memory of earlier rounds is free for later ones as soon as nothing is computed with it any more.
        views = torch.full((64, 32, 32, 3), value, dtype=torch.uint8, pin_memory=device == "cuda")
        sent = copies.send(views)
        assert copies.send(sent) is sent
        sums.append(sent.float().mean())
    assert torch.stack(sums).tolist() == list(range(100))

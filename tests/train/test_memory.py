"""When memory runs out: measurements go on in smaller parts, and of steps it is said what to try."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import ProbeConfig, TrainConfig
from rawlabel.errors import ConfigError
from rawlabel.judge.evaluate.frozen_probe import measure_probe
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.judge.probe.choice import LabeledFeatures
from rawlabel.judge.probe.nearest_neighbors import NeighborVotes
from rawlabel.models.memory import OUTSIDE_OF_STEPS, advice_for_steps, memory_errors
from rawlabel.models.networks.building import build_network
from rawlabel.training.stage import train
from tests.helpers.runs import numbers
from tests.helpers.tiny_training import tiny


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), None])
def test_of_a_step_it_is_said_what_to_try(error: Exception | None) -> None:
    advice = advice_for_steps(TrainConfig(batch_size=128, accumulate=2))
    told = (
        r"--batch-size: out of memory with 64 images of 224 pixels at once; try --accumulate 4.* --batch-size 32"
    )
    with pytest.raises(ConfigError, match=told), memory_errors(advice):
        if error:
            raise error
        torch.empty(2**50)  # the processor's own complaint
    with pytest.raises(RuntimeError, match="another"), memory_errors(advice):
        raise RuntimeError("another")
    # Two images are the least that batch norm can use, so fewer are no help.
    assert advice_for_steps(TrainConfig(batch_size=2)).endswith("at once; try a smaller --image-size or --model")


class Scarce:
    """Memory for so many images in evaluation mode, and in training mode; it counts what it refuses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, evaluating: int = 1000, training: int = 1000) -> None:
        self.refused = 0
        kind = type(build_network("cifar_resnet8", 3))
        forward: Callable[..., Any] = kind.forward

        def limited(network: torch.nn.Module, images: torch.Tensor) -> Any:
            if len(images) > (training if network.training else evaluating):
                self.refused += 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            return forward(network, images)

        monkeypatch.setattr(kind, "forward", limited)


@pytest.mark.integration
def test_measurements_go_on_in_parts_that_fit(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holdout, test set, passes over the training images, Jacobian; then the probe of the run."""
    changes: dict[str, Any] = {"epochs": 2, "precision": "fp32", "compute_jacobian": True,
                               "train_accuracy": ("probe", "full", "augmented")}  # fmt: skip
    logs, probes = [], []
    for memory in (1000, 20):
        scarce = Scarce(monkeypatch, evaluating=memory)
        run = train(tiny(data, outpath=tmp_path / str(memory), **changes), make_epoch_evaluator)
        assert (scarce.refused > 0) == (memory == 20)
        # What was too large is not tried again: 256 to 64 halves of what comes, and then it is known.
        assert scarce.refused <= 4
        logs.append(run.log())
        scarce.refused = 0
        probes.append(measure_probe(ProbeConfig(run=run.path, test=data / "test", device="cpu")))
        assert (scarce.refused > 0) == (memory == 20)
    assert numbers(logs[1]) == pytest.approx(numbers(logs[0]), rel=1e-4, abs=1e-6)
    assert numbers(probes[1].as_json()["linear"]) == pytest.approx(
        numbers(probes[0].as_json()["linear"]), rel=1e-4
    )


@pytest.mark.integration
@pytest.mark.parametrize(
    ("memory", "line"),
    [
        ({"training": 8}, "--batch-size: out of memory with 16 images of 16 pixels at once; try --accumulate 2,"),
        ({"evaluating": 0}, "out of memory with a single image; end other programs"),
    ],
)
def test_what_cannot_be_helped_is_one_line(
    memory: dict[str, int], line: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scarce(monkeypatch, **memory)
    with pytest.raises(ConfigError, match=line) as caught:
        train(tiny(data, outpath=tmp_path / "run", epochs=1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("model", "--model: cifar_resnet8 does not fit into memory; end other programs"),
        ("images", OUTSIDE_OF_STEPS),
    ],
)
def test_memory_that_is_gone_before_the_first_step_is_one_line(
    where: str, line: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **named: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    if where == "model":
        monkeypatch.setattr(torch.nn.Module, "to", refuse)
    else:
        monkeypatch.setattr("rawlabel.training.image_cache.Images", refuse)
    with pytest.raises(ConfigError) as caught:
        train(tiny(data, outpath=tmp_path / "run"))
    assert str(caught.value).startswith(line)
    assert not RunDirectory(tmp_path / "run").last_checkpoint.exists()


def test_neighbors_are_compared_in_parts_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    known = LabeledFeatures(rng.normal(size=(60, 5)).astype(np.float32), rng.integers(0, 4, 60))
    others = rng.normal(size=(50, 5)).astype(np.float32)
    votes = NeighborVotes(known, 4, torch.device("cpu"))
    expected = votes.predict(others, [1, 5])
    topk, sizes = torch.topk, []

    def limited(similarities: torch.Tensor, *arguments: Any, **named: Any) -> Any:
        if len(similarities) > 7:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(similarities))
        return topk(similarities, *arguments, **named)

    monkeypatch.setattr(torch, "topk", limited)
    found = votes.predict(others, [1, 5])
    assert all(np.array_equal(found[count], expected[count]) for count in (1, 5))
    assert max(sizes) == 6 and sum(sizes) == 50

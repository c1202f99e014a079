"""What the published flags change, part by part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rawlabel.cli import run as rawlabel
from rawlabel.errors import ConfigError
from rawlabel.images.decoding import DRAWS, Transform
from rawlabel.models.device import choose_device
from rawlabel.models.method import Batch
from rawlabel.models.networks.building import build_network, load_network_options
from rawlabel.models.predictor import build_predictor
from rawlabel.training.measuring.jacobian import jacobian_norms
from rawlabel.training.measuring.statistics import RunningStatistics
from rawlabel.training.measuring.step_lines import StepLines
from rawlabel.training.measuring.weight_tracking import WeightTracker, layer_weights
from tests.helpers.tiny_training import tiny


def test_the_squared_error_is_that_of_one_hot_labels_and_logits() -> None:
    method = build_predictor(tiny(Path(), loss="l2", precision="fp32"), 4, 3).method.eval()
    labels = torch.tensor([0, 2, 1, 1])
    output = method(Batch(torch.rand(4, 3, 16, 16), labels, torch.arange(4)))
    expected = torch.nn.MSELoss()(output.logits, F.one_hot(labels, 3).float())
    assert torch.allclose(output.loss, expected)


def test_another_methods_loss_is_not_replaced() -> None:
    with pytest.raises(ConfigError, match="--loss l2: --method gce has a loss of its own; leave --loss out"):
        build_predictor(tiny(Path(), loss="l2", method="gce"), 4, 3)


@pytest.mark.parametrize(
    ("augment", "crop", "flip", "chosen"),
    [
        ("auto", True, True, "resized_crop"),
        ("auto", True, False, "resized_crop_only"),
        ("auto", False, True, "flip"),
        ("auto", False, False, "none"),
        ("crop_flip", True, False, "crop"),
        ("crop", False, True, "none"),
    ],
)
def test_crop_and_flip_are_left_out(augment: str, crop: bool, flip: bool, chosen: str) -> None:
    transform = Transform.choose(96, augment, crop=crop, flip=flip)
    assert transform.augment == chosen
    pixels = np.random.default_rng(0).integers(0, 256, (140, 150, 3)).astype(np.uint8)
    first, second = np.full(DRAWS, 0.3), np.full(DRAWS, 0.3)
    second[4] = 0.7
    is_flipped = np.array_equal(
        transform.training_view(pixels, first)[:, ::-1], transform.training_view(pixels, second)
    )
    assert is_flipped == ("flip" in chosen or chosen == "resized_crop")
    second[:4] = 0.9
    second[4] = 0.3
    moved = not np.array_equal(transform.training_view(pixels, first), transform.training_view(pixels, second))
    assert moved == ("crop" in chosen)


@pytest.mark.parametrize(
    ("name", "first"), [("cifar_resnet8", "conv"), ("resnet18", "conv1"), ("resnet50", "conv1"),
                        ("cifar_stem_resnet18", "conv1"), ("preact_resnet18", "conv"),
                        ("timm/resnet18", "layer1.0.conv1")],
)  # fmt: skip
def test_the_width_of_the_first_stage(name: str, first: str) -> None:
    network = build_network(name, 5, options={"num_planes": 8}).eval()
    assert network.get_submodule(first).out_channels == 8
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 5)


@pytest.mark.parametrize(
    ("name", "millions"),
    [("cifar_stem_resnet18", 11.17), ("cifar_stem_resnet34", 21.28), ("cifar_stem_resnet50", 23.52)],
)
def test_the_resnets_of_papers_on_cifar(name: str, millions: float) -> None:
    """Parameters as published for these with ten classes."""
    network = build_network(name, 10).eval()
    assert sum(one.numel() for one in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
    sizes: list[torch.Size] = []
    network.get_submodule("layer1").register_forward_hook(lambda *heard: sizes.append(heard[2].shape))
    network(torch.zeros(1, 3, 32, 32))
    assert sizes[0][2:] == (32, 32)


def test_the_published_default_model_is_the_papers() -> None:
    assert len(layer_weights(build_network("resnet", 2))) == len(layer_weights(build_network("resnet50", 2)))


def test_the_constructor_hears_the_model_configuration() -> None:
    given = tiny(Path(), network_config=("width_per_group=32", '{"zero_init_residual": true}'))
    network = build_network("resnet50", 3, options=load_network_options(given))
    assert network.get_submodule("layer1.0.conv1").out_channels == 32
    assert not network.get_submodule("layer1.0.bn3").weight.any()
    assert load_network_options(tiny(Path(), network_config=("act=relu",))) == {"act": "relu"}


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        ("resnet18", {"network_config": ("depht=3",)}, '--model-config: resnet18 does not take {"depht": 3}'),
        ("resnet18", {"network_config": ("depth",)}, "--model-config depth: should have the form KEY=VALUE"),
        ("resnet18", {"network_config": ("num_classes=3",)}, "num_classes comes from the data"),
        ("resnet18", {"network_config": ("{3}",)}, "is no JSON object"),
        ("mobilenet_v2", {"num_planes": 8}, "--num-planes: mobilenet_v2 has no such width"),
        ("resnet18", {"num_planes": 8, "pretrained": True}, "published weights have the published width"),
    ],
)
def test_a_wrong_model_configuration_is_said(model: str, values: dict[str, object], message: str) -> None:
    config = tiny(Path(), **values)
    with pytest.raises(ConfigError, match=message):
        build_network(model, 3, pretrained=config.pretrained, options=load_network_options(config))


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for count, said in ((0, "torch finds no GPU here"), (2, "torch finds 2 here, counted from 0")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        with pytest.raises(ConfigError, match=f"--gpu 2: {said}"):
            choose_device("auto", 2)
    assert choose_device("auto", 1) == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="contradicts --device cpu"):
        choose_device("cpu", 1)


@pytest.mark.parametrize("how", ["flag", "file"])
def test_the_gpu_that_is_named_is_computed_on(how: str, data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    class Placed(Exception):
        pass

    def place(module: torch.nn.Module, device: Any) -> None:
        raise Placed(device)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.nn.Module, "to", place)
    file = tmp_path / "config.json"
    values = {"root": str(data), "model": "cifar_resnet8", "outpath": str(tmp_path / "run")}
    file.write_text(json.dumps(values | ({"gpu": 1} if how == "file" else {})))
    with pytest.raises(Placed) as caught:
        rawlabel(["train", "--config", str(file), *(["--gpu", "1"] if how == "flag" else [])])
    assert caught.value.args == (torch.device("cuda:1"),)


def test_lines_in_the_published_format(capsys: pytest.CaptureFixture[str]) -> None:
    lines, statistics = StepLines(2, 3, 5, num_classes=6), RunningStatistics()
    logits = torch.eye(8)[:4] * 5
    for step in range(5):
        lines.loaded(step, statistics)
        statistics.add(torch.tensor(float(step)), logits, torch.tensor([0, 1, 2, 3 if step < 2 else 7]))
        lines.done(step, statistics)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in printed] == [f"Epoch: [3][{step}/5]" for step in (0, 2, 4)]
    parts = printed[2].split("\t")
    assert parts[3:5] == ["Loss 4.0000 (2.0000)", "Acc@1 75.000 (85.000)"]
    assert [part.split()[0] for part in parts] == ["Epoch:", "Time", "Data", "Loss", "Acc@1", "Acc@5"]


def test_no_lines_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    lines, statistics = StepLines(None, 0, 1, num_classes=6), RunningStatistics()
    lines.loaded(0, statistics)
    lines.done(0, statistics)
    assert capsys.readouterr().out == ""


def small_network() -> torch.nn.Sequential:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))


def test_the_norm_and_the_change_of_weights(tmp_path: Path) -> None:
    network = small_network()
    norm = WeightTracker("norm", network, tmp_path).measure(0)["w_norm"]
    assert norm == {
        "0": pytest.approx(float(network[0].weight.detach().norm())),
        "2": pytest.approx(float(network[2].weight.detach().norm())),
    }
    change = WeightTracker("change", network, tmp_path)
    with torch.no_grad():
        network[0].weight -= 0.25
        network[1].weight += 0.5
    assert change.measure(0)["weight_change"] == pytest.approx({"0": 0.25, "1": 0.5, "2": 0.0}, abs=1e-6)
    assert change.measure(1)["weight_change"] == pytest.approx({"0": 0, "1": 0, "2": 0})


def test_filters_go_to_a_file_that_an_epoch_made_again_does_not_spoil(tmp_path: Path) -> None:
    network = small_network()
    tracker = WeightTracker("filters", network, tmp_path)
    for epoch, change in ((0, 0.5), (1, 9.0), (1, 0.25)):
        before = tracker.state_dict()
        with torch.no_grad():
            network[0].weight[1, 2] += change
        tracker.measure(epoch)
        if change == 9.0:
            tracker.load_state_dict(before)
            with torch.no_grad():
                network[0].weight[1, 2] -= change
    assert len(list((tmp_path / "filter_weights").iterdir())) == 2
    for epoch, change in enumerate((0.5, 0.25)):
        with np.load(tmp_path / "filter_weights" / f"{epoch:05d}.npz") as stored:
            assert stored["0"].shape == (4, 3)
            assert stored["0"][1, 2] == pytest.approx(change, abs=1e-5)
            assert stored["0"][0].max() == pytest.approx(0, abs=1e-6)


def test_the_jacobian_product_is_that_of_its_definition() -> None:
    predictor = build_predictor(tiny(Path(), precision="fp32"), 4, 3)
    images = list(np.random.default_rng(1).integers(0, 256, (6, 16, 16, 3)).astype(np.uint8))
    norms = jacobian_norms(predictor, images, 5)
    g = torch.randn(3, generator=torch.Generator().manual_seed(5))
    network = predictor.method.network.eval()
    mean: list[torch.Tensor] = []
    for pixels in images:
        logits = network(predictor.normalizer(torch.from_numpy(pixels[None])))[0]
        rows = [torch.autograd.grad(one, network.head.weight, retain_graph=True)[0] for one in logits]
        mean.append(sum(g[k] * rows[k] for k in range(3)) / len(images))  # type: ignore[arg-type]
    assert norms["head"] == pytest.approx(float(torch.stack(mean).sum(dim=0).norm()), rel=1e-4)
    assert jacobian_norms(predictor, images, 5) == norms
    assert jacobian_norms(predictor, images, 6) != norms

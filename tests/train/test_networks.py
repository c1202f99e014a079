"""Networks by name, and what a wrong name gets."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from rawlabel.config import TrainConfig, load_options, load_section
from rawlabel.errors import ConfigError
from rawlabel.experiments.studies.fast_small import RECIPE
from rawlabel.models.methods.cross_entropy import CrossEntropyOptions
from rawlabel.models.networks.building import CIFAR_RESNETS, build_network, hub_errors, load_network_options
from rawlabel.models.predictor import build_predictor
from rawlabel.training.schedule import learning_rate
from tests.helpers.tiny_training import tiny


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((name, 32) for name in CIFAR_RESNETS),
        ("small_convnet", 32),
        ("small_convnet", 24),
        ("small_convnet", 64),
        ("preact_resnet32", 32),
        ("resnet18", 64),
        ("timm/resnet10t", 64),
        ("mobilenetv3_small_100", 64),
    ],
)
def test_a_network_has_one_output_a_class(name: str, size: int) -> None:
    network = build_network(name, 7).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 7)


def test_a_name_both_libraries_have_means_torchvisions() -> None:
    assert type(build_network("resnet18", 3)).__module__.startswith("torchvision")
    assert type(build_network("timm/resnet18", 3)).__module__.startswith("timm")


@pytest.mark.parametrize(("depth", "parameters"), [(20, 269_722), (56, 853_018)])
def test_the_small_residual_networks_have_the_papers_size(depth: int, parameters: int) -> None:
    """0.27 and 0.85 million parameters (arXiv 1512.03385, table 6)."""
    network = build_network(f"cifar_resnet{depth}", 10)
    assert sum(one.numel() for one in network.parameters()) == parameters


def test_the_network_with_pre_activation_is_the_papers() -> None:
    """11.17 million parameters with ten classes; norm, ReLU, convolution (arXiv 1603.05027, figure 1 b)."""
    network = build_network("preact_resnet18", 10).eval()
    assert sum(one.numel() for one in network.parameters()) == 11_172_170
    shapes: list[torch.Size] = []
    heard: dict[str, torch.Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(lambda *one, name=name: heard.__setitem__(name, one[1][0]))
    for block in network.get_submodule("blocks"):
        block.register_forward_hook(lambda *one: shapes.append(one[2].shape[1:]))
    x = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        network(x)
        assert shapes == [(64, 32, 32)] * 2 + [(128, 16, 16)] * 2 + [(256, 8, 8)] * 2 + [(512, 4, 4)] * 2
        for block in range(8):
            for layer in ("1", "2"):
                inside = f"blocks.{block}."
                normed = network.get_submodule(f"{inside}bn{layer}")(heard[f"{inside}bn{layer}"])
                assert torch.allclose(heard[f"{inside}conv{layer}"], normed.relu(), atol=1e-6)
        # Where the shape changes the shortcut too begins behind the activation; nothing is done after the sum.
        assert torch.equal(heard["blocks.2.shortcut"], heard["blocks.2.conv1"])
        assert (heard["blocks.3.bn1"] < 0).any()
        behind = network.get_submodule("blocks.1.conv2")(heard["blocks.1.conv2"]) + heard["blocks.1.bn1"]
        assert torch.allclose(heard["blocks.2.bn1"], behind, atol=1e-5)
        behind = network.get_submodule("blocks.0.conv2")(heard["blocks.0.conv2"]) + heard["blocks.0.conv1"]
        assert torch.allclose(heard["blocks.1.bn1"], behind, atol=1e-5)
        assert (heard["bn"] < 0).any()


def test_a_misspelt_network_suggests_the_right_one() -> None:
    with pytest.raises(ConfigError, match="no network is called 'resnet5O'; did you mean 'resnet50'"):
        build_network("resnet5O", 3)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_with_auxiliary_heads_answer_with_logits_in_training_too(name: str) -> None:
    network = build_network(name, 3).train()
    assert network(torch.zeros(2, 3, 96, 96)).shape == (2, 3)


def test_published_weights_are_those_of_all_heads_of_which_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    published = models.googlenet(init_weights=False, aux_logits=True).state_dict()
    monkeypatch.setattr(models.GoogLeNet_Weights, "get_state_dict", lambda *_, **__: published)
    network = build_network("googlenet", 3, pretrained=True).train()
    assert network(torch.zeros(2, 3, 96, 96)).shape == (2, 3)
    assert torch.equal(network.state_dict()["conv1.conv.weight"], published["conv1.conv.weight"])
    assert not [key for key in network.state_dict() if key.startswith("aux")]


def test_a_network_that_a_library_cannot_build_is_told() -> None:
    with pytest.raises(ConfigError, match=r"--model resnet50\.foo: timm cannot build it"):
        build_network("resnet50.foo", 3)


def test_small_networks_have_no_published_weights() -> None:
    with pytest.raises(ConfigError, match="--pretrained: cifar_resnet8 has no published weights"):
        build_network("cifar_resnet8", 3, pretrained=True)


@pytest.mark.parametrize("number", range(len(hub_errors())))
def test_weights_that_cannot_be_fetched_get_one_line(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise hub_errors()[number]("the connection broke")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(ConfigError, match=r"--pretrained: the weights of resnet10t cannot be downloaded"):
        build_network("resnet10t", 3, pretrained=True)


def test_the_convolutions_of_the_small_network_begin_as_the_identity() -> None:
    images = torch.randn(2, 24, 8, 8)
    first = build_network("small_convnet", 3, options={"num_planes": 40}).get_submodule("stages.0.conv1")
    assert torch.equal(first(images)[:, :24].detach(), images)


def test_the_recipe_for_small_images_is_a_file_that_training_takes() -> None:
    config = load_section(TrainConfig, Path(__file__).parents[2] / "configs" / "fast_small.json")
    network = build_network(config.model, 10, options=load_network_options(config))
    assert network(torch.zeros(2, 3, config.image_size, config.image_size)).shape == (2, 10)
    options = load_options(CrossEntropyOptions, config.method_option, "--method-option")
    assert options.label_smoothing > 0
    assert {key: getattr(config, key) for key in RECIPE} == RECIPE
    assert learning_rate(config, config.epochs - 1, 99, 100) < 0.01 * config.lr


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("vit_tiny_patch16_224", 96),
        ("swin_tiny_patch4_window7_224", 96),
        ("timm/mixer_s32_224", 64),
        ("vit_b_32", 64),
        ("swin_t", 96),
    ],
)
def test_a_network_for_one_side_is_made_for_the_side_of_the_images(name: str, size: int) -> None:
    network = build_network(name, 3, image_size=size)
    assert network(torch.zeros(2, 3, size, size)).shape == (2, 3)
    assert network.training


@pytest.mark.parametrize(
    ("name", "size"), [("vit_b_32", 100), ("maxvit_t", 96), ("inception_v3", 32), ("alexnet", 32)]
)
def test_a_side_that_a_network_cannot_take_is_one_line(name: str, size: int) -> None:
    with pytest.raises(ConfigError, match=rf"--image-size {size}: {name} takes no images of this side \(.*; try"):
        build_network(name, 3, image_size=size)


def test_views_too_small_for_the_network_are_told_before_the_first_step(data: Path) -> None:
    config = tiny(data, model="vit_tiny_patch16_224", image_size=64, progressive_from=32)
    with pytest.raises(ConfigError, match="--progressive-from 32: vit_tiny_patch16_224 takes no images"):
        build_predictor(config, 10, 3)

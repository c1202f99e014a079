"""The label-free signals of an epoch equal what their definitions give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from rawlabel.base import families
from rawlabel.base.families import Family
from rawlabel.config import TrainConfig
from rawlabel.models.networks.building import build_network, last_linear
from rawlabel.training.measuring.statistics import HeadTap, RunningStatistics
from rawlabel.training.schedule import decays_left, learning_rate
from tests.helpers.method_batches import batch, build


def cosines(network: nn.Module, head: nn.Linear, images: torch.Tensor, labels: torch.Tensor) -> Any:
    """Cosine of the head's weights and the negative gradient of each image's cross-entropy in them."""
    found = []
    for image, label in zip(images, labels, strict=True):
        loss = nn.functional.cross_entropy(network(image[None]), label[None])
        [gradient] = torch.autograd.grad(loss, head.weight)
        direction, weight = (one.flatten() / one.norm() for one in (-gradient.double(), head.weight.double()))
        found.append(torch.dot(direction, weight).item())
    return np.array(found)


@pytest.mark.parametrize("bias", [True, False])
def test_the_alignment_is_the_cosine_of_weights_and_descent_direction(bias: bool) -> None:
    torch.manual_seed(3)
    head = nn.Linear(7, 4, bias=bias)
    network = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), head)
    images, labels = torch.randn(9, 5), torch.arange(9) % 4
    tap = HeadTap(network)
    network(torch.cat([images, images + 1]))  # a method with two views passes both at once
    network(images - 1)
    alignment = tap.alignment(labels, 4)
    expected = cosines(network, head, images, labels)
    assert alignment is not None
    np.testing.assert_allclose(alignment.numpy(), expected, rtol=1e-4, atol=1e-6)
    statistics = RunningStatistics()
    statistics.add_alignment(alignment[:5])
    statistics.add_alignment(alignment[5:])
    mean, kurtosis = statistics.alignment_moments()
    assert mean == pytest.approx(expected.mean(), rel=1e-4)
    assert kurtosis == pytest.approx(scipy.stats.kurtosis(expected), rel=1e-3)


@pytest.mark.parametrize("name", families.names(Family.METHOD))
def test_the_alignment_is_of_the_first_network_and_the_first_view_of_each_image(name: str) -> None:
    """Methods of two views or two networks have one first pass, which is what the alignment is of."""
    one = batch(views=2 if name == "gjs" else 1)
    method = build(name, *(["warm_up_epochs=1"] if name == "dividemix" else []))
    tap, found = HeadTap(method.network), last_linear(method.network)
    assert found is not None
    # GJS looks at strong views alone; all others have the plain view first.
    views = one.strong_images[0] if name == "gjs" else one.images
    for epoch in (0, 1):
        method.epoch = epoch
        method.on_epoch_start()
        method(one)
        alignment = tap.alignment(one.labels, 4)
        assert alignment is not None
        expected = cosines(method.network, found[1], views, one.labels)
        np.testing.assert_allclose(alignment.numpy(), expected, rtol=1e-4, atol=1e-6)
        tap.forget()


@pytest.mark.parametrize("sureness", [1, 20])
@pytest.mark.parametrize("name", ["small_convnet", "cifar_resnet8", "cifar_stem_resnet18", "timm/resnet10t"])
def test_the_alignment_holds_for_networks_as_they_are_built(name: str, sureness: float) -> None:
    """However sure they are: the gradients of sure images are tiny, and have a direction all the same."""
    torch.manual_seed(3)
    network = build_network(name, 4).double().eval()
    found = last_linear(network)
    assert found is not None
    head = found[1]
    with torch.no_grad():
        head.weight *= sureness / network(torch.randn(4, 3, 32, 32).double()).std()
    images = torch.randn(9, 3, 32, 32).double()
    labels = torch.arange(9) % 4 if sureness == 1 else network(images).argmax(dim=1)
    tap = HeadTap(network)
    head.train()
    network(images)
    alignment = tap.alignment(labels, 4)
    assert alignment is not None
    np.testing.assert_allclose(alignment.numpy(), cosines(network, head, images, labels), rtol=1e-3, atol=1e-6)


def test_a_network_without_a_linear_head_has_no_alignment() -> None:
    for network in (nn.Sequential(nn.Flatten()), nn.Sequential(nn.Linear(4, 6), nn.Unflatten(1, (3, 2)))):
        tap = HeadTap(network)
        network(torch.zeros(2, 4))
        assert tap.alignment(torch.tensor([0, 1]), 3) is None
    assert RunningStatistics().alignment_moments() == (None, None)


def test_only_images_seen_in_both_epochs_count_as_changed_or_not() -> None:
    statistics = RunningStatistics()
    assert statistics.changed_percent() is None
    statistics.add_changes(torch.tensor([-1, 0, 1, 2]), torch.tensor([3, 0, 2, 2]))
    statistics.add_changes(torch.tensor([4]), torch.tensor([5]))
    assert statistics.changed_percent() == 50


def test_the_decays_left_agree_with_the_rates_to_come() -> None:
    config = TrainConfig(epochs=120)
    assert [decays_left(config, epoch) for epoch in (0, 29, 30, 89, 90, 119)] == [3, 3, 2, 1, 0, 0]
    assert decays_left(TrainConfig(epochs=20), 0) == 0
    assert decays_left(TrainConfig(decay_rate=1), 0) == 0
    assert decays_left(TrainConfig(decay_max_epochs=45), 0) == 1
    assert learning_rate(config, 95) == pytest.approx(1e-4)


@pytest.mark.parametrize(("gap", "scale"), [(1e-20, 1e-25), (1.0, 1.0), (55.0, 1.0), (400.0, 1.0), (55.0, 1e-15)])
def test_the_alignment_of_the_surest_image_is_what_a_hand_computes(gap: float, scale: float) -> None:
    """W z = (gap, 0, 0) with label 0: -d is a multiple of (1, -1/2, -1/2) however small it is.

    With z = (scale, 0) and W = ((gap / scale, 0), 0, 0) the cosine is gap / (gap sqrt(1 + 1/4 + 1/4)).
    """
    head = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[gap, 0.0], [0.0, 0.0], [0.0, 0.0]]) / scale)
    tap = HeadTap(head)
    head(torch.tensor([[scale, 0.0]]))
    alignment = tap.alignment(torch.tensor([0]), 3)
    assert alignment is not None
    assert alignment.item() == pytest.approx(1 / np.sqrt(1.5), rel=1e-5)


def test_an_image_without_features_has_no_alignment_to_speak_of() -> None:
    head = nn.Linear(2, 3)
    tap = HeadTap(head)
    with torch.autocast("cpu", torch.bfloat16):
        head(torch.zeros(2, 2))
    alignment = tap.alignment(torch.tensor([0, 1]), 3)
    assert alignment is not None
    assert alignment.tolist() == [0, 0]

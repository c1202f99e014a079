"""Methods: each loss equals its equation, and each method trains, is saved and is restored."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rawlabel import plugins
from rawlabel.config import load_options
from rawlabel.errors import ConfigError
from rawlabel.plugins import Family
from rawlabel.train.methods import Batch, Method

SAMPLES, CLASSES, BATCH = 20, 4, 8


class Linear(nn.Module):
    """A network of one layer: pixels to logits."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 5 * 5, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))


def build(name: str, *options: str) -> Method:
    torch.manual_seed(0)
    method_type: type[Method] = plugins.load(Family.METHOD, name)
    loaded = load_options(method_type.Options, options, "--method-option")
    return method_type(Linear, SAMPLES, CLASSES, loaded)


def batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randperm(SAMPLES, generator=generator)[:BATCH]
    images = torch.randn(BATCH, 3, 5, 5, generator=generator)
    return Batch(images, torch.arange(SAMPLES)[ids] % CLASSES, ids)


def probabilities(method: Method, one: Batch) -> np.ndarray:
    logits = method.predict(one.images).detach().double().numpy()
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True)


def own(p: np.ndarray, one: Batch) -> np.ndarray:
    return p[np.arange(BATCH), one.labels.numpy()]


def test_cross_entropy_equals_its_equation() -> None:
    one, method = batch(), build("cross_entropy", "label_smoothing=0.2")
    p = probabilities(method, one)
    expected = np.mean(-0.8 * np.log(own(p, one)) - 0.2 * np.log(p).mean(axis=1))
    assert method(one).loss.item() == pytest.approx(expected, rel=1e-5)


def test_generalized_cross_entropy_equals_its_equation_and_its_limits() -> None:
    one = batch()
    p = own(probabilities(build("gce"), one), one)
    for q in (0.7, 0.3, 1.0):
        expected = np.mean((1 - p**q) / q)
        assert build("gce", f"q={q}")(one).loss.item() == pytest.approx(expected, rel=1e-5)
    near_zero = build("gce", "q=0.0001")(one).loss.item()
    assert near_zero == pytest.approx(build("cross_entropy")(one).loss.item(), rel=1e-2)


def test_symmetric_cross_entropy_equals_its_equation() -> None:
    one, method = batch(), build("sce", "alpha=0.3", "beta=0.9")
    p = probabilities(method, one)
    labels = np.full((BATCH, CLASSES), 1e-4)
    labels[np.arange(BATCH), one.labels.numpy()] = 1
    reverse = -(p * np.log(labels)).sum(axis=1)
    expected = np.mean(-0.3 * np.log(own(p, one)) + 0.9 * reverse)
    assert method(one).loss.item() == pytest.approx(expected, rel=1e-5)


def test_early_learning_regularization_equals_its_equations_over_two_visits() -> None:
    one, method = batch(), build("elr", "beta=0.6", "strength=2")
    targets = np.zeros((BATCH, CLASSES))
    for _ in range(2):
        p = probabilities(method, one)
        targets = 0.6 * targets + 0.4 * p
        expected = np.mean(-np.log(own(p, one)) + 2 * np.log(1 - (targets * p).sum(axis=1)))
        assert method(one).loss.item() == pytest.approx(expected, rel=1e-4)
    unseen = sorted(set(range(SAMPLES)) - set(one.sample_ids.tolist()))
    assert not method.state_dict()["targets"][unseen].any()


@pytest.mark.parametrize("name", plugins.names(Family.METHOD))
def test_every_method_learns_and_goes_on_from_what_it_saved(name: str) -> None:
    method = build(name)
    optimizer = torch.optim.SGD(method.parameters(), 0.05)
    losses = []
    for step in range(30):
        output = method(batch(step % 3))
        assert output.logits.shape == (BATCH, CLASSES)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(output.loss.item())
    assert all(math.isfinite(loss) for loss in losses)
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    other = build(name)
    other.load_state_dict(copy.deepcopy(method.state_dict()))
    assert other(batch(5)).loss.item() == method(batch(5)).loss.item()


@pytest.mark.parametrize(
    ("name", "option", "named"),
    [
        (
            "gce",
            "q=2",
            "--method-option q: input should be less than or equal to 1, got '2'",
        ),
        ("gce", "q", "--method-option q: should have the form KEY=VALUE"),
        ("elr", "betta=1", "unknown option; did you mean 'beta'?"),
    ],
)
def test_a_wrong_option_is_named(name: str, option: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(name, option)
    assert named in str(caught.value)

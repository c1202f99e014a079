"""Optimizers, with the parameter groups of every method."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rawlabel.base.families import Family, names
from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError
from rawlabel.models.method import Batch
from rawlabel.models.predictor import build_predictor
from rawlabel.training.optimizers import make_optimizer, set_rates
from tests.helpers.tiny_training import tiny


def batch(method: torch.nn.Module) -> Batch:
    count = method.strong_augmentation.views if method.strong_augmentation else 0  # type: ignore[union-attr]
    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return Batch(images, torch.arange(8) % 3, torch.arange(8), tuple(images + 1 for _ in range(count)))  # type: ignore[arg-type]


def built(**changes: object) -> tuple[TrainConfig, torch.nn.Module]:
    torch.manual_seed(0)
    config = tiny(".", precision="fp32", **changes)  # type: ignore[arg-type]
    return config, build_predictor(config, 8, 3).method


@pytest.mark.parametrize("opt", ["sgd", "adam"])
@pytest.mark.parametrize("method", names(Family.METHOD))
def test_every_method_learns_with_it(method: str, opt: str) -> None:
    config, module = built(method=method, opt=opt, scale_lr=2.0, lr=2e-3)
    optimizer = make_optimizer(config, module)  # type: ignore[arg-type]
    set_rates(optimizer, config.lr)
    losses = []

    def descend() -> torch.Tensor:
        optimizer.zero_grad()
        loss = module(batch(module)).loss
        loss.backward()
        losses.append(float(loss.detach()))
        return loss

    for _ in range(6):
        optimizer.step(descend)
    assert min(losses[2:]) < losses[0]
    again = make_optimizer(config, module)  # type: ignore[arg-type]
    again.load_state_dict(optimizer.state_dict())
    torch.testing.assert_close(again.state_dict(), optimizer.state_dict(), rtol=0, atol=0)


def test_a_group_with_a_rate_of_its_own_keeps_it_under_adam() -> None:
    config, module = built(method="sop", opt="adam")
    optimizer = make_optimizer(config, module)  # type: ignore[arg-type]
    set_rates(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 10.0, 10.0]


@pytest.mark.parametrize("method", ["cross_entropy", "coteaching"])
def test_the_last_linear_layers_have_their_own_rate(method: str) -> None:
    config, module = built(method=method, scale_lr=0.25)
    optimizer = make_optimizer(config, module)  # type: ignore[arg-type]
    set_rates(optimizer, 0.5)
    rate = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
    for name, one in module.named_parameters():
        assert rate[id(one)] == (0.125 if "head" in name else 0.5), name


@pytest.mark.parametrize("opt", ["sgd", "adam"])
@pytest.mark.parametrize("method", ["sop", "coteaching"])
@pytest.mark.parametrize("on", ["all", "matrices"])
def test_weight_decay_acts_on_what_it_shall(on: str, method: str, opt: str) -> None:
    config, module = built(method=method, opt=opt, weight_decay=0.1, weight_decay_on=on, scale_lr=0.25)
    optimizer = make_optimizer(config, module)  # type: ignore[arg-type]
    set_rates(optimizer, 0.5)
    for name, one in module.named_parameters():
        one.data += 1
        if name not in ("u", "v"):
            one.grad = torch.zeros_like(one)
    before = {name: one.detach().clone() for name, one in module.named_parameters()}
    optimizer.step(lambda: torch.zeros(()))
    for name, one in module.named_parameters():
        decays = name not in ("u", "v") and (on == "all" or one.dim() > 1)
        assert torch.equal(one, before[name]) != decays, name
        one.grad = torch.ones_like(one)
        before[name] = one.detach().clone()
    optimizer.step(lambda: torch.zeros(()))
    for name, one in module.named_parameters():
        assert not torch.equal(one, before[name]), f"{name} is left out of training"


def test_lbfgs_descends_within_one_step() -> None:
    config, module = built(opt="lbfgs", lr=0.5)
    optimizer = make_optimizer(config, module)  # type: ignore[arg-type]
    losses: list[float] = []

    def descend() -> torch.Tensor:
        optimizer.zero_grad()
        loss = module(batch(module)).loss
        loss.backward()
        losses.append(float(loss.detach()))
        return loss

    optimizer.step(descend)
    assert len(losses) > 2
    assert losses[-1] < losses[0]
    assert optimizer.param_groups[0]["history_size"] == 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "elr", "opt": "lbfgs"}, "--opt lbfgs: .* --method elr gives another one each time"),
        ({"method": "sop", "opt": "lbfgs"}, "--opt lbfgs: .* --method sop"),
        ({"method_option": ("mixup=1",), "opt": "lbfgs"}, "--opt lbfgs: .* with these options"),
        ({"scale_lr": 2.0, "opt": "lbfgs"}, "leave --scale-lr out"),
        (
            {"weight_decay_on": "matrices", "opt": "lbfgs"},
            "--weight-decay-on matrices: L-BFGS has no weight decay",
        ),
        ({"nesterov": True, "opt": "adam"}, "--nesterov: goes with --opt sgd"),
        ({"scale_lr": 2.0, "model": "squeezenet1_1", "image_size": 32}, "--scale-lr: this network has no linear"),
    ],
)
def test_what_cannot_go_together_is_said(changes: dict[str, object], message: str) -> None:
    config, module = built(**changes)
    with pytest.raises(ConfigError, match=message):
        make_optimizer(config, module)  # type: ignore[arg-type]


def test_nesterov_looks_ahead() -> None:
    weights: list[torch.Tensor] = []
    make: Callable[[bool], tuple[TrainConfig, torch.nn.Module]] = lambda on: built(nesterov=on)  # noqa: E731
    for on in (False, True):
        config, module = make(on)
        optimizer = make_optimizer(config, module)  # type: ignore[arg-type]

        def descend(module: torch.nn.Module = module) -> torch.Tensor:
            module.zero_grad()
            loss = module(batch(module)).loss
            loss.backward()
            return loss  # type: ignore[no-any-return]

        optimizer.step(descend)
        weights.append(next(module.parameters()).detach().clone())
    assert not torch.equal(*weights)

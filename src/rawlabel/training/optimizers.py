"""The optimizers, over the parameter groups that a method gives.

A group with `is_scheduled` False keeps a rate of its own and is always moved by SGD, as the methods that have such
groups (SOP) are published; the rest is moved by what `--opt` says. The group of the last linear layer has
`lr_scale`, the factor between its rate and that of the others; so has each layer of an encoder that is fine-tuned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError
from rawlabel.models.method import Method
from rawlabel.models.networks.building import last_linear
from rawlabel.models.transfer.whole import rate_scales

LBFGS_HISTORY = 20
"""Steps that L-BFGS remembers, as published."""

Closure = Callable[[], Tensor]
Groups = list[dict[str, Any]]


class Optimizer(Protocol):
    """What the loop needs of one."""

    @property
    def param_groups(self) -> Groups:
        """Parameters with their rates; changed in place."""
        ...

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the last step; with `set_to_none` their memory is given back too."""

    def step(self, closure: Closure) -> Any:
        """Move the parameters; `closure` gives the loss and leaves gradients."""

    def state_dict(self) -> dict[str, Any]:
        """What a run that goes on needs besides the weights, such as momenta; tensors by torch's layout."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave. Raises torch's `ValueError` for other groups of parameters."""


def make_optimizer(config: TrainConfig, method: Method[Any]) -> Optimizer:
    """The optimizer that `config` names. Raises `ConfigError` where it cannot go with the method or a setting."""
    groups = method.parameter_groups()
    if config.scale_lr is not None:
        groups = _with_scaled_heads(groups, method, config.scale_lr)
    if config.layer_decay < 1:
        groups = _with_layer_rates(groups, method, config.layer_decay)
    if config.weight_decay_on == "matrices":
        if config.opt == "lbfgs":
            raise ConfigError("--weight-decay-on matrices: L-BFGS has no weight decay; leave it out")
        groups = _without_decay_of_vectors(groups)
    if config.nesterov and (config.opt != "sgd" or not config.momentum):
        raise ConfigError("--nesterov: goes with --opt sgd and --momentum above 0; leave it out or set these")
    own = [group for group in groups if not group.get("is_scheduled", True)]
    if config.opt == "sgd":
        return _sgd(config, groups, is_fused=not own)
    if config.opt == "lbfgs":
        return _lbfgs(config, method, groups)
    adam = torch.optim.Adam(
        [group for group in groups if group.get("is_scheduled", True)], config.lr, weight_decay=config.weight_decay
    )
    return _Several([adam, _sgd(config, own, is_fused=False)]) if own else adam


def set_rates(optimizer: Optimizer, rate: float) -> None:
    """Give all groups that follow the schedule the rate of this step."""
    for group in optimizer.param_groups:
        if group.get("is_scheduled", True):
            group["lr"] = rate * group.get("lr_scale", 1.0)


def _sgd(config: TrainConfig, groups: Groups, *, is_fused: bool) -> torch.optim.SGD:
    # Fused only where it is faster: on a GPU. It knows no sparse gradients, which methods with own groups have.
    is_on_gpu = all(one.is_cuda for group in groups for one in group["params"])
    return torch.optim.SGD(
        groups,
        config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
        fused=True if is_fused and is_on_gpu else None,
    )


def _lbfgs(config: TrainConfig, method: Method[Any], groups: Groups) -> torch.optim.LBFGS:
    if not method.is_repeatable:
        raise ConfigError(
            f"--opt lbfgs: asks for the loss of a step several times, and --method {config.method} gives another "
            "one each time, with these options; use --opt sgd or adam"
        )
    if len(groups) > 1:
        raise ConfigError("--opt lbfgs: has one learning rate for all; leave --scale-lr out, or use sgd or adam")
    # It flattens gradients by view, which needs them, and so the weights, in the plain order of memory.
    method.to(memory_format=torch.contiguous_format)
    return torch.optim.LBFGS(groups, config.lr, history_size=LBFGS_HISTORY)


def _with_scaled_heads(groups: Groups, method: Method[Any], scale: float) -> Groups:
    """Take the last linear layer of each network out into a group of its own."""
    heads: set[nn.Parameter] = set()
    for name, network in method.named_children():
        found = last_linear(network)
        if found and name != "averaged":
            heads.update(found[1].parameters())
    if not heads:
        raise ConfigError(
            "--scale-lr: this network has no linear layer; leave the flag out or choose another --model"
        )
    split: Groups = []
    for group in groups:
        inside = [one for one in group["params"] if one in heads]
        if inside and group.get("is_scheduled", True):
            split.append({**group, "params": [one for one in group["params"] if one not in heads]})
            split.append({**group, "params": inside, "lr_scale": scale})
        else:
            split.append(group)
    return split


def _with_layer_rates(groups: Groups, method: Method[Any], layer_decay: float) -> Groups:
    """Split groups that follow the schedule by what the rates of their layers are multiplied by."""
    scales = rate_scales(method, layer_decay)
    if not scales:
        raise ConfigError("--layer-decay: goes with --finetune alone; leave it out")
    split: Groups = []
    for group in groups:
        if not group.get("is_scheduled", True):
            split.append(group)
            continue
        by_scale: dict[float, list[nn.Parameter]] = {}
        for one in group["params"]:
            by_scale.setdefault(scales.get(one, 1.0) * group.get("lr_scale", 1.0), []).append(one)
        split += [{**group, "params": own, "lr_scale": scale} for scale, own in by_scale.items()]
    return split


def _without_decay_of_vectors(groups: Groups) -> Groups:
    """Take parameters of one dimension (biases, scales and shifts) out into groups that do not decay.

    Groups with a rate of their own have a decay of their own as well.
    """
    split: Groups = []
    for group in groups:
        if not group.get("is_scheduled", True):
            split.append(group)
            continue
        vectors = [one for one in group["params"] if one.dim() < 2]
        matrices = [one for one in group["params"] if one.dim() >= 2]
        split += [{**group, "params": matrices}] if matrices else []
        split += [{**group, "params": vectors, "weight_decay": 0.0}] if vectors else []
    return split


class _Several:
    """Several optimizers that step together, as the protocol above says."""

    def __init__(self, optimizers: list[torch.optim.Optimizer]) -> None:
        self._optimizers = optimizers

    @property
    def param_groups(self) -> Groups:
        """The groups of all."""
        return [group for one in self._optimizers for group in one.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all."""
        for one in self._optimizers:
            one.zero_grad(set_to_none)

    def step(self, closure: Closure) -> Any:
        """Ask once, then let each move its own."""
        with torch.enable_grad():
            loss = closure()
        for one in self._optimizers:
            one.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The state of each."""
        return {"several": [one.state_dict() for one in self._optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        for one, state in zip(self._optimizers, state_dict["several"], strict=True):
            one.load_state_dict(state)

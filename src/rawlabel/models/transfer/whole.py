"""An encoder and its head as one network that is trained on pixels (`--finetune`), and means of such weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rawlabel.errors import CheckpointError
from rawlabel.images.decoding import Pixels, Transform, resize_pixels
from rawlabel.models.encoder import Encoder
from rawlabel.models.encoders.joined import SideBySide
from rawlabel.models.networks.building import answer_in_fp32, last_linear
from rawlabel.models.transfer.head import FeatureHead

_TOGETHER = 12
"""Tensors of weights that are one layer for learning rates, as in timm's `auto_group_layers`."""


class WholeNetwork(nn.Module):
    """An encoder, all of whose layers are trained, and the head behind it.

    Batch norm keeps the statistics that the encoder was trained with: those of a few thousand photos are worse.
    """

    def __init__(self, encoder: Encoder, head: FeatureHead) -> None:
        super().__init__()
        # Families may hand out one network again and again.
        self.encoder = copy.deepcopy(encoder.build()).requires_grad_(True)
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Logits [batch, classes] of normalised images [batch, 3, side, side]."""
        logits: Tensor = self.head(self.encoder(images))
        return logits

    def train(self, mode: bool = True) -> WholeNetwork:
        """Let all layers learn but the statistics of batch norm."""
        super().train(mode)
        for module in self.encoder.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
        return self

    def group_matcher(self, coarse: bool = False) -> Callable[[str], tuple[int, ...]]:
        """The number of the layer of each tensor of weights by its name, as timm's layer-wise rates ask for it.

        The layers of networks side by side count from the head, each on its own.
        """
        parts = [self.encoder] if not isinstance(self.encoder, SideBySide) else list(self.encoder.parts)
        own = [list(part.parameters()) for part in parts]
        below = {id(one): (len(part) - 1 - i) // _TOGETHER for part in own for i, one in enumerate(part)}
        deepest = max(below.values(), default=0)
        numbers = {
            name: deepest - below[id(one)] if id(one) in below else deepest + 1
            for name, one in self.named_parameters()
        }
        return lambda name: (numbers[name],)


@dataclass(frozen=True)
class WholeTransform(Transform):
    """Random views in training as any network gets them; otherwise the encoder's own view."""

    encoder: Encoder | None = None

    def evaluation_view(self, pixels: Pixels) -> Pixels:
        """The encoder's view [side, side, 3] of an image's pixels [height, width, 3], RGB bytes.

        Smaller where training is at smaller views without random crops.
        """
        assert self.encoder is not None
        view = self.encoder.view(pixels)
        return view if len(view) == self.image_size else resize_pixels(view, (self.image_size, self.image_size))


def whole_network(encoder: Encoder, head: FeatureHead) -> WholeNetwork:
    """`encoder` and `head` in one, whose last layer computes in fp32 outside training, as that of all networks."""
    network = WholeNetwork(encoder, head)
    if (last := last_linear(network)) is not None:
        last[1].register_forward_hook(answer_in_fp32)
    return network


def rate_scales(network: nn.Module, layer_decay: float) -> dict[nn.Parameter, float]:
    """By what the rate of each parameter is multiplied; nothing for a network that is no encoder with its head.

    Source: `timm.optim.param_groups_layer_decay`, after arXiv 2106.08254 (BEiT).
    """
    from timm.optim._param_groups import param_groups_layer_decay

    scales: dict[nn.Parameter, float] = {}
    for _, whole in _wholes(network):
        for group in param_groups_layer_decay(whole, layer_decay=layer_decay):
            scales |= dict.fromkeys(group["params"], group["lr_scale"])
    return scales


def load_heads(method: nn.Module, trained: Mapping[str, Tensor]) -> None:
    """Give every network of `method` the head of its name in the weights `trained` of a run on frozen features.

    Raises `CheckpointError` where there is none.
    """
    for name, whole in _wholes(method):
        # The average has not begun, so its head is that of the network beside it.
        frozen = f"{name.replace('averaged.module', 'network')}."
        own = {key.removeprefix(frozen): one for key, one in trained.items() if key.startswith(frozen)}
        try:
            whole.head.load_state_dict(own)
        except RuntimeError as error:
            raise CheckpointError(
                "--finetune: the head in the folder `frozen` is of another shape; choose another --outpath"
            ) from error


def mixed(
    method: nn.Module, frozen: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """The weights of `method` that lie `share` [0 to 1] of the way from `frozen` to `tuned` ones.

    The mean of both is a network as well, often a better one than either (Wortsman et al., arXiv 2109.01903).
    What a method remembers beside its networks is that of `tuned`.
    """
    own = {f"{name}.{key}" for name, whole in _wholes(method) for key in whole.state_dict()}
    return {
        key: torch.lerp(frozen[key].to(one), one, share) if key in own and one.is_floating_point() else one
        for key, one in tuned.items()
    }


def _wholes(module: nn.Module) -> Iterator[tuple[str, WholeNetwork]]:
    return ((name, one) for name, one in module.named_modules() if isinstance(one, WholeNetwork))

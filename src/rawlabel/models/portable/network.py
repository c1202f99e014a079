"""What a run answers with as one network: from normalised pixels to logits at its temperature, in float32."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from rawlabel.models.method import Method
from rawlabel.models.networks.building import last_linear
from rawlabel.models.transfer.head import SCALE, FeatureHead
from rawlabel.models.transfer.whole import WholeNetwork


class PortableNetwork(nn.Module):
    """An encoder, where there is one, and the networks or heads whose mean logits are the answer."""

    def __init__(self, trunk: nn.Module | None, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(heads)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [batch, classes] of normalised images [batch, 3, side, side]."""
        features = images if self.trunk is None else self.trunk(images)
        logits: Tensor = self.heads[0](features)
        for head in list(self.heads)[1:]:
            logits = logits + head(features)
        return logits if len(self.heads) == 1 else logits / len(self.heads)

    @torch.inference_mode()
    def answer(self, images: Tensor) -> Tensor:
        """Logits [batch, classes] of normalised images, without what a training would need."""
        return self(images)  # type: ignore[no-any-return]


def portable_network(method: Method[Any], trunk: nn.Module | None, temperature: float) -> PortableNetwork:
    """A copy of what `method` predicts with, behind `trunk`, on the processor, in float32, ready to be written.

    The head's last layer is divided by the `temperature`, so that the softmax of the logits is the probability
    that the run tells.
    """
    heads = []
    for one in method.predicting_networks:
        head = copy.deepcopy(one.module if isinstance(one, AveragedModel) else one)
        found = last_linear(head)
        if found is not None:
            # It computes in float32 where all else does not, which here nothing does.
            found[1]._forward_hooks.clear()
        if temperature != 1:
            assert found is not None, "a temperature is fitted to heads alone, which end in a linear layer"
            with torch.no_grad():
                found[1].weight.div_(temperature)
                found[1].bias.div_(temperature)
        heads.append(head)
    network = PortableNetwork(None if trunk is None else copy.deepcopy(trunk), heads)
    plain = network.cpu().float().to(memory_format=torch.contiguous_format)
    return plain.eval().requires_grad_(False)


def divided(network: PortableNetwork) -> PortableNetwork:
    """A network that was fine-tuned as encoder and head, as other programs know it; any other as it is.

    Several whole networks share no encoder, so they stay as they are.
    """
    whole = network.heads[0]
    if len(network.heads) > 1 or not isinstance(whole, WholeNetwork):
        return network
    return PortableNetwork(whole.encoder, [whole.head]).eval()


def folded(head: nn.Module) -> nn.Linear | None:
    """A head as one linear layer of the features; None where it is more than that.

    Of features f it sees rate * (f - mean); bringing a photo's features to one length is no linear map.
    """
    if not isinstance(head, FeatureHead) or not head.by_deviation or len(head.layers) != 1:
        return None
    last = head.layers[0]
    assert isinstance(last, nn.Linear)
    layer = nn.Linear(last.in_features, last.out_features)
    # In double precision, so that the sum over features is rounded once.
    weight = SCALE * last.weight.double() * head.rate.double()
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(last.bias.double() - weight @ head.mean.double())
    return layer.requires_grad_(False)

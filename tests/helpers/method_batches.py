"""Methods on a network of one layer, and batches for them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rawlabel.base import families
from rawlabel.base.families import Family
from rawlabel.config import load_options
from rawlabel.models.method import Batch, Method

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
    method_type: type[Method] = families.load(Family.METHOD, name)
    loaded = load_options(method_type.Options, options, "--method-option")
    return method_type(Linear, SAMPLES, CLASSES, loaded)


def batch(seed: int = 0, views: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randperm(SAMPLES, generator=generator)[:BATCH]
    images = torch.randn(BATCH, 3, 5, 5, generator=generator)
    strong = tuple(torch.randn(BATCH, 3, 5, 5, generator=generator) for _ in range(views))
    return Batch(images, torch.arange(SAMPLES)[ids] % CLASSES, ids, strong)

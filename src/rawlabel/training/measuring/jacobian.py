"""The norm of the network's Jacobian times a fixed random vector, layer by layer.

Let f(x) be the logits [classes] of image x and g a vector [classes] of standard normal numbers, fixed by the run's
seed. For the weights w of each layer, `J_norm` is the Euclidean norm of

    (1 / n) sum_i (d f(x_i) / d w)^T g,

over n training images spread evenly over the training set, on their evaluation views, in float32 and with the
network in evaluation mode. The published trainer calls a function for this that was not published with it; one g
for all images, divided by their number, is how it prepares the call.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rawlabel.images.decoding import DecodedImages
from rawlabel.models.predictor import Predictor
from rawlabel.training.measuring.weight_tracking import layer_weights

JACOBIAN_IMAGES = 512
"""Most images that are asked [images]."""
_BATCH = 64


def jacobian_norms(predictor: Predictor, images: DecodedImages, seed: int) -> dict[str, float]:
    """`J_norm` of each layer with weights of more than one dimension; the network is left as it was."""
    weights = {
        name: one
        for name, one in layer_weights(predictor.method.network).items()
        if one.dim() > 1 and one.requires_grad
    }
    chosen = np.unique(np.linspace(0, len(images) - 1, min(len(images), JACOBIAN_IMAGES)).astype(np.int64))
    sums = [torch.zeros_like(one) for one in weights.values()]
    was_training = predictor.method.training
    predictor.method.eval()

    def gradients(views: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(_product(predictor, views, seed), list(weights.values()))

    for start in range(0, len(chosen), _BATCH):
        predictor.pause()
        views = [predictor.transform.evaluation_view(images[int(row)]) for row in chosen[start : start + _BATCH]]
        for part in predictor.parts(gradients, torch.from_numpy(np.stack(views))):
            for total, gradient in zip(sums, part, strict=True):
                total += gradient
    predictor.method.train(was_training)
    norms = torch.stack([one.norm() for one in sums]) / len(chosen)
    return dict(zip(weights, norms.tolist(), strict=True))


def _product(predictor: Predictor, views: Tensor, seed: int) -> Tensor:
    """The sum over `views` of <g, f(x)>, whose gradient is the sum of J^T g."""
    logits: Tensor = predictor.method.network(predictor.normalizer(views))
    g = torch.randn(logits.shape[1], generator=torch.Generator().manual_seed(seed))
    return (logits * g.to(logits.device)).sum()

"""What a head makes of features before its layers see them."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from rawlabel.models.transfer.head import SCALE, FeatureHead


@pytest.mark.parametrize("by_deviation", [False, True])
def test_kept_features_are_seen_to_the_bit_as_those_that_are_fine_tuned_and_stay_as_they_are(
    by_deviation: bool,
) -> None:
    torch.manual_seed(1)
    head = FeatureHead(40, 3, by_deviation=by_deviation)
    head.mean.copy_(torch.randn(40))
    torch.nn.init.normal_(head.layers[-1].weight)  # type: ignore[arg-type]
    features = torch.randn(9, 40)
    features[4] = head.mean  # of no length, once centred
    before = features.clone()
    if by_deviation:
        head.rate.copy_(torch.rand(40))
        expected = head.layers(SCALE * ((features - head.mean) * head.rate))
    else:
        expected = head.layers(SCALE * normalize(features - head.mean, dim=1))
    assert torch.equal(head(features), expected) and torch.equal(features, before)
    tuned = features.clone().requires_grad_()
    assert torch.equal(head(tuned), expected)
    head(tuned).sum().backward()
    assert tuned.grad is not None and torch.isfinite(tuned.grad).all()

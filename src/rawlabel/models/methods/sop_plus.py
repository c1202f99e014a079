"""Sparse over-parametrization with consistency of two views and balanced classes."""

from __future__ import annotations

from rawlabel.models.sparse_overparametrization import ConsistentOverparametrization


class SopPlus(ConsistentOverparametrization):
    """SOP+: SOP, plus 0.9 KL(plain view || strong view), plus 0.1 times the cross-entropy of balanced classes.

    The prediction for the plain view has no gradient in the second term; the third is the cross-entropy of the
    uniform distribution and the batch's mean prediction. Liu et al., ICML 2022, arXiv 2202.14026. Published for
    CIFAR-100: `preact_resnet18` at 0.02 with a cosine schedule over 300 epochs that ends at 2e-4 (`--min-lr`),
    weight decay 1e-3 (CIFAR-10: 5e-4), a strong view by AutoAugment and cutout; here it is RandAugment and cutout.
    """


PLUGIN = SopPlus

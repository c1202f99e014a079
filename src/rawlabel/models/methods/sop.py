"""Sparse over-parametrization: what does not fit goes into variables of the sample's own."""

from __future__ import annotations

from rawlabel.models.sparse_overparametrization import SparseOverparametrization


class Sop(SparseOverparametrization):
    """SOP: cross-entropy of p + u² y - v² (1 - y), where u and v of each sample take up its label noise.

    Liu et al., ICML 2022, arXiv 2202.14026; all terms are in `rawlabel.models.sparse_overparametrization`.
    Published: u and v start with a spread of 1e-8; for CIFAR-100 their rates are 1 and 10 (asymmetric noise: 0.1
    and 100 with the authors' released code, which is what is here). The defaults are those of a reproduction on
    CIFAR-10N (github.com/KlemenVovk/noisy-labels), which has SOP on PreAct ResNet-18.
    """


PLUGIN = Sop

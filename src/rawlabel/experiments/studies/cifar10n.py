"""The methods on CIFAR-10N's human labels, beside the published numbers."""

from __future__ import annotations

from typing import Any

from rawlabel.experiments.experiment import Experiment
from rawlabel.experiments.heads import HeadsTable
from rawlabel.experiments.methods_table import MethodsTable
from rawlabel.experiments.targets import CIFAR10N
from rawlabel.experiments.train_settings import TrainSettings

# Wei et al., ICLR 2022, arXiv 2110.12088, and github.com/UCSC-REAL/cifar-10-100n: ResNet-34 at 0.1, a tenth of it
# from epoch 60 of 100 on.
_CROSS_ENTROPY: TrainSettings = {"lr": 0.1, "epochs": 100, "decay_epochs": 60, "lr_schedule": "step"}
RECIPES: dict[str, TrainSettings] = {
    "cross_entropy": _CROSS_ENTROPY,
    # Liu et al., NeurIPS 2020, arXiv 2007.00151, section 5, and github.com/shengliu66/ELR, config_cifar10.json:
    # ResNet-34, restarts every 10 epochs, a lowest rate of 1e-3. The paper has 120 epochs, that file 150.
    "elr": {
        "method": "elr", "method_option": ("beta=0.7", "strength=3"), "lr": 0.02, "min_lr": 1e-3,
        "lr_schedule": "cosine_restarts", "restart_epochs": 10, "epochs": 120, "weight_decay": 1e-3,
    },
    # Chen et al., AAAI 2021, arXiv 2012.04193: teacher and student alike; with the settings of cross-entropy here,
    # where they have a WRN-28-10 and 200 epochs.
    "nts": {**_CROSS_ENTROPY, "student": True},
    # Northcutt et al., JAIR 2021, arXiv 1911.00068; with the settings of cross-entropy.
    "pruned": {**_CROSS_ENTROPY, "confident_learning": True},
    # Englesson and Azizpour, NeurIPS 2021, arXiv 2105.04522, and github.com/ErikEnglesson/GJS,
    # scripts/C10/sym/gjs-40.yaml.
    "gjs": {
        "method": "gjs", "method_option": ("label_weight=0.9",), "model": "preact_resnet32", "num_planes": 32,
        "lr": 0.1, "nesterov": True, "lr_schedule": "step", "decay_at": (200, 300), "epochs": 400,
    },
    # Liu et al., ICML 2022, arXiv 2202.14026, and github.com/shengliu66/SOP, config_cifar100.json; rates of u and
    # v and weight decay as github.com/KlemenVovk/noisy-labels has them for CIFAR-10N; RandAugment for AutoAugment.
    "sop_plus": {
        "method": "sop_plus", "method_option": ("lr_u=10", "lr_v=10"), "model": "preact_resnet18", "lr": 0.02,
        "min_lr": 2e-4, "lr_schedule": "cosine", "epochs": 300,
    },
    # Li et al., ICLR 2020, arXiv 2002.07394, and github.com/LiJunnan1992/DivideMix; lambda_u 0 as for CIFAR-10N.
    "dividemix": {
        "method": "dividemix", "method_option": ("unlabeled_weight=0",), "model": "preact_resnet18", "lr": 0.02,
        "lr_schedule": "step", "decay_at": (150,), "epochs": 300,
    },
}  # fmt: skip
"""Recipes as published, for the whole set on a GPU: each with its source, and where it departs from it."""

ON_FEW_EPOCHS: dict[str, TrainSettings] = {"elr": {"lr_schedule": "cosine", "min_lr": 0.0}}
"""What the smaller scales change in a recipe: their 30 epochs are too few for restarts."""


class Cifar10N(MethodsTable):
    """Cross-entropy, ELR, NTS and, at full scale, more on CIFAR-10N's human labels: selected, last, oracle.

    At the scale `transfer`, heads on kept features of all images, and the rules on two halves.
    """

    set_name = "CIFAR-10N"
    recipes = RECIPES
    on_few_epochs = ON_FEW_EPOCHS
    noises = ("aggregate", "random1", "worst")
    targets = CIFAR10N

    def at_scale(self, scale: str) -> Experiment[Any]:
        """Heads on kept features are another table."""
        return HeadsTable() if scale == "transfer" else self


PLUGIN = Cifar10N

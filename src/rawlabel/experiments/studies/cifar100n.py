"""The methods on CIFAR-100N's human labels, beside the published numbers."""

from __future__ import annotations

from rawlabel.experiments.methods_table import MethodsTable
from rawlabel.experiments.studies.cifar10n import RECIPES as ON_TEN_CLASSES
from rawlabel.experiments.targets import CIFAR100N
from rawlabel.experiments.train_settings import TrainSettings

RECIPES: dict[str, TrainSettings] = {
    "cross_entropy": ON_TEN_CLASSES["cross_entropy"],
    # github.com/shengliu66/ELR, config_cifar100.json: no restarts, and a hundredth of the rate from epochs 80 and
    # 120 on.
    "elr": {
        "method": "elr", "method_option": ("beta=0.9", "strength=7"), "lr": 0.02, "lr_schedule": "step",
        "decay_at": (80, 120), "decay_rate": 0.01, "epochs": 150, "weight_decay": 1e-3,
    },
    "nts": ON_TEN_CLASSES["nts"],
    # github.com/shengliu66/SOP, its command for 40 % of symmetric noise on CIFAR-100, about the share that
    # CIFAR-100N has.
    "sop_plus": {**ON_TEN_CLASSES["sop_plus"], "method_option": ("lr_u=1", "lr_v=10")},
    "dividemix": ON_TEN_CLASSES["dividemix"],
}  # fmt: skip
"""Recipes as published, for the whole set on a GPU; where they differ from CIFAR-10N's, with their source."""


class Cifar100N(MethodsTable):
    """Cross-entropy, ELR, NTS and, at full scale, SOP+ and DivideMix on CIFAR-100N's human labels."""

    set_name = "CIFAR-100N"
    recipes = RECIPES
    noises = ("noisy",)
    targets = CIFAR100N


PLUGIN = Cifar100N

"""The methods on CIFAR-10N's human labels, beside the published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rawlabel.config import ExperimentConfig
from rawlabel.experiments import SEEDS, Experiment, Row
from rawlabel.experiments._cifar10n import SMALL, cifar10n_config
from rawlabel.experiments._trials import Trial

# Recipes as published, for the whole set on a GPU. Cross-entropy: Wei et al., ICLR 2022, arXiv 2110.12088, and its
# code. ELR: Liu et al., arXiv 2007.00151. SOP+: Liu et al., arXiv 2202.14026. DivideMix: Li et al., arXiv
# 2002.07394.
_STEP = {"lr": 0.1, "epochs": 100, "decay_epochs": 60, "lr_schedule": "step"}
RECIPES: dict[str, dict[str, Any]] = {
    "cross_entropy": _STEP,
    "elr": {"method": "elr", "lr": 0.02, "weight_decay": 1e-3, "epochs": 120, "lr_schedule": "cosine",
            "method_option": ("beta=0.7", "strength=3")},
    "nts": {**_STEP, "student": True},
    "pruned": {**_STEP, "confident_learning": True},
    "sop_plus": {"method": "sop_plus", "lr": 0.02, "epochs": 300, "lr_schedule": "cosine"},
    "dividemix": {"method": "dividemix", "lr": 0.02, "batch_size": 128, "epochs": 300, "decay_epochs": 150,
                  "decay_max_epochs": 300, "lr_schedule": "step"},
}  # fmt: skip

PUBLISHED = {
    ("cross_entropy", "clean"): {"oracle": 94.2},
    ("cross_entropy", "aggregate"): {"oracle": 91.7, "last": 86.6},
    ("cross_entropy", "random1"): {"oracle": 90.2, "last": 82.0},
    ("cross_entropy", "worst"): {"oracle": 83.9, "last": 68.3},
    ("elr", "aggregate"): {"last": 92.9},
    ("elr", "random1"): {"last": 92.1},
    ("elr", "worst"): {"last": 87.8},
    ("sop_plus", "aggregate"): {"last": 95.9},
    ("sop_plus", "random1"): {"last": 95.5},
    ("sop_plus", "worst"): {"last": 92.7},
    ("dividemix", "random1"): {"last": 95.5},
    ("dividemix", "worst"): {"last": 92.5},
}
"""Test accuracies [percent] of independent repetitions with three seeds (github.com/KlemenVovk/noisy-labels)."""
TOLERANCE = 0.5
"""Percentage points within which a full-scale number counts as repeated."""


class Cifar10N(Experiment):
    """Cross-entropy, ELR, NTS and, at full scale, more on CIFAR-10N's human labels: selected, last, oracle."""

    def trials(self, config: ExperimentConfig) -> list[Trial]:
        """Each method on each label set with each seed; cross-entropy on the clean labels as well."""
        grid = [("cross_entropy", "clean")]
        methods = list(RECIPES) if config.scale == "gpu" else ["cross_entropy", "elr", "nts"]
        grid += [(method, noise) for method in methods for noise in ("aggregate", "random1", "worst")]
        return [
            Trial(f"{method}, {noise}", cifar10n_config(config, noise, f"{method}-{noise}", seed,
                                                        **self._settings(method, config.scale)))
            for method, noise in grid
            for seed in SEEDS[config.scale]
        ]  # fmt: skip

    def conclude(self, rows: Sequence[Row], config: ExperimentConfig) -> dict[str, Any]:
        """Each published number beside ours; at a smaller scale they cannot be compared, and are not."""
        if config.scale != "gpu":
            return {
                "published": "compared at --scale gpu only: the smaller scales train on other images and networks"
            }
        found = {row.name: row.summary() for row in rows}
        return {
            "published": [
                {
                    "row": f"{method}, {noise}",
                    "epoch": epoch,
                    "published": number,
                    "measured": (measured := found[f"{method}, {noise}"][epoch]["mean"]),
                    "within_tolerance": abs(measured - number) <= TOLERANCE,
                }
                for (method, noise), numbers in PUBLISHED.items()
                for epoch, number in numbers.items()
            ]
        }

    def remarks(self, table: dict[str, Any]) -> list[str]:
        """The orderings that the literature leads one to expect, and whether they came out."""
        rows = {row["row"]: row for row in table["rows"]}
        said = []
        for noise in ("aggregate", "random1", "worst"):
            plain, robust = rows[f"cross_entropy, {noise}"], rows[f"elr, {noise}"]
            student = rows[f"nts, {noise}"]
            said.append(
                f"{noise}: cross-entropy's last epoch costs {plain['oracle']['mean'] - plain['last']['mean']:.2f} "
                f"points against its oracle, the rule {plain['regret']['mean']:.2f}; ELR's last epoch is "
                f"{robust['last']['mean'] - plain['last']['mean']:+.2f} points from cross-entropy's last, and "
                f"ELR's selected epoch {robust['selected']['mean'] - plain['selected']['mean']:+.2f}, NTS's "
                f"{student['selected']['mean'] - plain['selected']['mean']:+.2f} from cross-entropy's selected"
            )
        return said

    def _settings(self, method: str, scale: str) -> dict[str, Any]:
        recipe = dict(RECIPES[method])
        if scale == "gpu":
            return {"model": "cifar_stem_resnet34", "holdout": 0.05, "batch_size": 128, **recipe}
        small = SMALL[scale]
        # The same shape of schedule in fewer epochs: the first step after 60 % of them.
        recipe.pop("epochs")
        return {**recipe, **small, "decay_epochs": max(1, round(0.6 * small["epochs"]))}


PLUGIN = Cifar10N

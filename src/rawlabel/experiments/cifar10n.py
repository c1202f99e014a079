"""The methods on CIFAR-10N's human labels, beside the published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rawlabel.config import ExperimentConfig
from rawlabel.experiments import SEEDS, Experiment, Row
from rawlabel.experiments._cifar10n import SMALL, cifar10n_config
from rawlabel.experiments._targets import as_table, compare
from rawlabel.experiments._trials import Trial

WHOLE: dict[str, Any] = {"model": "cifar_stem_resnet34", "batch_size": 128, "holdout": 0.05}
"""What the recipes share at full size, besides shifted crops and flips, momentum 0.9 and weight decay 5e-4."""

# Wei et al., ICLR 2022, arXiv 2110.12088, and github.com/UCSC-REAL/cifar-10-100n: ResNet-34 at 0.1, a tenth of it
# from epoch 60 of 100 on.
_CROSS_ENTROPY = {"lr": 0.1, "epochs": 100, "decay_epochs": 60, "lr_schedule": "step"}
RECIPES: dict[str, dict[str, Any]] = {
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

ON_FEW_EPOCHS: dict[str, dict[str, Any]] = {"elr": {"lr_schedule": "cosine", "min_lr": 0.0}}
"""What the smaller scales change in a recipe: their 30 epochs are too few for restarts."""


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
        """Each number that is wanted beside ours; smaller scales, of other images and networks, have none."""
        return {
            "images": {row.name: [(run.training_images, run.holdout_images) for run in row.runs] for row in rows},
            "wanted": compare({row.name: row.summary() for row in rows} if config.scale == "gpu" else None),
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

    def further_tables(self, table: dict[str, Any]) -> list[str]:
        """What is wanted at full size, and what came out; and what was held out in either."""
        return [
            "## What is wanted at full size",
            "",
            "Means over three seeds at scale gpu. What is wanted of the last epoch and the oracle is of runs that "
            "hold out nothing and train on 50000 images; of the rule, of runs that hold out 5 % for it. "
            f"Every row above holds out images for its rule: {_held_out(table['images'])}.",
            "",
            *as_table(table["wanted"]),
            "",
        ]

    def _settings(self, method: str, scale: str) -> dict[str, Any]:
        if scale == "gpu":
            return {**WHOLE, **RECIPES[method]}
        small = SMALL[scale]
        recipe = {key: value for key, value in RECIPES[method].items() if key != "epochs"}
        # The same shape of schedule in fewer epochs: the first step after 60 % of them.
        shorter = {"decay_epochs": max(1, round(0.6 * small["epochs"]))}
        return {**recipe, **ON_FEW_EPOCHS.get(method, {}), **small, **shorter}


def _held_out(images: dict[str, Sequence[Sequence[int | None]]]) -> str:
    """How many images the rows trained on and held out, rows with the same numbers together."""
    found: dict[tuple[int | None, ...], list[str]] = {}
    for row, counts in images.items():
        for one in dict.fromkeys(map(tuple, counts)):
            found.setdefault(one, []).append(row)
    return "; ".join(
        f"{holdout} beside {training} to train on ({'all' if len(rows) == len(images) else '; '.join(rows)})"
        for (training, holdout), rows in found.items()
    )


PLUGIN = Cifar10N

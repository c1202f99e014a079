"""The settings of `rawlabel train`: sections by what they are about, all of one level for flags and files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rawlabel.config.recipe import RECIPES, read_recipe
from rawlabel.config.training.data import DataSettings
from rawlabel.config.training.logging import LoggingSettings
from rawlabel.config.training.method import MethodSettings
from rawlabel.config.training.network import ModelSettings
from rawlabel.config.training.optimizer import OptimizerSettings
from rawlabel.config.training.placement import PlacementSettings
from rawlabel.config.training.schedule import ScheduleSettings
from rawlabel.config.training.stopping import StoppingSettings
from rawlabel.config.training.transfer import TransferSettings
from rawlabel.config.training.views import ViewSettings


class TrainConfig(
    DataSettings,
    ViewSettings,
    TransferSettings,
    ModelSettings,
    MethodSettings,
    OptimizerSettings,
    ScheduleSettings,
    StoppingSettings,
    LoggingSettings,
    PlacementSettings,
):
    """Train on raw labels and select an epoch without a clean label."""

    refused: ClassVar[dict[str, str]] = {"mix_cifar": "name the second set with --mix, and leave this key out"}
    replaced: ClassVar[dict[str, str]] = {
        "distributed": "start several processes with `torchrun --nproc-per-node N -m rawlabel train` instead",
    }

    @classmethod
    def named_defaults(cls) -> Mapping[str, Mapping[str, object]]:
        """What each recipe of `RECIPES` sets, by its name, without that name."""
        recipes = {name: read_recipe(name) for name in RECIPES}
        return {name: {key: one[key] for key in one.keys() - {"recipe"}} for name, one in recipes.items()}

    @property
    def seed_of_data(self) -> int:
        """Seed of what is drawn about the data, and not about the training."""
        return (self.seed or 0) if self.data_seed is None else self.data_seed

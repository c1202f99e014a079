"""Sections of training: transfer."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationInfo, field_validator

from rawlabel.config.declaring import Role, Section, setting
from rawlabel.config.recipe import RECIPES
from rawlabel.errors import did_you_mean


class TransferSettings(Section):
    """The recipe, and a head on the features of a frozen encoder."""

    recipe: str | None = setting(
        None,
        "Named settings, which all others here win over: transfer (a head on the features of a frozen encoder, "
        "minutes), scratch (a network of your own, hours), paper (as published, hours). By default transfer; but "
        "paper for a --config in the published form, and where --model or another setting of a network that is "
        "trained on pixels is given.",
        role=Role.PLACE,
        common=True,
    )
    encoder: str | None = setting(
        None,
        "Frozen network on whose features a head is trained, in place of --model: efficientnet_lite0, which comes "
        "with the install, any network of timm, or another that `rawlabel methods` lists.",
        common=True,
    )
    weights: Path | None = setting(
        None, "File with the weights of --encoder (.safetensors, .pth), in the layout of its library."
    )
    hidden: int = setting(0, "With --encoder: width of a hidden layer of the head; 0 for a linear head.", ge=0)
    weighing: Literal["none", "agreement", "soft"] = setting(
        "none",
        "With --encoder: what becomes of photos whose raw label neighbors and a cross-fitted head do not agree "
        "with: nothing (none), left out (agreement), or counting less (soft). No label is changed; "
        "label_weights.parquet lists each weight with its reason.",
    )
    weighing_rounds: int = setting(3, "Rounds of --weighing, each with the weights of the one before.", ge=1)
    weighing_neighbors: int = setting(50, "Neighbors that --weighing asks about each photo.", ge=1)

    @field_validator("recipe")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in RECIPES:
            raise ValueError(f"no such recipe{did_you_mean(value, RECIPES)}")
        return value

    @field_validator("weights")
    @classmethod
    def _of_an_encoder(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("encoder") is None:
            raise ValueError("goes with --encoder; name the network that the weights belong to")
        return value

    @field_validator("weighing", "hidden")
    @classmethod
    def _on_features(cls, value: str | int, info: ValidationInfo) -> str | int:
        if value not in (0, "none") and info.data.get("encoder") is None:
            raise ValueError("goes with --encoder or --recipe transfer; leave it out")
        return value

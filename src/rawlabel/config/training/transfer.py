"""Sections of training: transfer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError, ValidationInfo, field_validator

from rawlabel.config.declaring import Role, Section, setting
from rawlabel.config.recipe import MIRROR, RECIPES
from rawlabel.errors import did_you_mean

WEIGHING_POWER = 1.5
"""Power of the share that a raw label weighs: above 1, doubted labels count less."""


class HeadCandidate(Section):
    """Settings of one head that `--choose` may take."""

    method: Literal["cross_entropy", "gce"] = setting("cross_entropy", "As --method.")
    weighing: Literal["none", "agreement", "soft"] = setting("none", "As --weighing.")
    weighing_power: float = setting(WEIGHING_POWER, "As --weighing-power.", gt=0)
    weighing_rounds: int | None = setting(None, "As --weighing-rounds, which goes for those that name none.", ge=1)
    weight_decay: float = setting(0.02, "As --weight-decay.", gt=0)
    feature_scale: Literal["length", "deviation"] = setting("length", "As --feature-scale.")

    def __str__(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.model_dump(exclude_defaults=True).items())


CHOSEN = frozenset(HeadCandidate.model_fields) - {"weighing_rounds"}
"""Settings that `--choose` writes over those of a run; its rounds stay, for candidates that name none."""


def read_candidates(texts: Sequence[str]) -> list[HeadCandidate]:
    """The candidates that `--candidate` names. Raises `ValueError` for a text that is none."""
    return [_read_candidate(text) for text in texts]


def _read_candidate(text: str) -> HeadCandidate:
    given = dict(pair.partition("=")[::2] for pair in text.split())
    try:
        return HeadCandidate.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        is_unknown = first["type"] == "extra_forbidden"
        known = did_you_mean(key, HeadCandidate.model_fields) if is_unknown else f": {first['msg']}"
        raise ValueError(f"'{text}': {key}{known or ': no such setting of a head'}") from error


class TransferSettings(Section):
    """The recipe, and a head on the features of a frozen encoder."""

    recipe: str | None = setting(
        None,
        "Named settings, which all others here win over: transfer (a head on the features of a frozen encoder, "
        "minutes), finetune (all layers of it after that), scratch (a network of your own, hours), paper (as "
        "published, hours). By default that of a run that is resumed, else transfer, on a GPU finetune "
        "unless --encoder ends in +mirror; but paper for a --config in the published form, and where --model or "
        "another setting of a network that is trained on pixels is given. A recipe's own default of a "
        "setting stands behind the published one.",
        role=Role.PLACE,
        common=True,
    )
    encoder: str | None = setting(
        None,
        "Frozen network on whose features a head is trained, in place of --model: efficientnet_lite0, which comes "
        "with the install, any network of timm, or another that `rawlabel methods` lists; several with a + "
        "between them give their features side by side, and +mirror at the end means each photo's mirror image, "
        "too.",
        common=True,
    )
    weights: Path | None = setting(
        None, "File with the weights of --encoder (.safetensors, .pth), in the layout of its library."
    )
    finetune: bool = setting(
        False,
        "With --encoder: once the head is trained, by the recipe transfer and in the folder `frozen` of the run "
        "directory, go on with all layers of the encoder, on pixels.",
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
    weighing_power: float = setting(
        WEIGHING_POWER,
        "With --weighing soft: power of the share of the likeliest class's that a raw label counts; more leaves "
        "doubted labels less.",
        gt=0,
    )
    feature_scale: Literal["length", "deviation"] = setting(
        "length",
        "What a head sees with --encoder: centred features at one length a photo (length), or with one deviation "
        "a feature (deviation).",
    )
    choose: Literal["auto", "off"] = setting(
        "off",
        "With --encoder: before the training, choose --method, --weighing, --weighing-power, --weight-decay and "
        "--feature-scale among the --candidate by cross-fitted raw labels (auto), or leave them as they are. "
        "Off where one of them is given; choice.json lists each candidate's score. A --candidate may name "
        "weighing_rounds, too.",
    )
    candidate: tuple[str, ...] = setting(
        (), "Head that --choose may take, as 'weighing=soft weight_decay=0.03'; may be given several times."
    )

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

    @field_validator("candidate")
    @classmethod
    def _are_heads(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        read_candidates(value)
        return value

    @field_validator("finetune", "weighing", "hidden", "choose")
    @classmethod
    def _on_features(cls, value: str | int, info: ValidationInfo) -> str | int:
        if value not in (0, "none", "off") and info.data.get("encoder") is None:
            raise ValueError("goes with --encoder or --recipe transfer; leave it out")
        return value

    @field_validator("finetune")
    @classmethod
    def _without_mirror_images(cls, value: bool, info: ValidationInfo) -> bool:
        if value and (info.data.get("encoder") or "").endswith(MIRROR):
            raise ValueError(
                f"its views are mirrored by chance already; leave {MIRROR} out of --encoder, or use --recipe "
                "transfer"
            )
        return value

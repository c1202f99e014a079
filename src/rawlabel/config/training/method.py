"""Sections of training: method."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from rawlabel.config.declaring import Section, setting

_LOSSES = {"cross": "cross_entropy", "entropy": "cross_entropy", "l2_squared": "l2", "squared": "l2", "MSE": "l2"}


class MethodSettings(Section):
    """How raw labels are learned from."""

    method: str = setting("cross_entropy", "Training method; `rawlabel methods` lists them.", common=True)
    method_option: tuple[str, ...] = setting(
        (), "Option of the method as KEY=VALUE, such as q=0.7; may be given several times."
    )
    loss: Literal["cross_entropy", "l2", "cross", "entropy", "l2_squared", "squared", "MSE"] = setting(
        "cross_entropy",
        "Loss of --method cross_entropy: its own, or the mean squared error between logits and one-hot labels "
        "(l2); the others are the published spellings of these two.",
    )
    ema: float = setting(
        0.0,
        "With any method: decay a step of an exponential moving average of the weights, which predicts in their "
        "place; 0.999 is usual, 0 keeps none.",
        ge=0,
        lt=1,
    )
    student: bool = setting(
        False,
        "With any method: train a teacher first, in the folder `teacher` of the run directory, and then a student "
        "on the labels that the teacher's selected epoch predicts (NTS).",
    )
    confident_learning: bool = setting(
        False,
        "With any method: first train a network on the complement of each fold of the training images, in the "
        "folder `folds` of the run directory, and leave out the images whose labels confident learning then "
        "doubts; confident_learning.parquet lists them.",
    )
    folds: int = setting(
        2,
        "Folds of --confident-learning; each costs a training, and images of one author are in one fold [folds].",
        ge=2,
        le=20,
    )

    @field_validator("loss", mode="before")
    @classmethod
    def _published_loss(cls, value: Any) -> Any:
        """The published trainer's names of the two losses."""
        return _LOSSES.get(value, value) if isinstance(value, str) else value

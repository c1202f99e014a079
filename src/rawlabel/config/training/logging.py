"""Sections of training: logging."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from rawlabel.config.declaring import Role, Section, setting


class LoggingSettings(Section):
    """What is measured, kept and shown on the way."""

    train_accuracy: tuple[Literal["probe", "full", "augmented"], ...] = setting(
        ("probe",),
        "Accuracy on the training images to measure after each epoch, beside the running one: of a fixed part of "
        "them, of all, or of all on random views (as published); may be given several times.",
    )
    probe_images: int = setting(2000, "Images of the probe, an equal share of each class [images].", ge=1)
    keep_predictions: bool = setting(
        True,
        "Keep what the network said of each training image in each epoch, in the folder `training_predictions` of "
        "the run directory: what evidence about the labels is made from, at up to 2 bytes an image and epoch.",
        role=Role.PLACE,
    )
    track_correct: bool = setting(
        False,
        "Write which test images the last measured epoch got right to correct.json in the run directory.",
        role=Role.PLACE,
    )
    track_weights: Literal["norm", "change", "filters"] | None = setting(
        None,
        "Log after each epoch, for each layer, the norm of the weights (`w_norm`; the flag alone means this), "
        "their mean change (`weight_change`), or that and the change of each filter in filter_weights/.",
        bare="norm",
    )
    compute_jacobian: bool = setting(
        False,
        "Log after each epoch, for each layer, the norm of the product of the network's Jacobian and a "
        "random vector (`J_norm`).",
    )
    print_freq: int | None = setting(
        None,
        "Print time, loss and accuracy of every so many steps to the standard output [steps].",
        ge=1,
        role=Role.PLACE,
    )
    logger: tuple[str, ...] = setting(
        (),
        "Where to show each epoch as well: tensorboard (`pip install 'rawlabel[tensorboard]'`) or wandb "
        "(`rawlabel[wandb]`; offline unless WANDB_MODE is online and WANDB_API_KEY is set); may be given several "
        "times.",
        role=Role.PLACE,
    )
    details: str | None = setting(None, "Words about the experiment, kept in config.json.", role=Role.PLACE)

    @field_validator("track_weights", mode="before")
    @classmethod
    def _published_tracks(cls, value: Any) -> Any:
        """The published trainer's files say false, null or "" for nothing, and true for norms."""
        if isinstance(value, bool):
            return "norm" if value else None
        return None if value == "" else value

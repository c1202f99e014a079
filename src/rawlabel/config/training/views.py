"""Sections of training: views."""

from __future__ import annotations

from typing import Literal

from rawlabel.config.declaring import Section, setting


class ViewSettings(Section):
    """What the network sees of an image."""

    image_size: int = setting(224, "Side of the square images that the network sees [pixels].", ge=8, common=True)
    progressive_from: int = setting(
        0,
        "Side of the training views in the first epoch, from which it grows to --image-size over the first three "
        "quarters of the epochs; 0 keeps one size [pixels].",
        ge=0,
    )
    augment: Literal["auto", "resized_crop", "resized_crop_only", "crop_flip", "crop", "flip", "none"] = setting(
        "auto",
        "Training augmentation: random resized crop with or without flip, shifted crop with or without (for "
        "digits and letters) flip, flip alone, or none; auto takes crop_flip up to 64 pixels and resized_crop "
        "above.",
    )
    norandomcrop: bool = setting(False, "Leave the random crop out of the augmentation.")
    norandomflip: bool = setting(False, "Leave the random flip out of the augmentation.")

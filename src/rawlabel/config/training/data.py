"""The data of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import Role, Section, pixel_limit, setting


class DataSettings(Section):
    """What is learned from: images, raw labels, the split, and what is made wrong on purpose."""

    root: Path = setting(
        Path("project"),
        "Folder that holds the data: a project, or class-folder trees.",
        role=Role.PLACE,
        common=True,
    )
    main: str | None = setting(
        None,
        "Training data under --root: a folder of class folders, a manifest, or another format that `rawlabel "
        "formats` lists; by default the newest manifest of the project, else `candidate`.",
        also="main_file",
        role=Role.PLACE,
        common=True,
    )
    test: str | None = setting(
        None,
        "Test set under --root whose accuracy is logged after each epoch, for people and the oracle only.",
        also="test_file",
        role=Role.PLACE,
        common=True,
    )
    sub: str | None = setting(
        None,
        "A second test set under --root, logged as `subset`, for people only.",
        also="sub_file",
        role=Role.PLACE,
    )
    overlap: Literal["auto", "leave-out", "keep"] = setting(
        "auto",
        "What becomes of training images that are copies of test images: leave-out; keep, where they are told; or "
        "auto, which leaves them out except where the published numbers are to be repeated (--recipe paper).",
        role=Role.PLACE,
        common=True,
    )
    partial_test: bool = setting(
        False,
        "Measure also on a test set that lacks training classes, on the classes it has, which are named.",
        role=Role.PLACE,
    )
    max_megapixels: float = pixel_limit()
    label_column: str | None = setting(None, "Column of the raw labels, where the training data is a table.")
    test_label_column: str | None = setting(
        None, "Column of the labels, where the test set is a table.", role=Role.PLACE
    )
    image_column: str | None = setting(None, "Column of the images, where the data is a table.")
    select_classes: tuple[str | int, ...] = setting(
        (), "Class to train on, by its name or its index; may be given several times; by default all."
    )
    num_classes: int | None = setting(None, "Train on the first so many classes; by default all.", ge=2)
    min_allowed_images: int = setting(
        0, "Leave out classes with fewer images than this.", ge=0, also="min_allowed_imgs"
    )
    holdout: float = setting(
        0.1,
        "Share held out of class folders, for the stopping rule [0 to 1]; a manifest brings its own split.",
        ge=0,
        lt=1,
    )
    data_seed: int | None = setting(
        None,
        "Seed of the split, of --train-size and of injected noise; by default --seed, or 0 without one, so that a "
        "run without a seed has its data again.",
        ge=0,
    )
    train_size: int = setting(
        0, "Size of a random subset of the training images, drawn by the seed; 0 takes all.", ge=0
    )
    inject_noise: float = setting(
        0.0,
        "Make this share of the labels wrong on purpose, in training images and holdout alike [0 to 1].",
        ge=0,
        le=1,
    )
    noise_kind: str = setting(
        "symmetric",
        "Kind of injected noise; `rawlabel methods` lists them. Of those that replace photos, off_topic is for "
        "`rawlabel noise`, and mix is --mix.",
    )
    noise_option: tuple[str, ...] = setting(
        (), "Option of the kind of noise as KEY=VALUE; may be given several times."
    )
    mix: str | None = setting(
        None, "A second set under --root, whose images replace a share of each class's on purpose."
    )
    mix_rate: float = setting(0.04, "Share of each class that --mix replaces [0 to 1].", ge=0, le=1)

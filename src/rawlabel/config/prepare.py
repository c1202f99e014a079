"""The settings of `rawlabel prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import Section, setting


class PrepareConfig(Section):
    """Sort a published data set into class folders: OUT/train/CLASS and OUT/test/CLASS.

    Killed at any moment, the same command goes on. Exit code 0: all is there; 1: the folders are written, but the
    source lacks photos, and the output says which; 2: the source cannot be used.
    """

    dataset: Literal["imagenet"] | None = setting(
        None, "The data set: imagenet (ILSVRC2012, whose validation photos become the test set).", positional=True
    )
    source: Path | None = setting(
        None,
        "Folder with the official files (ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and "
        "ILSVRC2012_devkit_t12.tar.gz), Kaggle's tree, or class folders `train` and `val`.",
        positional=True,
    )
    out: Path | None = setting(None, "Folder that gets `train` and `test`.")
    classes: str = setting("all", "Classes to take: all, paper-100, paper-135, or a class file with WordNet ids.")
    part: Literal["train,test", "train", "test"] = setting("train,test", "What to prepare.")
    link: Literal["hard", "copy", "symlink"] = setting(
        "hard",
        "How photos of an unpacked source get to OUT: as hard links (as copies where the disk has none), copies "
        "or symbolic links. Photos of archives are always written.",
    )

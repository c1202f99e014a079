"""The settings of `rawlabel build`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import field_validator

from rawlabel.config.declaring import Section, setting
from rawlabel.config.recipe import RECIPES
from rawlabel.errors import did_you_mean


class BuildConfig(Section):
    """Make a measured classifier of class names: plan, collect, curate, train by a recipe, report.

    Killed or stopped anywhere, the same command goes on. A --config may hold a table for each stage ([collect],
    [curate], [train], [evaluate], [labels], [report]) with any setting of that verb; the flags here are what most
    need.
    """

    stages: ClassVar[tuple[str, ...]] = ("collect", "curate", "train", "evaluate", "labels", "report")

    names: tuple[str, ...] = setting(
        (), "Names of the classes ('barn owl'), WordNet ids, or one class file.", positional=True
    )
    project: Path = setting(Path("project"), "Folder that gets everything.")
    contact: str | None = setting(
        None, "E-mail or web address that the user agent names to the sites; some ask for it."
    )
    source: tuple[str, ...] = setting(
        (), "Where to search, by default commons; may be given several times. `rawlabel sources` lists them."
    )
    input: Path | None = setting(
        None, "Tree of images, table of addresses or manifest that the sources folder, urls and manifest read."
    )
    per_class: int | None = setting(
        None,
        "Good photos to gather for each class; by default 500, of the source folder all; 0 takes all there are.",
        ge=0,
    )
    recipe: str | None = setting(
        None,
        "How to train: transfer (minutes, the default), finetune (the default on a GPU), scratch or "
        "paper (hours); see `rawlabel train --help`.",
    )
    test: Path | None = setting(
        None, "Folder of class folders with clean test photos, if you have any: measured at the end, for people."
    )
    yes: bool = setting(
        False,
        "Start also where the plan is large (above 20,000 photos, 5 gigabytes or an hour of a site's quota), "
        "without asking.",
    )
    collect: dict[str, object] = setting({}, "Settings of `rawlabel collect`.")
    curate: dict[str, object] = setting({}, "Settings of `rawlabel curate`.")
    train: dict[str, object] = setting({}, "Settings of `rawlabel train`.")
    evaluate: dict[str, object] = setting({}, "Settings of `rawlabel evaluate`.")
    labels: dict[str, object] = setting({}, "Settings of `rawlabel labels`.")
    report: dict[str, object] = setting({}, "Settings of `rawlabel report`.")

    @field_validator("recipe")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in RECIPES:
            raise ValueError(f"no such recipe{did_you_mean(value, RECIPES)}")
        return value

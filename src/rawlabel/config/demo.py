"""The settings of `rawlabel demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from rawlabel.config.declaring import Section, setting


class DemoConfig(Section):
    """Run the whole chain on a simulated photo site: no key, no network, no GPU."""

    out: Path = setting(Path("demo"), "Folder that gets everything the demo makes.")
    seed: int = setting(0, "Seed of the site, the split and the training.", ge=0)
    seeds: int = setting(1, "Chains to run, on seeds counted up from --seed; several also make a table.", ge=1)
    photos: Path | None = setting(
        None, "Folder tree of photos for the site (folder name = keyword); by default the built-in digits."
    )
    test_photos: Path | None = setting(
        None, "With --photos: folder tree of clean test photos with the same folder names."
    )
    per_class: int | None = setting(
        None, "Search results of each class; by default 250 built-in ones, or as many as --photos allow.", ge=20
    )
    recipe: Literal["transfer", "scratch"] | None = setting(
        None,
        "What is trained: transfer (a head on the features of a frozen encoder, beside a plain one that shows why "
        "the epoch is chosen) or scratch (a small network of its own); by default transfer, and scratch where "
        "--model or --image-size is given.",
    )
    noise: float = setting(0.4, "Share of search results whose content is not the keyword's [0 to 1].", ge=0, lt=1)
    model: str | None = setting(
        None, "Network of scratch; by default cifar_resnet20 for digits, resnet18 for --photos."
    )
    image_size: int | None = setting(
        None,
        "Side of the images that the network of scratch sees [pixels]; by default 24 for digits, 64 for --photos.",
        ge=8,
    )
    epochs: int = setting(40, "Passes through the training data [epochs].", ge=3)

    @model_validator(mode="after")
    def _settle_recipe(self) -> Self:
        """Settle which recipe it is, so that it is saved by its name."""
        if self.recipe is None:
            object.__setattr__(self, "recipe", "scratch" if self.model or self.image_size else "transfer")
        return self

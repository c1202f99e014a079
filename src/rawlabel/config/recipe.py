"""Recipes: settings of training under a name, each a readable file in `recipes/`. Whatever else is given wins."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rawlabel.errors import ConfigError

HasGpu = Callable[[], bool]
"""Whether this machine has a GPU to train on; handed in from above, since it takes torch to know."""
_FOLDER = Path(__file__).parent / "recipes"
RECIPES = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
"""The names of all."""
FROM_PIXELS = frozenset(
    {
        "model", "pretrained", "network_config", "num_planes", "image_size", "augment", "progressive_from",
        "norandomcrop", "norandomflip", "compute_jacobian", "resume", "start_epoch",
    }
)  # fmt: skip
"""Settings that speak of a network which is trained on pixels."""

VIEWS = frozenset({"augment", "progressive_from", "norandomcrop", "norandomflip"})
"""Those of them that an encoder heeds which is fine-tuned."""


def read_recipe(name: str) -> dict[str, object]:
    """The settings of a recipe of `RECIPES`, and its name under `recipe`."""
    return {**tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8")), "recipe": name}


def usual_recipe(given: Mapping[str, Any], has_gpu: HasGpu, *, is_published_form: bool) -> str:
    """The recipe of settings that name none: that of the run that goes on; what was published stays as it was.

    Raises `ConfigError` where nothing but a run that is not there says that pixels are meant.
    """
    resume = given.get("resume")
    if (resumed := _recipe_of_run(resume)) is not None:
        return resumed
    from_pixels = FROM_PIXELS & given.keys()
    if is_published_form or from_pixels - {"resume", "start_epoch"}:
        return "paper"
    if resume and not Path(resume).exists():
        raise ConfigError(
            f"--resume: {resume}: no such run or checkpoint; name a run directory, or leave it out to train anew"
        )
    if from_pixels:
        return "paper"
    return "finetune" if given.get("device", "auto") != "cpu" and has_gpu() else "transfer"


def run_of(resume: str | Path) -> Path:
    """The directory of the run that --resume means, by its name or by that of a file of its `checkpoints/`."""
    path = Path(resume)
    return path if path.is_dir() else path.parent.parent


def _recipe_of_run(resume: object) -> str | None:
    """The recipe of the run that `resume` means; None where none is told."""
    if not isinstance(resume, str | Path):
        return None
    try:
        saved = json.loads((run_of(resume) / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None  # Whoever goes on from there says what is wrong with it.
    recipe = saved.get("recipe") if isinstance(saved, dict) else None
    return recipe if recipe in RECIPES else None

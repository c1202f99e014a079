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
HeedsWeights = Callable[[str], bool]
"""Whether the training method of this name heeds what a label weighs; handed in from above for the same reason."""
Place = Path | str
"""Where settings stand that are no flags: the file, or the table of one."""
_FOLDER = Path(__file__).parent / "recipes"
RECIPES = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
"""The names of all."""
MIRROR = "+mirror"
"""At the end of an encoder's name: features are the mean of those of photo and mirror image."""
FROM_PIXELS = frozenset(
    {
        "model", "pretrained", "network_config", "num_planes", "image_size", "augment", "progressive_from",
        "norandomcrop", "norandomflip", "compute_jacobian", "resume", "start_epoch",
    }
)  # fmt: skip
"""Settings that speak of a network which is trained on pixels."""

VIEWS = frozenset({"augment", "progressive_from", "norandomcrop", "norandomflip"})
"""Those of them that an encoder heeds which is fine-tuned."""

_WRITTEN_BY_RUNS = frozenset(
    {"model", "pretrained", "num_planes", "image_size", "norandomcrop", "norandomflip", "resume", "start_epoch"}
)
"""Those of them by which a run's own file is known: every version writes all, and a person hardly ever would.

None is to be added, or files of older versions would be taken for a person's.
"""

_ABOUT_STEPS = frozenset({"resume", "start_epoch"})
"""Those of them that a head heeds as well."""


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
    is_head = given.get("encoder") is not None
    if not is_head and (is_published_form or from_pixels - _ABOUT_STEPS):
        return "paper"
    if resume and not Path(resume).exists():
        raise ConfigError(
            f"--resume: {resume}: no such run or checkpoint; name a run directory, or leave it out to train anew"
        )
    if from_pixels and not is_head:
        return "paper"
    if str(given.get("encoder", "")).endswith(MIRROR):
        return "transfer"  # fine-tuning mirrors views by chance, and refuses it
    may_finetune = given.get("finetune") is not False and given.get("device", "auto") != "cpu"
    return "finetune" if may_finetune and has_gpu() else "transfer"


def refuse_pixels(
    recipe: Mapping[str, object], from_file: Mapping[str, Any], flags: Mapping[str, Any], file: Place | None
) -> None:
    """Raise `ConfigError` for a `recipe` that has no encoder beside one, and for what is not heeded with one.

    `from_file` are the settings that stand in `file`. One that has all of `_WRITTEN_BY_RUNS` was written by a run,
    which had its encoder beside settings that it did not heed.
    """
    given = {**recipe, **from_file, **flags}
    if given.get("encoder") is None:
        return
    written_by_run = from_file.keys() >= _WRITTEN_BY_RUNS and from_file.get("encoder") is not None
    unheeded = FROM_PIXELS - _ABOUT_STEPS - (VIEWS if given.get("finetune") else set())
    stated = {} if written_by_run else {key: one for key, one in from_file.items() if one is not None}
    if "encoder" not in recipe and ("encoder" in flags or "recipe" in flags or not written_by_run):
        takers = " or ".join(f"--recipe {one}" for one in RECIPES if "encoder" in read_recipe(one))
        raise ConfigError(
            f"{spelled('encoder', None if 'encoder' in flags else file)}: recipe {recipe['recipe']} trains a "
            f"network on pixels; with an encoder, use {takers}, or leave it out"
        )
    for named, place in ((flags, None), (stated, file)):
        if refused := unheeded & named.keys():
            raise ConfigError(
                f"{spelled(min(refused), place)}: is about a network that is trained on pixels, and "
                f"{_encoder_by(recipe, from_file, flags)}"
            )


def spelled(key: str, file: Place | None) -> str:
    """How a message names a setting: by the file (or table) in which it stands, or as the flag."""
    if file is None:
        return f"--{key.replace('_', '-')}"
    return f"{file}: {key}" if isinstance(file, Path) else f"{file} {key}"


def _encoder_by(recipe: Mapping[str, object], from_file: Mapping[str, Any], flags: Mapping[str, Any]) -> str:
    """What asks for an encoder, and the way out."""
    without = " without --encoder" if "encoder" in {*from_file, *flags} else ""
    return (
        f"--recipe {recipe['recipe']} starts from an encoder, which brings network and views of its own; leave it "
        f"out, or use --recipe scratch{without}"
    )


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

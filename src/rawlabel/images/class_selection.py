"""Some of the classes, and some of the images: `--select-classes`, `--num-classes`, `--min-allowed-images`,
`--train-size`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError, DataError, did_you_mean
from rawlabel.images.input import InputSet

_SUBSET = 101
"""Names the stream of random numbers, so that no other use of the seed draws the same ones."""


def keep_classes(found: InputSet, config: TrainConfig, path: Path) -> InputSet:
    """`found` with the classes that `config` asks for, in that order, and their images.

    Raises `ConfigError` for a class that is not there, `DataError` when too few are left.
    """
    kept = _wanted(found.class_ids, config, path)
    if config.min_allowed_images:
        counts = np.bincount(found.images.labels, minlength=len(found.class_ids))
        kept = [index for index in kept if counts[index] >= config.min_allowed_images]
        if len(kept) < 2:
            raise DataError(
                f"{path}: only {len(kept)} classes have {config.min_allowed_images} images; "
                "lower --min-allowed-images"
            )
    if kept == list(range(len(found.class_ids))):
        return found
    new_index = np.full(len(found.class_ids), -1, dtype=np.int64)
    new_index[kept] = np.arange(len(kept))
    rows = np.flatnonzero(new_index[found.images.labels] >= 0)
    images = found.images.select(rows)
    return replace(
        found,
        class_ids=tuple(found.class_ids[index] for index in kept),
        images=replace(images, labels=new_index[images.labels]),
        is_held_out=None if found.is_held_out is None else found.is_held_out[rows],
    )


def random_subset(rows: npt.NDArray[np.int64], config: TrainConfig) -> npt.NDArray[np.int64]:
    """`--train-size` of the training rows, at random by the seed, in their order; all of them without."""
    if not config.train_size or config.train_size >= len(rows):
        return rows
    rng = np.random.default_rng([config.seed_of_data, _SUBSET])
    return np.sort(rng.choice(rows, config.train_size, replace=False))


def _wanted(class_ids: tuple[str, ...], config: TrainConfig, path: Path) -> list[int]:
    """Indices of the classes asked for; by name, or as the published trainer does it, by index."""
    if config.select_classes:
        wanted: list[int] = []
        for one in map(str, config.select_classes):
            if one in class_ids:
                wanted.append(class_ids.index(one))
            elif one.isdecimal() and int(one) < len(class_ids):
                wanted.append(int(one))
            else:
                raise ConfigError(
                    f"--select-classes {one}: {path} has no such class{did_you_mean(one, class_ids)}"
                )
        return list(dict.fromkeys(wanted))
    if config.num_classes is not None:
        if config.num_classes > len(class_ids):
            raise ConfigError(f"--num-classes: {path} has {len(class_ids)} classes, not {config.num_classes}")
        return list(range(config.num_classes))
    return list(range(len(class_ids)))

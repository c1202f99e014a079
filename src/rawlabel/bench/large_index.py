"""Times the first batch of a very large index: what a user waits for before training begins, imports aside."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rawlabel.bench.trees import class_name
from rawlabel.errors import ConfigError
from rawlabel.files import disk_errors

_CLASSES = 10
_PER_FOLDER = 10_000
BATCH = 64


def make_index(cache: Path, num_images: int, original: Path) -> Path:
    """Class folders with `num_images` names, all hard links to a few copies of one image. Raises `DiskError`."""
    folder = cache / f"index-{num_images}"
    mark = folder / "complete"
    if mark.is_file():
        return folder
    data = original.read_bytes()
    with disk_errors(folder):
        for label in range(_CLASSES):
            part = folder / "train" / class_name(label)
            part.mkdir(parents=True, exist_ok=True)
            for number in range(num_images // _CLASSES):
                # File systems limit the names of one file (65,000 on ext4).
                path = part / f"{number:07d}.jpg"
                if number % _PER_FOLDER == 0:
                    path.write_bytes(data)
                    first = path
                elif not path.exists():
                    os.link(first, path)
        mark.write_text("")
    return folder


def time_first_batch(root: Path, main: str, image_size: int, workers: int) -> dict[str, Any]:
    """Seconds from the imports to the first training batch of the data at `root`/`main`, in a fresh process."""
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe()
    process = context.Process(target=_first_batch, args=(there, root, main, image_size, workers))
    process.start()
    there.close()
    try:
        seconds: dict[str, Any] = here.recv()
    except EOFError as error:
        process.join()
        raise ConfigError(f"{root}: timing the first batch ended with exit code {process.exitcode}") from error
    process.join()
    return seconds


def _first_batch(pipe: Connection, root: Path, main: str, image_size: int, workers: int) -> None:
    from rawlabel.config import TrainConfig
    from rawlabel.train.data import load_training_data
    from rawlabel.train.images import Images, Transform
    from rawlabel.train.loader import Loader

    started = time.perf_counter()
    config = TrainConfig(root=root, main=main, holdout=0.1, seed=0, workers=workers, image_size=image_size)
    data = load_training_data(config)
    indexed = time.perf_counter()
    transform = Transform.choose(config.image_size, config.augment)
    loader = Loader(Images(data.train.source, transform.stored_side, workers), transform, BATCH, 0, workers)
    next(iter(loader.epoch(0)))
    ended = time.perf_counter()
    loader.close()
    pipe.send(
        {
            "images": len(data.train) + len(data.holdout),
            "index_seconds": round(indexed - started, 3),
            "first_batch_seconds": round(ended - started, 3),
        }
    )

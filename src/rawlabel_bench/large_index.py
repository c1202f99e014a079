"""Times the first batch of a very large index: what a user waits for before training begins, imports aside.

Of class folders, it is the index and the loader that are timed; of a pack, the whole of `rawlabel train` until its
first step.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from rawlabel.base.files import atomic_write, disk_errors, write_json
from rawlabel.base.spawning import forkserver_context
from rawlabel.errors import ConfigError
from rawlabel_bench.report_records import FirstBatchTimes
from rawlabel_bench.trees import class_name

_CLASSES = 10
_PER_FOLDER = 10_000
BATCH = 64
PACKED_SIDE = 8
"""Of the images in a generated pack [pixels]."""


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


def make_pack(cache: Path, num_images: int) -> Path:
    """A pack of `num_images` tiny images, as `rawlabel pack --mode raw` would have made it. Raises `DiskError`."""
    from rawlabel.images.packed_images import INDEX

    folder = cache / f"pack-{num_images}"
    if (folder / "pack.json").is_file():
        return folder
    random, nbytes = np.random.default_rng(0), PACKED_SIDE**2 * 3
    labels = np.arange(num_images) * _CLASSES // num_images
    names = [f"{class_name(label)}/{row:07d}.png\n" for row, label in enumerate(labels.tolist())]
    index = np.zeros(num_images, INDEX)
    index["offset"] = np.arange(num_images) * nbytes
    index["nbytes"], index["height"], index["width"], index["is_pixels"] = nbytes, PACKED_SIDE, PACKED_SIDE, 1
    index["label"], index["split"] = labels, -1
    index["key"] = random.integers(0, 2**64, num_images, dtype=np.uint64)
    index["name_end"] = np.cumsum([len(name) for name in names])
    with atomic_write(folder / "images.bin") as stream:
        stream.write(random.bytes(num_images * nbytes))
    with atomic_write(folder / "names.txt") as stream:
        stream.write("".join(names).encode())
    with atomic_write(folder / "index.npy") as stream:
        np.save(stream, index)
    write_json(folder / "classes.json", [class_name(label) for label in range(_CLASSES)])
    write_json(folder / "pack.json", {"fingerprint": f"made up, {num_images}"})
    return folder


def time_first_batch(root: Path, main: str, image_size: int, workers: int) -> FirstBatchTimes:
    """Seconds from the imports to the first training batch of the data at `root`/`main`, in a fresh process."""
    return _in_fresh_process(_first_batch, root, main, image_size, workers)


def time_first_step(root: Path, main: str, image_size: int, workers: int, out: Path) -> FirstBatchTimes:
    """Seconds that `rawlabel train` takes from its imports to the first step, in a fresh process.

    It writes what there is of the run until then to `out`.
    """
    return _in_fresh_process(_first_step, root, main, image_size, workers, out)


def _in_fresh_process(measure: Callable[..., None], root: Path, *arguments: object) -> FirstBatchTimes:
    """What `measure` sends through the pipe that it is given first."""
    context = forkserver_context()
    here, there = context.Pipe()
    process = context.Process(target=measure, args=(there, root, *arguments))
    process.start()
    there.close()
    try:
        times: FirstBatchTimes = here.recv()
    except EOFError as error:
        process.join()
        raise ConfigError(f"{root}: timing the first batch ended with exit code {process.exitcode}") from error
    process.join()
    return times


def _first_batch(pipe: Connection, root: Path, main: str, image_size: int, workers: int) -> None:
    from rawlabel.config import TrainConfig
    from rawlabel.images.decoding import Images, Transform
    from rawlabel.images.loader import Loader
    from rawlabel.training.data import load_training_data

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


def _first_step(pipe: Connection, root: Path, main: str, image_size: int, workers: int, out: Path) -> None:
    from rawlabel.config import TrainConfig
    from rawlabel.models.networks.building import build_network
    from rawlabel.training.loop import Trainer
    from rawlabel.training.stage import train

    # The libraries of networks are imported with the first one.
    build_network("cifar_resnet8", _CLASSES)

    class HasBegun(Exception):
        """Ends the run where it would make its first step."""

    def begin(trainer: Trainer, batch: Any) -> None:
        counts.extend((len(trainer.data.train), len(trainer.data.holdout)))
        raise HasBegun

    counts: list[int] = []
    config = TrainConfig(
        root=root, main=main, outpath=out, model="cifar_resnet8", image_size=image_size, batch_size=BATCH,
        holdout=0.1, seed=0, workers=workers, device="cpu",
    )  # fmt: skip
    started = time.perf_counter()
    with patch.object(Trainer, "train_step", begin), suppress(HasBegun):
        train(config)
    seconds = time.perf_counter() - started
    pipe.send({"images": sum(counts), "first_batch_seconds": round(seconds, 3)})

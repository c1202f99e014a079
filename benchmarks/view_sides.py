"""What views of an image cost and bring: heads on the packaged encoder's features by the side of its views.

Flower photos as they are and made small, and CIFAR-10N's images of 32 pixels; clean labels and raw ones (uniform
noise of 40 % for the flowers, the worst human labels of CIFAR-10N). One view a photo, on one thread. A logistic
regression stands on the features, at the best of four strengths, which is picked on the test images, for all sides
alike.

    python benchmarks/view_sides.py --flowers FLOWERS --cifar10n CIFAR10N --work WORK

`FLOWERS` holds class folders under `train` and `test`, `CIFAR10N` train.parquet and test.parquet. Features are
kept under WORK, so the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow.parquet as pq
import torch
from _tables import origin, write_tables
from PIL import Image
from sklearn.linear_model import LogisticRegression

from rawlabel.models.encoder import Encoder, fitted_encoder, load_encoder
from rawlabel.models.transfer.agreement import directions

SIDES = (96, 160, 224, 288)
STRENGTHS = (0.3, 1, 3, 10)
_TRAIN, _TEST = 3000, 1500
"""Images of CIFAR-10N, the first ones."""
_BATCH, _NOISE, _SEED = 32, 0.4, 20
Part = tuple[list[np.ndarray], np.ndarray, np.ndarray]
"""Images, clean labels, raw labels."""


class Judged(TypedDict):
    """One set on views of one side."""

    images: str
    side: int
    milliseconds: float
    """Of one thread for an image's features."""
    clean: list[float]
    raw: list[float]
    """Test accuracy [%] at each of `STRENGTHS`."""


def flowers(folder: Path, shorter: int | None) -> Iterator[Part]:
    """Training and test photos, made so small that the shorter side has `shorter` pixels, as JPEG."""
    for part in ("train", "test"):
        paths = sorted((folder / part).glob("*/*.jpg"))
        classes = sorted({path.parent.name for path in paths})
        labels = np.array([classes.index(path.parent.name) for path in paths])
        rng = np.random.default_rng(_SEED)
        moved = (labels + rng.integers(1, len(classes), len(labels))) % len(classes)
        raw = np.where(rng.random(len(labels)) < _NOISE, moved, labels)
        yield [_small(Image.open(path).convert("RGB"), shorter) for path in paths], labels, raw


def _small(photo: Image.Image, shorter: int | None) -> np.ndarray:
    if shorter is None:
        return np.asarray(photo)
    scale, stream = shorter / min(photo.size), io.BytesIO()
    size = (round(photo.width * scale), round(photo.height * scale))
    photo.resize(size, Image.Resampling.LANCZOS).save(stream, "JPEG", quality=90)
    return np.asarray(Image.open(stream).convert("RGB"))


def cifar10n(folder: Path) -> Iterator[Part]:
    """The first training and test images."""
    for part, count in (("train", _TRAIN), ("test", _TEST)):
        table = pq.read_table(folder / f"{part}.parquet").slice(0, count)
        files = table["image"].combine_chunks().field("bytes").to_pylist()
        clean = table["clean_label" if part == "train" else table.column_names[-1]].to_numpy()
        raw = table["worst_label"].to_numpy() if part == "train" else clean
        yield [np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in files], clean, raw


def features(encoder: Encoder, images: Sequence[np.ndarray]) -> np.ndarray:
    """Features [images, features], in bfloat16."""
    network = encoder.network.to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(one)[:, None, None] for one in (encoder.mean, encoder.std))
    found = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(images), _BATCH):
            views = np.stack([encoder.view(one) for one in images[start : start + _BATCH]])
            batch = (torch.from_numpy(views).permute(0, 3, 1, 2).float() / 255 - mean) / std
            found.append(network(batch.contiguous(memory_format=torch.channels_last)).float())
    return torch.cat(found).numpy()


def kept(path: Path, side: int, parts: list[Part]) -> dict[str, np.ndarray]:
    """The features of training and test images with their labels, from `path` or made now."""
    if not path.exists():
        encoder, began = load_encoder(f"efficientnet_lite0@{side}"), time.process_time()
        (train, clean, raw), (test, true, _) = parts
        values = {"train": features(encoder, train), "test": features(encoder, test)}
        seconds = time.process_time() - began
        np.savez(path, **values, clean=clean, raw=raw, true=true, seconds=seconds)
    with np.load(path) as found:
        return dict(found)


def judge(images: str, side: int, found: dict[str, np.ndarray]) -> Judged:
    """Accuracies of the heads."""
    mean = found["train"].mean(axis=0)
    train, test = directions(found["train"], mean), directions(found["test"], mean)

    def accuracies(labels: np.ndarray) -> list[float]:
        heads = [LogisticRegression(C=one, max_iter=200).fit(train, labels) for one in STRENGTHS]
        return [float(100 * (head.predict(test) == found["true"]).mean()) for head in heads]

    milliseconds = 1000 * float(found["seconds"]) / (len(train) + len(test))
    return {"images": images, "side": side, "milliseconds": milliseconds,
            "clean": accuracies(found["clean"]), "raw": accuracies(found["raw"])}  # fmt: skip


def main() -> None:
    """Measure what lacks, and write table.json and table.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    for name in ("flowers", "cifar10n", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rows: list[Judged] = []
    sets = {"CIFAR-10N, 32 pixels": cifar10n(asked.cifar10n)}
    sets |= {f"flowers, {one or 'whole'}{' pixels' if one else ''}": flowers(asked.flowers, one)
             for one in (32, 64, None)}  # fmt: skip
    for images, made in sets.items():
        parts = list(made)
        for side in SIDES:
            path = asked.work / f"{images.replace(', ', '-').replace(' ', '-')}-{side}.npz"
            rows.append(judge(images, side, kept(path, side, parts)))
        usual = float(np.median([min(one.shape[:2]) for one in parts[0][0]]))
        fitting = fitted_encoder("efficientnet_lite0@fit", lambda usual=usual: usual)
        for row in rows[-len(SIDES) :]:
            row["images"] += " (fits)" if fitting.endswith(f"@{row['side']}") else ""
        command = "python benchmarks/view_sides.py --flowers FLOWERS --cifar10n CIFAR10N --work WORK"
        write_tables(asked.work, origin(command) | {"strengths": STRENGTHS, "rows": rows}, page(rows))


def page(rows: Sequence[Judged]) -> list[str]:
    """One row a set and side."""
    lines = [
        "Test accuracy [%] of a logistic regression on features of `efficientnet_lite0@SIDE`, with clean labels "
        "and with raw ones (flowers: uniform noise of 40 %; CIFAR-10N: its worst human labels), at the best of "
        "four strengths, picked on the test images for all sides alike. `(fits)` is the side that `@fit` takes.",
        "",
        "| images | side | clean labels | raw labels | milliseconds an image, one thread |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        best = f"{max(row['clean']):.1f} | {max(row['raw']):.1f}"
        lines.append(f"| {row['images']} | {row['side']} | {best} | {row['milliseconds']:.1f} |")
    counts = f"CIFAR-10N: the first {_TRAIN:,} and {_TEST:,} images"
    return [*lines, "", f"- one set of raw labels each; flowers: 2,934 training and 736 test photos; {counts}"]


if __name__ == "__main__":
    main()

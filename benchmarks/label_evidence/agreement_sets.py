"""Make the sets that `agreement_judge.py` reads: features, raw labels and the truth of photos.

    python benchmarks/label_evidence/agreement_sets.py CIFAR10N_FOLDER FLOWERS_FOLDER WORK_FOLDER

The first photos of CIFAR-10N under three kinds of human labels, and simulated sites over flower photos and drawn
digits, at several shares of noise. Features are those of the packaged encoder. What is there already stays.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from _features import cifar_features
from _sites import collect_site
from cifar10n_runs import NOISES

from rawlabel.artifacts.split import key_of
from rawlabel.base.files import read_json
from rawlabel.config import CurateConfig, PhotoSiteConfig
from rawlabel.gather.curate.stage import curate
from rawlabel.images.image_source import ImageFiles
from rawlabel.models.encoder import PACKAGED, load_encoder
from rawlabel.models.transfer.store import FeatureStore, features_folder, kept_encoding

DRAWN, OTHER = -1, "other:"
"""The true class of a photo that shows none of the classes."""


def main() -> None:
    """Make all sets that are not there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cifar", type=Path)
    parser.add_argument("flowers", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--images", type=int, default=10000)
    parser.add_argument("--noises", type=float, nargs="+", default=[0.0, 0.2, 0.4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--per-class", type=int, default=200, help="results of a class of digits")
    parser.add_argument("--only", choices=("cifar10n", "flowers", "digits"))
    options = parser.parse_args()
    if options.only in (None, "cifar10n"):
        make_cifar(options.cifar, options.work, options.images)
    for seed in options.seeds:
        for noise in options.noises:
            common: dict[str, Any] = {"seed": seed, "noise": noise}
            photos = {"photos": options.flowers / "train", "test_photos": options.flowers / "test"}
            if options.only in (None, "flowers"):
                make_site(options.work, f"flowers-{noise:g}-{seed}", PhotoSiteConfig(**common, **photos))
            if options.only in (None, "digits"):
                drawn = PhotoSiteConfig(**common, per_class=options.per_class)
                make_site(options.work, f"digits-{noise:g}-{seed}", drawn)


def make_cifar(data: Path, work: Path, images: int) -> None:
    """One set for each kind of human labels, over the same photos."""
    table = pq.read_table(data / "train.parquet", columns=["clean_label", *NOISES.values()]).slice(0, images)
    clean = np.asarray(table["clean_label"], dtype=np.int64)
    features = cifar_features(data, work, images)
    for name, column in NOISES.items():
        labels = np.asarray(table[column], dtype=np.int64)
        keys = np.array([key_of(f"{row:05d}") for row in range(images)], dtype=np.uint64)
        _keep(work / f"cifar10n-{name}.npz", features, labels, clean, keys, ["" for _ in labels])


def make_site(work: Path, name: str, settings: PhotoSiteConfig) -> None:
    """Search one site and put what is kept of it through the encoder."""
    path = work / f"{name}.npz"
    if path.exists():
        return
    project = work / "sites" / name
    collect_site(project, settings, 128 if settings.photos else 64)
    manifest = curate(CurateConfig(project=project))
    rows = manifest.kept().select(["path", "photo_id", "class_id", "group", "keyword"]).to_pylist()
    contents = read_json(project / "truth.json", "the truth of a simulated site")["photos"]
    index = {class_id: i for i, class_id in enumerate(manifest.class_ids)}
    shown = [contents[row["photo_id"]]["content"] for row in rows]
    folder = features_folder(work)
    encoding = kept_encoding(folder, load_encoder(PACKAGED), torch.device("cpu"), "auto")
    source = ImageFiles([project / row["path"] for row in rows])
    _keep(
        path,
        FeatureStore(folder, encoding).features(source, f"features of {name}").numpy(),
        np.array([index[row["class_id"]] for row in rows], dtype=np.int64),
        np.array([index.get(content, DRAWN) for content in shown], dtype=np.int64),
        np.array([key_of(row["group"]) for row in rows], dtype=np.uint64),
        [row["keyword"] for row in rows],
    )


def _keep(path: Path, features: Any, labels: Any, true: Any, keys: Any, keywords: list[str]) -> None:
    np.savez(path, features=features, labels=labels, true=true, keys=keys, keywords=keywords)


if __name__ == "__main__":
    main()

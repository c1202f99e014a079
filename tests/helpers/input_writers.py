"""The same images in every format that training reads: a new input needs a writer here."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from rawlabel.config import PackConfig
from rawlabel.images.inputs.class_folders import read_class_folders
from rawlabel.images.packing import pack as write_pack
from tests.helpers.tiny_training import CLASSES

Files = tuple[list[str], list[bytes], list[int]]
"""Names, bytes and labels."""
Writer = Callable[[Path, dict[str, Path], pytest.MonkeyPatch], tuple[str, str]]
"""Writes the folders `train` and `test` of class folders below a root; returns what --main and --test are."""
_PER_SHARD = 50
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def files_of(folder: Path) -> Files:
    found = read_class_folders(folder)
    return found.names, [(folder / name).read_bytes() for name in found.names], found.labels.tolist()


def pixels_of(files: Files) -> np.ndarray:
    return np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in files[1]])


def classes_of(files: Files) -> list[str]:
    """The folders that the files lie in."""
    return sorted({name.split("/")[0] for name in files[0]})


def write_parquet(path: Path, files: Files) -> Path:
    feature = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": classes_of(files)}}
    schema = pa.schema(
        [("image", IMAGE), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": feature}})},
    )
    images = [{"bytes": data, "path": name} for name, data in zip(*files[:2], strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": images, "label": files[2]}, schema=schema), path, row_group_size=7)
    return path


def write_npz(path: Path, folders: dict[str, Path]) -> None:
    arrays = {}
    for part, folder in folders.items():
        files = files_of(folder)
        arrays |= {f"X_{part}": pixels_of(files), f"y_{part}": np.array(files[2])}
    np.savez(path, **arrays)


def write_tars(folder: Path, prefix: str, files: Files, classes: Sequence[str] = CLASSES) -> None:
    folder.mkdir(exist_ok=True)
    for start in range(0, len(files[0]), _PER_SHARD):
        with tarfile.open(folder / f"{prefix}-{start:06d}.tar", "w") as tar:
            for name, data, label in list(zip(*files, strict=True))[start : start + _PER_SHARD]:
                for member, content in ((name, data), (f"{name.rpartition('.')[0]}.cls", classes[label].encode())):
                    info = tarfile.TarInfo(member)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))


def class_folders(root: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    for part, folder in folders.items():
        (root / part).symlink_to(folder)
    return "train", "test"


def parquet(root: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    for part, folder in folders.items():
        write_parquet(root / "set" / f"{part}-00000-of-00001.parquet", files_of(folder))
    return "set", "set"


def npz(root: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    write_npz(root / "set.npz", folders)
    return "set.npz", "set.npz"


def webdataset(root: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    for part, folder in folders.items():
        files = files_of(folder)
        write_tars(root / "set", part, files, classes_of(files))
    return "set", "set"


def hub(root: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    parquet(root, folders, monkeypatch)
    return f"hub:{root / 'set'}", f"hub:{root / 'set'}:test"


def torchvision_dataset(root: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    import torchvision.datasets as known

    class Stand:
        def __init__(self, root: str, train: bool, download: bool) -> None:
            files = files_of(folders["train" if train else "test"])
            self.data, self.targets, self.classes = pixels_of(files), files[2], classes_of(files)

    monkeypatch.setattr(known, "CIFAR10", Stand)
    return "torchvision:CIFAR10", "torchvision:CIFAR10"


def pack(root: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    for part, folder in folders.items():
        write_pack(PackConfig(source=folder, out=root / f"{part}-pack", mode="copy"))
    return "train-pack", "test-pack"


WRITERS: dict[str, Writer | None] = {
    "class_folders": class_folders,
    "parquet": parquet,
    "npz": npz,
    "webdataset": webdataset,
    "hub": hub,
    "torchvision_dataset": torchvision_dataset,
    "pack": pack,
    "manifest": None,  # made by `curate` alone, which tests/train/test_data.py covers
}
os.environ.setdefault("HF_HUB_OFFLINE", "1")

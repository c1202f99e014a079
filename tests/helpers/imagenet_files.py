"""ILSVRC2012 in small: the official archives and Kaggle's tree, in the structure of the real ones."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

# In the development kit the ids are not in the order of the WordNet ids; here neither.
CLASSES = ("n02119789", "n02100735", "n01440764")
INNER_NODE = "n00001740"
TRAIN = {class_id: tuple(f"{class_id}_{number}.JPEG" for number in (3, 10, 7)) for class_id in CLASSES}
VALIDATION = tuple(CLASSES[i] for i in (2, 0, 1, 1, 2, 0, 0))
"""Class of ILSVRC2012_val_00000001 and so on."""


def photo(name: str) -> bytes:
    """A real JPEG file, another one for each name."""
    stream = io.BytesIO()
    shade = sum(name.encode()) * 7 % 256
    Image.new("RGB", (12, 10), (shade, 255 - shade, len(name))).save(stream, "jpeg", comment=name.encode())
    return stream.getvalue()


def validation_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def packed(files: Mapping[str, bytes], *special: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            add(archive, name, data)
        for member in special:
            archive.addfile(member)
    return stream.getvalue()


def class_archive(class_id: str, names: Sequence[str]) -> bytes:
    return packed({name: photo(name) for name in names})


def meta() -> bytes:
    """`meta.mat`: a struct array of all synsets, the leaves before the inner nodes."""
    kinds = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height",
             "num_train_images")  # fmt: skip
    rows = [(number, one, f"words of {one}", "a gloss", 0, [], 0, 1300) for number, one in enumerate(CLASSES, 1)]
    rows.append((len(CLASSES) + 1, INNER_NODE, "entity", "that which is", 3, [1, 2, 3], 2, 0))
    synsets = np.empty((len(rows), 1), dtype=[(kind, object) for kind in kinds])
    for place, row in enumerate(rows):
        synsets[place, 0] = row
    stream = io.BytesIO()
    savemat(stream, {"synsets": synsets})
    return stream.getvalue()


def devkit(ids: Sequence[int]) -> bytes:
    """The development kit, with the ILSVRC2012_ID of each validation photo."""
    top, stream = "ILSVRC2012_devkit_t12", io.BytesIO()
    lines = "".join(f"{one}\n" for one in ids)
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        add(archive, f"{top}/readme.txt", b"ILSVRC 2012")
        add(archive, f"{top}/data/meta.mat", meta())
        add(archive, f"{top}/data/ILSVRC2012_validation_ground_truth.txt", lines.encode())
    return stream.getvalue()


def official(
    folder: Path, train: Mapping[str, Sequence[str]] = TRAIN, validation: Sequence[str] = VALIDATION
) -> Path:
    """The three official files."""
    folder.mkdir(parents=True)
    classes = {f"{class_id}.tar": class_archive(class_id, names) for class_id, names in train.items()}
    (folder / "ILSVRC2012_img_train.tar").write_bytes(packed(classes))
    names = [validation_name(number) for number in range(1, len(validation) + 1)]
    (folder / "ILSVRC2012_img_val.tar").write_bytes(packed({name: photo(name) for name in names}))
    (folder / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(devkit([CLASSES.index(one) + 1 for one in validation]))
    return folder


def kaggle(
    folder: Path, train: Mapping[str, Sequence[str]] = TRAIN, validation: Sequence[str] = VALIDATION
) -> Path:
    """The tree that Kaggle's archive holds."""
    data = folder / "ILSVRC" / "Data" / "CLS-LOC"
    for class_id, names in train.items():
        (data / "train" / class_id).mkdir(parents=True)
        for name in names:
            (data / "train" / class_id / name).write_bytes(photo(name))
    (data / "val").mkdir()
    rows = []
    for number, class_id in enumerate(validation, 1):
        name = validation_name(number)
        (data / "val" / name).write_bytes(photo(name))
        rows.append(f"{name.removesuffix('.JPEG')},{class_id} 85 1 499 272 {class_id} 3 4 50 60 \n")
    # The real table is not in the order of the photos.
    (folder / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "".join(reversed(rows)))
    return folder


def class_folders(folder: Path) -> Path:
    """What people make of the archives by hand: `train` and `val` with a folder for each class."""
    for part, photos in (("train", expected_train()), ("val", expected_test())):
        for place, data in photos.items():
            (folder / part / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / part / place).write_bytes(data)
    return folder


def expected_train(classes: Sequence[str] = CLASSES) -> dict[str, bytes]:
    """Where each training photo belongs, and its bytes."""
    return {f"{class_id}/{name}": photo(name) for class_id in classes for name in TRAIN[class_id]}


def expected_test(classes: Sequence[str] = CLASSES) -> dict[str, bytes]:
    names = {validation_name(number): class_id for number, class_id in enumerate(VALIDATION, 1)}
    return {f"{class_id}/{name}": photo(name) for name, class_id in names.items() if class_id in classes}

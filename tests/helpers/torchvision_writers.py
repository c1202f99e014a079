"""A few images in the very layouts that torchvision's sets are downloaded in, two of each of three classes."""

from __future__ import annotations

import bz2
import csv
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets as known
from PIL import Image
from scipy.io import savemat

SIDE = 28
LABELS = [0, 1, 2, 0, 1, 2]
Patch = pytest.MonkeyPatch


def pixels(number: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)


def write_image(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(number)).save(path)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_idx(path: Path, array: np.ndarray) -> None:
    """The format of MNIST: kind and dimensions, lengths, values, all of them big-endian."""
    kind = {"uint8": 8, "int32": 12}[array.dtype.name]
    head = bytes([0, 0, kind, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + array.astype(array.dtype.newbyteorder(">")).tobytes())


def grays() -> np.ndarray:
    return np.stack([pixels(number)[..., 0] for number in range(len(LABELS))])


def emnist(root: Path, patch: Patch) -> None:
    """Letters, whose numbers begin with 1."""
    for part in ("train", "test"):
        labels = np.array([1 + label for label in LABELS] + list(range(4, 27)), dtype=np.uint8)
        images = np.concatenate([grays(), np.zeros((23, SIDE, SIDE), dtype=np.uint8)])
        write_idx(root / f"EMNIST/raw/emnist-letters-{part}-images-idx3-ubyte", images)
        write_idx(root / f"EMNIST/raw/emnist-letters-{part}-labels-idx1-ubyte", labels)


def qmnist(root: Path, patch: Patch) -> None:
    for part in ("train", "test"):
        write_idx(root / f"QMNIST/raw/qmnist-{part}-images-idx3-ubyte", np.concatenate([grays(), grays()]))
        labels = np.array([*LABELS, 3, 4, 5, 6, 7, 8], dtype=np.int32)
        facts = np.stack([labels] + [np.full(len(labels), 99, dtype=np.int32)] * 7, axis=1)
        write_idx(root / f"QMNIST/raw/qmnist-{part}-labels-idx2-int", facts)


def imagenet(root: Path, patch: Patch) -> None:
    names = {"n02012849": ("crane",), "n03126707": ("crane",), "n03710637": ("maillot",)}
    torch.save((names, ["n02012849"]), root / "meta.bin")
    for part in ("train", "val"):
        for number, label in enumerate(LABELS):
            write_image(root / part / list(names)[label] / f"{number}.JPEG", number)


def imagenette(root: Path, patch: Patch) -> None:
    for part in ("train", "val"):
        for number, label in enumerate(LABELS):
            wordnet_id = ("n01440764", "n02102040", "n02979186")[label]
            write_image(root / "imagenette2-160" / part / wordnet_id / f"{number}.jpeg", number)


def gtsrb(root: Path, patch: Patch) -> None:
    rows = []
    for number, label in enumerate(LABELS):
        write_image(root / f"gtsrb/GTSRB/Training/{label:05d}/{number}.ppm", number)
        write_image(root / f"gtsrb/GTSRB/Final_Test/Images/{number}.ppm", number)
        rows.append(f"{number}.ppm;{label}")
    write_lines(root / "gtsrb/GT-final_test.csv", ["Filename;ClassId", *rows])


def omniglot(root: Path, patch: Patch) -> None:
    for number, label in enumerate(LABELS):
        write_image(root / f"omniglot-py/images_background/Greek/character{label:02d}/{number}.png", number)
    archive = root / "omniglot-py/images_background.zip"
    archive.write_bytes(b"unpacked already")
    patch.setitem(known.Omniglot.zips_md5, "images_background", md5(archive))


def food101(root: Path, patch: Patch) -> None:
    names = ("apple_pie", "baklava", "ramen")
    listed: dict[str, list[str]] = {name: [] for name in reversed(names)}
    for number, label in enumerate(LABELS):
        listed[names[label]].append(f"{names[label]}/{number}")
        write_image(root / f"food-101/images/{names[label]}/{number}.jpg", number)
    for part in ("train", "test"):
        write_lines(root / f"food-101/meta/{part}.json", [json.dumps(listed)])


def inaturalist(root: Path, patch: Patch) -> None:
    for part in ("2021_train", "2021_valid"):
        for number, label in enumerate(LABELS):
            name = f"{label:05d}_Animalia_Chordata_Aves_Strigiformes_Strigidae_Bubo_{'abc'[label]}"
            write_image(root / part / name / f"{number}.jpg", number)


def places365(root: Path, patch: Patch) -> None:
    """Categories whose numbers are not in the order of their names."""
    write_lines(root / "categories_places365.txt", ["/b/bank 0", "/a/attic 1", "/c/cave 2"])
    lists = {"train-standard": "places365_train_standard.txt", "val": "places365_val.txt"}
    for part, name in lists.items():
        write_lines(root / name, [f"/{number}.jpg {label}" for number, label in enumerate(LABELS)])
        patch.setitem(known.Places365._FILE_LIST_META, part, (name, md5(root / name)))
        for number in range(len(LABELS)):
            write_image(root / {"val": "val_large"}.get(part, "data_large_standard") / f"{number}.jpg", number)
    categories = "categories_places365.txt"
    patch.setattr(known.Places365, "_CATEGORIES_META", (categories, md5(root / categories)))


def svhn(root: Path, patch: Patch) -> None:
    """In it, a zero has the number 10."""
    images = np.stack([pixels(number) for number in range(len(LABELS))], axis=3)
    changed = {}
    for part in ("train", "test"):
        path = root / f"{part}_32x32.mat"
        savemat(path, {"X": images, "y": np.array([[label or 10] for label in LABELS], dtype=np.uint8)})
        changed[part] = ["no address", path.name, md5(path)]
    patch.setattr(known.SVHN, "split_list", changed)


def stl10(root: Path, patch: Patch) -> None:
    folder = root / "stl10_binary"
    folder.mkdir()
    images = np.stack([pixels(number, 96).transpose(2, 1, 0) for number in range(len(LABELS))])
    for part in ("train", "test"):
        (folder / f"{part}_X.bin").write_bytes(images.tobytes())
        (folder / f"{part}_y.bin").write_bytes(bytes(1 + label for label in LABELS))
    write_lines(folder / "class_names.txt", ("airplane", "bird", "car"))
    patch.setattr(known.STL10, "_check_integrity", lambda self: True)


def caltech101(root: Path, patch: Patch) -> None:
    seen = [0, 0, 0]
    (root / "caltech101/101_ObjectCategories/BACKGROUND_Google").mkdir(parents=True)
    for number, label in enumerate(LABELS):
        seen[label] += 1
        name = ("Faces", "accordion", "ant")[label]
        write_image(root / f"caltech101/101_ObjectCategories/{name}/image_{seen[label]:04d}.jpg", number)


def flowers102(root: Path, patch: Patch) -> None:
    folder = root / "flowers-102"
    for number in range(len(LABELS)):
        write_image(folder / f"jpg/image_{number + 1:05d}.jpg", number)
    rest = list(range(3, 102))
    savemat(folder / "imagelabels.mat", {"labels": [1 + label for label in [*LABELS, *rest]]})
    ids = list(range(1, 1 + len(LABELS) + len(rest)))
    savemat(folder / "setid.mat", {"trnid": ids, "valid": ids, "tstid": ids})
    files = {key: (folder / name).name for key, name in (("label", "imagelabels.mat"), ("setid", "setid.mat"))}
    changed = {key: (name, md5(folder / name)) for key, name in files.items()}
    patch.setattr(known.Flowers102, "_file_dict", {"image": ("102flowers.tgz", ""), **changed})


def stanford_cars(root: Path, patch: Patch) -> None:
    folder = root / "stanford_cars"
    fields = [("fname", object), ("class", np.uint8)]
    rows = np.array([(f"{number}.jpg", 1 + label) for number, label in enumerate(LABELS)], dtype=fields)
    for part, place in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        savemat(folder / place, {"annotations": rows})
        for number in range(len(LABELS)):
            write_image(folder / f"cars_{part}/{number}.jpg", number)
    names = np.array(["Acura", "Audi", "BMW"], dtype=object)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": names})


def usps(root: Path, patch: Patch) -> None:
    shade = " ".join(f"{place}:{value}" for place, value in enumerate([-1.0, 1.0] * 128, start=1))
    text = "".join(f"{1 + label} {shade}\n" for label in LABELS)
    for name in ("usps.bz2", "usps.t.bz2"):
        (root / name).write_bytes(bz2.compress(text.encode()))


def fer2013(root: Path, patch: Patch) -> None:
    """As train.csv and test.csv, whose test images have no labels."""
    shades = " ".join(["7"] * 48 * 48)
    for part, rows in (
        ("train", [["emotion", "pixels"], *([label, shades] for label in LABELS)]),
        ("test", [["pixels"], [shades]]),
    ):
        path = root / "fer2013" / f"{part}.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        patch.setitem(known.FER2013._RESOURCES, part, (path.name, md5(path)))


def oxford_pets(root: Path, patch: Patch) -> None:
    names = ("Abyssinian", "american_bulldog", "Bengal")
    for part in ("trainval", "test"):
        rows = [f"{names[label]}_{number} {1 + label} 1 1" for number, label in enumerate(LABELS)]
        write_lines(root / f"oxford-iiit-pet/annotations/{part}.txt", rows)
    for number, label in enumerate(LABELS):
        write_image(root / f"oxford-iiit-pet/images/{names[label]}_{number}.jpg", number)


def semeion(root: Path, patch: Patch) -> None:
    rows = [
        " ".join([*["0.0 1.0"] * 128, *("1" if label == one else "0" for one in range(10))]) for label in LABELS
    ]
    write_lines(root / "semeion.data", rows)
    patch.setattr(known.SEMEION, "md5_checksum", md5(root / "semeion.data"))


def sun397(root: Path, patch: Patch) -> None:
    write_lines(root / "SUN397/ClassName.txt", ["/a/abbey", "/a/arch/outdoor", "/b/bank"])
    for number, label in enumerate(LABELS):
        name = ("a/abbey", "a/arch/outdoor", "b/bank")[label]
        write_image(root / f"SUN397/{name}/sun_{number}.jpg", number)


Writer = Callable[[Path, Any], None]
SETS: dict[str, tuple[Writer, list[str]]] = {
    "EMNIST:split=letters": (emnist, [chr(ord("a") + place) for place in range(26)]),
    "QMNIST": (qmnist, ["0 - zero", "1 - one", "2 - two"]),
    "ImageNet": (imagenet, ["crane (n02012849)", "crane (n03126707)", "maillot"]),
    "Imagenette:size=160px": (imagenette, ["tench, Tinca tinca", "English springer, English springer spaniel"]),
    "GTSRB": (gtsrb, ["0", "1", "2"]),
    "Omniglot": (omniglot, [f"Greek/character{label:02d}" for label in range(3)]),
    "Food101": (food101, ["apple_pie", "baklava", "ramen"]),
    "INaturalist": (inaturalist, ["00000_Animalia_Chordata_Aves_Strigiformes_Strigidae_Bubo_a"]),
    "Places365": (places365, ["/b/bank", "/a/attic", "/c/cave"]),
    "SVHN": (svhn, ["0", "1", "2"]),
    "STL10": (stl10, ["airplane", "bird", "car"]),
    "Caltech101": (caltech101, ["Faces", "accordion", "ant"]),
    "Flowers102": (flowers102, ["pink primrose", "hard-leaved pocket orchid", "canterbury bells"]),
    "StanfordCars": (stanford_cars, ["Acura", "Audi", "BMW"]),
    "USPS": (usps, ["0", "1", "2"]),
    "FER2013": (fer2013, ["0", "1", "2"]),
    "OxfordIIITPet": (oxford_pets, ["Abyssinian", "American Bulldog", "Bengal"]),
    "SEMEION": (semeion, ["0", "1", "2"]),
    "SUN397": (sun397, ["abbey", "arch/outdoor", "bank"]),
}
"""Address behind `torchvision:`, what writes the set, and the first of its class names."""

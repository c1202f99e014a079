"""The class of each validation photo, from the development kit of ILSVRC2012 or from Kaggle's table."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from rawlabel.errors import DataError
from rawlabel.gather.classes.reading import is_wordnet_id

META, TRUTH = "meta.mat", "ILSVRC2012_validation_ground_truth.txt"
_LARGEST = 64 * 2**20
"""Bytes of the unpacked kit that are read; the real one has a tenth of them."""
_BROKEN = "is damaged or not the development kit of ILSVRC2012; download it again"


def read_devkit(path: Path) -> dict[str, str]:
    """Class by photo (`ILSVRC2012_val_00000001`) from ILSVRC2012_devkit_t12.tar.gz or its unpacked folder.

    Line n of the ground truth is the ILSVRC2012_ID of validation photo n, and `synsets` of meta.mat says which
    synset an id is; the 1,000 without children are the classes (readme.txt of the kit). Raises `DataError`.
    """
    files = _unpacked(path) if path.is_dir() else _packed(path)
    classes = _leaves(path, files[META])
    labels: dict[str, str] = {}
    try:
        lines = files[TRUTH].decode("ascii").split()
        for number, line in enumerate(lines, 1):
            labels[f"ILSVRC2012_val_{number:08d}"] = classes[int(line)]
    except (ValueError, KeyError) as error:
        raise DataError(f"{path}: {TRUTH} holds an id that {META} has no class for; it {_BROKEN}") from error
    return labels


def read_solution(path: Path) -> dict[str, str]:
    """Class by photo from LOC_val_solution.csv: columns ImageId and PredictionString (first word).

    Raises `DataError`.
    """
    labels: dict[str, str] = {}
    remedy = "download LOC_val_solution.csv again"
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            if not {"ImageId", "PredictionString"} <= set(rows.fieldnames or ()):
                raise DataError(f"{path}: lacks the columns ImageId and PredictionString; {remedy}")
            for row in rows:
                words = (row["PredictionString"] or "").split()
                class_id = words[0] if words else ""
                if not is_wordnet_id(class_id):
                    raise DataError(f"{path}: line {rows.line_num}: names no WordNet id; {remedy}")
                if labels.setdefault(row["ImageId"], class_id) != class_id:
                    raise DataError(f"{path}: line {rows.line_num}: gives a photo a second class; {remedy}")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no CSV file ({error}); {remedy}") from error
    return labels


def _packed(path: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with gzip.open(path) as stream:
            content = stream.read(_LARGEST + 1)
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for name in (META, TRUTH):
                member = next((one for one in archive if one.name.endswith(f"data/{name}") and one.isreg()), None)
                opened = archive.extractfile(member) if member and not member.issparse() else None
                if opened is None:
                    raise DataError(f"{path}: lacks data/{name}; it {_BROKEN}")
                files[name] = opened.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: {_BROKEN}") from error
    return files


def _unpacked(path: Path) -> dict[str, bytes]:
    files = {name: path / "data" / name for name in (META, TRUTH)}
    try:
        return {name: one.read_bytes() for name, one in files.items()}
    except OSError as error:
        raise DataError(f"{path}: {_BROKEN}") from error


def _leaves(path: Path, content: bytes) -> Mapping[int, str]:
    """WordNet id by ILSVRC2012_ID, of the synsets without children."""
    try:
        with warnings.catch_warnings(action="ignore"):
            synsets: Any = loadmat(io.BytesIO(content), simplify_cells=True)["synsets"]
        synsets = [synsets] if isinstance(synsets, dict) else synsets
        leaves = {int(one["ILSVRC2012_ID"]): str(one["WNID"]) for one in synsets if int(one["num_children"]) == 0}
    except (MatReadError, NotImplementedError, ValueError, TypeError, KeyError, IndexError, OSError, EOFError,
            zlib.error, MemoryError, OverflowError) as error:  # fmt: skip
        raise DataError(f"{path}: {META} {_BROKEN}") from error
    if not leaves or not all(is_wordnet_id(one) for one in leaves.values()):
        raise DataError(f"{path}: {META} {_BROKEN}")
    return leaves

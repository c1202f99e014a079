"""Parquet as Hugging Face's `datasets` writes it: a column of encoded images, and a column of labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rawlabel.errors import DataError, did_you_mean
from rawlabel.images.decoding import free_memory
from rawlabel.images.image_source import ImageSource, LabeledImages
from rawlabel.images.input import Input, InputRequest, InputSet
from rawlabel.images.inputs._labels import classes_of
from rawlabel.images.inputs._parquet_images import ParquetImages, RowGroupImages, null_images, refuse_nulls
from rawlabel.images.inputs._parts import files_of_part
from rawlabel.images.inputs.class_folders import ignored_beside, is_other_format

_PATTERNS = ("*.parquet", "data/*.parquet")
_SHARE = 0.3
"""Share of the free memory up to which the encoded images are read whole."""


class ParquetInput(Input):
    """A Parquet file, or a folder of them, with image bytes and labels, in Hugging Face's convention.

    Files lie in the folder or in its `data`, as on the hub. What `rawlabel export` held out is held out again.
    """

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is one; a manifest is none."""
        files = _files(path)
        # img2dataset puts tables without images beside its shards.
        if not files:
            return False
        if path.is_dir():
            is_other = (path / "manifest.parquet").exists() or any(path.glob("*.tar"))
            if is_other or not is_other_format(path, _PATTERNS):
                return False
        try:
            return "verdict" not in pq.read_schema(files[0]).names
        except (pa.ArrowInvalid, OSError):
            return True  # reading it says what is wrong

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Read labels whole, and images where they fit in memory."""
        files, are_held_out = files_of_part(_files(path), request.part)
        try:
            found = _read(path, files, request)
            held = np.repeat(are_held_out, [pq.read_metadata(one).num_rows for one in files])
        except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{path}: is no whole Parquet file ({reason}); get it again") from error
        return replace(found, is_held_out=held if held.any() else None, ignored=ignored_beside(path))


def _read(path: Path, files: Sequence[Path], request: InputRequest) -> InputSet:
    schema = pq.read_schema(files[0])
    # In a folder the file is named: it may be a stray one beside the folder of a single class.
    image_column = _image_column(schema, request, files[0])
    label_column = _label_column(schema, image_column, request, path)
    column = pa.concat_tables([pq.read_table(one, columns=[label_column]) for one in files])[label_column]
    refuse_nulls(column.null_count, label_column, path)
    names = _class_names(schema, label_column)
    place = f"{path}: column '{label_column}'"
    class_ids, labels = classes_of(_one_each(column, place), names, place)
    digest = hashlib.sha256(labels.tobytes())
    for one in files:
        digest.update(f"{one.name}:{one.stat().st_size}:{pq.read_metadata(one).num_rows};".encode())
    source: ImageSource
    if sum(one.stat().st_size for one in files) <= _SHARE * free_memory():
        images = pa.concat_tables([pq.read_table(one, columns=[image_column]) for one in files])[image_column]
        refuse_nulls(null_images(images), image_column, path)
        source = ParquetImages(images, str(path))
    else:
        source = RowGroupImages(files, image_column, str(path))
    return InputSet(class_ids, LabeledImages(source, labels), digest.hexdigest())


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return next(filter(None, (sorted(path.glob(pattern)) for pattern in _PATTERNS)), [])
    return [path] if path.suffix == ".parquet" and path.is_file() else []


def _image_column(schema: pa.Schema, request: InputRequest, path: Path) -> str:
    if request.image_column is not None:
        _known(request.image_column, schema, "--image-column", path)
        if not _holds_images(schema.field(request.image_column).type):
            raise DataError(f"--image-column {request.image_column}: {path} has no images in this column")
        return request.image_column
    found = [field.name for field in schema if _holds_images(field.type)]
    if len(found) != 1:
        columns = ", ".join(schema.names)
        raise DataError(f"{path}: has {len(found)} columns of images; name one with --image-column ({columns})")
    return str(found[0])


def _label_column(schema: pa.Schema, image_column: str, request: InputRequest, path: Path) -> str:
    """The column that is asked for; else `label`; else the only one that can be. Never a guess among several."""
    flag = request.label_flag
    if request.label_column is not None:
        _known(request.label_column, schema, flag, path)
        return request.label_column
    others = [field for field in schema if field.name != image_column]
    # Whole numbers are written as floats, and single labels as lists; that is second choice, for most are neither.
    found = [one.name for one in others if _holds_labels(one.type)] or [
        one.name for one in others if _may_hold_labels(one.type)
    ]
    if "label" in found or ("label" in schema.names and _may_hold_labels(schema.field("label").type)):
        return "label"
    if len(found) != 1:
        known = ", ".join(found) or "none"
        raise DataError(f"{path}: which column holds the labels? Name it with {flag}: {known}")
    return str(found[0])


def _known(column: str, schema: pa.Schema, flag: str, path: Path) -> None:
    if column not in schema.names:
        raise DataError(f"{flag} {column}: {path} has no such column{did_you_mean(column, schema.names)}")


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return int(kind.get_field_index("bytes")) >= 0
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_labels(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _may_hold_labels(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _may_hold_labels(kind.value_type)
    return _holds_labels(kind) or bool(pa.types.is_floating(kind))


def _one_each(column: pa.ChunkedArray, place: str) -> npt.NDArray[np.generic]:
    """The label of each row of a column of labels, or of lists of one. Raises `DataError`, with `place` first."""
    while hasattr(column.type, "value_type") and not pa.types.is_dictionary(column.type):
        lengths = pc.list_value_length(column)
        wrong = len(column) - (pc.sum(pc.equal(lengths, 1)).as_py() or 0)
        if wrong:
            raise DataError(f"{place}: {wrong} rows do not have one label; keep one each, or leave those rows out")
        column = pc.list_flatten(column)
    values: npt.NDArray[np.generic] = column.to_numpy()
    return values


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """Names of a ClassLabel, which `datasets` keeps in the schema's metadata."""
    try:
        info: Any = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        feature = info["info"]["features"][column]
        # Of a list of labels, its items' feature.
        feature = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        names = feature["names"]
    except (ValueError, KeyError, TypeError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


PLUGIN = ParquetInput

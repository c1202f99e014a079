"""Parquet with images inside, as on the Hugging Face hub."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.errors import ConfigError, DataError, did_you_mean
from rawlabel.train.image_source import LabeledImages
from rawlabel.train.inputs import Input, InputRequest, InputSet
from rawlabel.train.inputs._labels import classes_of
from rawlabel.train.inputs._parquet_images import ParquetImages
from rawlabel.train.inputs._parts import files_of_part


class Parquet(Input):
    """A Parquet file, or a folder of them, with a column of images and one of labels, as on the hub.

    The images are `{bytes, path}` or bytes. Class names are those of the hub's ClassLabel in the schema, or else the
    labels themselves. Where several columns could be the labels and none is called `label`, --label-column says
    which.

    Source: https://huggingface.co/docs/datasets/image_dataset
    """

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is one."""
        files = _files(path)
        if not files:
            return False
        try:
            return "verdict" not in pq.read_schema(files[0]).names
        except (pa.ArrowException, OSError):
            # Reading it says what is wrong.
            return True

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Read the labels, and the encoded images where they fit into memory."""
        files, are_held_out = files_of_part(_files(path), request.part)
        schema = _common_schema(files)
        image_column = _image_column(path, schema, request.image_column)
        label_column = _label_column(path, schema, image_column, request)
        has_path = pa.types.is_struct(schema.field(image_column).type) and any(
            field.name == "path" for field in schema.field(image_column).type
        )
        wanted = [label_column, *([f"{image_column}.path"] if has_path else [])]
        tables = [_read(file, wanted) for file in files]
        table = pa.concat_tables(tables)
        if not table.num_rows:
            raise DataError(f"{path}: holds no rows; download it again")
        place = f"{path}: column '{label_column}'"
        column = table[label_column]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        names = _class_names(schema, label_column)
        missing = column.null_count
        if names and not missing and pa.types.is_integer(column.type):
            # The hub's mark of a label that is not published.
            missing = int((column.to_numpy() == -1).sum())
        if missing:
            raise DataError(f"{place}: {missing} of {table.num_rows} labels are missing; leave those rows out")
        class_ids, labels = classes_of(column.to_numpy(), names, place)
        image_names = _unique(table[image_column]) if has_path else None
        source = ParquetImages(files, image_column, image_names)
        if source.missing():
            raise DataError(
                f"{path}: column '{image_column}': {source.missing()} of {len(source)} images are missing; leave "
                "those rows out"
            )
        held = np.repeat(np.array(are_held_out, dtype=bool), [one.num_rows for one in tables])
        return InputSet(
            class_ids,
            LabeledImages(source, labels),
            _fingerprint(files, label_column, class_ids, labels),
            held if held.any() else None,
        )


def _files(path: Path) -> list[Path]:
    """The Parquet files at `path`, or in its folder `data`, where the hub has them."""
    if path.is_file():
        return [path] if path.suffix == ".parquet" else []
    return sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))


def _common_schema(files: Sequence[Path]) -> pa.Schema:
    schemas = []
    for file in files:
        try:
            schemas.append(pq.read_schema(file))
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{file}: is not a whole Parquet file ({reason}); download it again") from error
        if schemas[-1].names != schemas[0].names:
            raise DataError(
                f"{file}: has other columns than {files[0]}; put different sets into different folders"
            )
    return schemas[0]


def _image_column(path: Path, schema: pa.Schema, wanted: str | None) -> str:
    candidates: list[str] = [field.name for field in schema if _is_image(field.type)]
    if wanted is not None:
        if wanted not in candidates:
            raise ConfigError(
                f"--image-column {wanted}: {path} has no such column of images{_known(schema.names)}"
            )
        return wanted
    candidates = [name for name in candidates if name in ("image", "img")] or candidates
    if len(candidates) != 1:
        found = ", ".join(candidates or schema.names)
        raise DataError(
            f"{path}: which column holds the images is not clear; name one of {found} by --image-column"
        )
    return candidates[0]


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _is_image(field.type) for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _label_column(path: Path, schema: pa.Schema, image_column: str, request: InputRequest) -> str:
    """The column asked for, or the one called `label`, or the only one; never a guess among several."""
    flag = "--label-column" if request.part == "train" else "--test-label-column"
    names: list[str] = [field.name for field in schema if field.name != image_column and _is_label(field.type)]
    if request.label_column is not None:
        if request.label_column not in names:
            raise ConfigError(
                f"{flag} {request.label_column}: {path} has no such column of labels"
                f"{did_you_mean(request.label_column, names)}"
            )
        return request.label_column
    if "label" in names:
        return "label"
    if len(names) == 1:
        return names[0]
    if not names:
        raise DataError(f"{path}: has no column of labels{_known(schema.names)}")
    raise DataError(f"{path}: has several columns of labels; name one by {flag}: {', '.join(names)}")


def _is_label(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _known(names: Sequence[str]) -> str:
    return f"; its columns: {', '.join(names)}"


def _read(file: Path, columns: Sequence[str]) -> pa.Table:
    try:
        with pq.ParquetFile(file) as opened:
            return opened.read(columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file}: is not a whole Parquet file ({reason}); download it again") from error


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of the hub's ClassLabel, if the schema says that the column is one."""
    try:
        about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = about["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    return [str(name) for name in names] if isinstance(names, list) and names else None


def _unique(column: pa.ChunkedArray) -> list[str] | None:
    """The paths of the images, where each has its own."""
    names: list[str | None] = column.combine_chunks().flatten()[0].to_pylist()
    if None in names or len(set(names)) != len(names):
        return None
    return [str(name) for name in names]


def _fingerprint(
    files: Sequence[Path], column: str, class_ids: Sequence[str], labels: npt.NDArray[np.int64]
) -> str:
    """Of the labels, and of what the files' ends say of their images: sizes and places, not each byte."""
    digest = hashlib.sha256(repr((column, list(class_ids))).encode())
    digest.update(labels.tobytes())
    for file in files:
        metadata = pq.read_metadata(file)
        sizes = [
            (one.num_rows, [one.column(i).total_uncompressed_size for i in range(metadata.num_columns)])
            for one in (metadata.row_group(group) for group in range(metadata.num_row_groups))
        ]
        digest.update(repr((file.name, file.stat().st_size, sizes)).encode())
    return digest.hexdigest()


PLUGIN = Parquet

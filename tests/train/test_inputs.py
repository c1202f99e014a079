"""Tables and arrays of images: the classes, labels and pixels that were written come out again."""

from __future__ import annotations

import io
import json
import os
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from rawlabel.config import PackConfig
from rawlabel.errors import DataError
from rawlabel.images.decoding import Images, Transform
from rawlabel.images.input import InputRequest, read_input
from rawlabel.images.inputs import _parquet_images as parquet_images
from rawlabel.images.inputs import parquet as parquet_input
from rawlabel.images.packing import pack
from rawlabel.judge.evaluate.opening import read_test_set
from rawlabel.training.data import load_training_data
from rawlabel.training.image_cache import keep_images, make_loader
from tests.helpers.tiny_training import make_class_folders, tiny

COUNT, SIDE = 30, 12
PIXELS = np.random.default_rng(4).integers(0, 255, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
LABELS = np.arange(COUNT) % 3
OTHER = (LABELS + 1) % 3


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def table(**columns: Any) -> pa.Table:
    image = [{"bytes": png(one), "path": f"{i}.png"} for i, one in enumerate(PIXELS)]
    return pa.table({"image": image, **columns})


def write_parquet(folder: Path) -> Path:
    path = folder / "photos.parquet"
    pq.write_table(table(label=LABELS), path, row_group_size=7)
    return path


def write_npz(folder: Path, **changes: Any) -> Path:
    path = folder / "photos.npz"
    np.savez(path, **{"X_train": PIXELS, "y_train": LABELS, "X_test": PIXELS[:6], "y_test": LABELS[:6]} | changes)
    return path


def decoded(path: Path, request: InputRequest | None = None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    found = read_input(path, request or InputRequest())
    images = Images(found.images.source, SIDE, 1)
    pixels = np.stack([images[index] for index in range(len(images))])
    return pixels, found.images.labels, found.class_ids


@pytest.mark.parametrize("write", [write_parquet, write_npz])
def test_pixels_labels_and_classes_are_those_that_were_written(tmp_path: Path, write: Any) -> None:
    pixels, labels, class_ids = decoded(write(tmp_path))
    assert (pixels == PIXELS).all() and (labels == LABELS).all() and class_ids == ("0", "1", "2")
    first = load_training_data(tiny(tmp_path, main=write(tmp_path).name))
    assert len(first.train) + len(first.holdout) == COUNT and len(first.holdout) > 0
    assert len(set(first.train.names()) | set(first.holdout.names())) == COUNT


@pytest.mark.parametrize(
    "changes",
    [
        {"X_train": PIXELS.transpose(0, 3, 1, 2)},
        {"y_train": np.eye(3)[LABELS]},
        {"y_train": LABELS[:, None].astype(np.uint8)},
        {"y_train": LABELS.astype(float)},
    ],
)
def test_the_usual_ways_to_write_arrays_are_understood(tmp_path: Path, changes: dict[str, Any]) -> None:
    pixels, labels, _ = decoded(write_npz(tmp_path, **changes))
    assert (pixels == PIXELS).all() and (labels == LABELS).all()


def test_each_part_of_an_archive_is_asked_for_by_name(tmp_path: Path) -> None:
    path = write_npz(tmp_path, y_test=np.zeros(6, dtype=int))
    test = read_test_set(path, ["0", "1", "2"])
    assert (len(test), set(test.labels.tolist())) == (6, {0})


def test_one_of_several_label_columns_is_never_guessed(tmp_path: Path) -> None:
    path = tmp_path / "photos.parquet"
    pq.write_table(table(clean=LABELS, raw=OTHER), path)
    with pytest.raises(DataError, match=r"labels\? Name it with --label-column: clean, raw"):
        read_input(path, InputRequest())
    with pytest.raises(DataError, match="Name it with --test-label-column: clean, raw"):
        read_test_set(path, ["0", "1", "2"])
    with pytest.raises(DataError, match=r"--label-column row: .* did you mean 'raw'"):
        read_input(path, InputRequest(label_column="row"))
    assert (decoded(path, InputRequest(label_column="raw"))[1] == OTHER).all()
    data = load_training_data(tiny(tmp_path, main="photos.parquet", label_column="raw"))
    assert (np.bincount(data.train.join(data.holdout).labels) == 10).all()


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.astype(float),
        pa.array([[one] for one in LABELS.tolist()]),
        pa.array([[float(one)] for one in LABELS.tolist()], pa.list_(pa.float32(), 1)),
    ],
)
def test_whole_numbers_as_floats_and_lists_of_one_label_are_labels(tmp_path: Path, labels: Any) -> None:
    path = tmp_path / "photos.parquet"
    pq.write_table(table(species=labels), path)
    _, found, class_ids = decoded(path)
    assert (found == LABELS).all() and class_ids == ("0", "1", "2")
    # Where another column can be nothing else, a score beside it is not asked about.
    pq.write_table(table(score=LABELS / 2, species=LABELS), path)
    assert (decoded(path)[1] == LABELS).all()


def test_rows_with_several_labels_are_told(tmp_path: Path) -> None:
    labels = [[one] for one in LABELS.tolist()]
    labels[3], labels[5] = [0, 1], []
    pq.write_table(table(species=labels), tmp_path / "photos.parquet")
    with pytest.raises(DataError, match="column 'species': 2 rows do not have one label; keep one each"):
        read_input(tmp_path / "photos.parquet", InputRequest())


def test_class_names_come_from_the_schema_or_from_the_values(tmp_path: Path) -> None:
    path = tmp_path / "photos.parquet"
    names = ["owl", "robin", "wren"]
    info = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    written = table(label=LABELS).replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(written, path)
    assert decoded(path)[2] == tuple(names)
    pq.write_table(table(label=[["b", "a", "10"][one] for one in LABELS]), path)
    _, labels, class_ids = decoded(path)
    assert [class_ids[one] for one in labels] == [["b", "a", "10"][one] for one in LABELS]
    pq.write_table(table(label=[[10, 9, 2][one] for one in LABELS]), path)
    assert decoded(path)[2] == ("2", "9", "10")


def test_the_files_of_a_split_are_told_by_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name, start, stop in (("train-00000", 0, 10), ("train-00001", 10, 20), ("test-00000", 20, 30)):
        pq.write_table(table(label=LABELS).slice(start, stop - start), folder / f"{name}.parquet")
    pixels, labels, _ = decoded(folder)
    assert (pixels == PIXELS[:20]).all() and (labels == LABELS[:20]).all()
    assert len(read_test_set(folder, ["0", "1", "2"])) == 10


def test_an_exported_holdout_is_held_out_again(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    for name, start, stop in (("train-00000-of-00001", 0, 24), ("holdout-00000-of-00001", 24, 30)):
        pq.write_table(table(label=LABELS).slice(start, stop - start), folder / f"{name}.parquet")
    data = load_training_data(tiny(tmp_path, main="set"))
    assert (len(data.train), len(data.holdout)) == (24, 6)
    images = Images(data.holdout.source, SIDE, 1)
    assert all((images[index] == PIXELS[24 + index]).all() for index in range(6))


def test_a_set_larger_than_memory_is_read_row_group_by_row_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path)
    monkeypatch.setattr(parquet_input, "_SHARE", 0)
    found = read_input(path, InputRequest())
    assert isinstance(found.images.source, parquet_images.RowGroupImages)
    assert (decoded(path)[0] == PIXELS).all()


def write_large_groups(folder: Path, row_group_size: int) -> Path:
    """Eight times the images, as a set larger than memory."""
    path = folder / "photos.parquet"
    pq.write_table(pa.concat_tables([table(label=LABELS)] * 8), path, row_group_size=row_group_size)
    return path


def test_a_large_row_group_is_read_in_pieces_and_by_pack_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    class Counted(parquet_images._RowGroupStream):
        def __init__(self, path: Path, group: int, *rest: Any) -> None:
            opened.append(group)
            super().__init__(path, group, *rest)

    monkeypatch.setattr(parquet_images, "_RowGroupStream", Counted)
    monkeypatch.setattr(parquet_images, "_PIECE_BYTES", 10 * len(png(PIXELS[0])))
    monkeypatch.setattr(parquet_images, "free_memory", lambda: 10 * 120 * len(png(PIXELS[0])))
    monkeypatch.setattr(parquet_input, "_SHARE", 0)
    path = write_large_groups(tmp_path, 100)
    source = read_input(path, InputRequest()).images.source
    order = np.random.default_rng(1).permutation(len(source))
    for index in (*order[:40].tolist(), 239, 0, 99, 100):
        assert source.read(index).tobytes() == png(PIXELS[index % COUNT])
    opened.clear()
    pack(PackConfig(source=path, out=tmp_path / "packed", mode="copy", workers=2))
    assert opened == [0, 1, 2]
    packed = read_input(tmp_path / "packed", InputRequest()).images
    assert [packed.source.read(index).tobytes() for index in range(240)] == [png(one) for one in PIXELS] * 8


@pytest.mark.parametrize(
    ("row_group_size", "cache", "is_told"), [(60, "none", True), (60, "auto", False), (6, "none", False)]
)
@pytest.mark.usefixtures("messages_on_stderr")
def test_row_groups_that_are_costly_at_random_are_told_once_with_the_remedy(
    row_group_size: int,
    cache: str,
    is_told: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(parquet_images, "free_memory", lambda: 0)
    monkeypatch.setattr(parquet_input, "_SHARE", 0)
    config = tiny(tmp_path, main=write_large_groups(tmp_path, row_group_size).name, cache=cache)
    data = load_training_data(config)
    method = SimpleNamespace(strong_augmentation=None)
    predictor: Any = SimpleNamespace(
        transform=Transform(12, "crop"), device=torch.device("cpu"), method=method, store=None
    )
    kept = keep_images(data.train.source, config, predictor)
    make_loader(kept, config, predictor).close()
    said = capsys.readouterr().err
    assert said.count("\n") == is_told
    assert ("`rawlabel pack" in said) == is_told


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:400]), "is no whole Parquet file"),
        (lambda path: pq.write_table(table(label=[*LABELS[:-1].tolist(), None]), path), "1 rows have no label"),
        (lambda path: pq.write_table(pa.table({"label": LABELS}), path), "has 0 columns of images"),
        (
            lambda path: pq.write_table(table(label=LABELS).set_column(0, "image", pa.array(
                [{"bytes": None, "path": "a"}] * 2 + [{"bytes": b"x", "path": "b"}] * 28)), path),
            "2 rows have no image",
        ),
    ],
)  # fmt: skip
def test_tables_that_do_not_hold_photos_with_labels_are_told(tmp_path: Path, spoil: Any, told: str) -> None:
    path = write_parquet(tmp_path)
    spoil(path)
    with pytest.raises(DataError, match=told):
        load_training_data(tiny(tmp_path, main=path.name))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"X_train": PIXELS.astype(float)}, r"X_train is float64 .* it should be uint8"),
        ({"X_train": PIXELS[:, :, :, :2]}, r"it should be \[images, height, width, 3\]"),
        ({"y_train": LABELS[:-1]}, "holds 30 images and 29 labels"),
        ({"y_train": LABELS - 1}, "it should be class indices from 0"),
        ({"y_train": np.array([b"a"] * COUNT)}, "it should be class indices from 0, or names of classes"),
        ({"y_train": np.array(["a"] * COUNT), "y_test": LABELS}, "are not both names, or both indices"),
        ({"y_train": np.array([object()] * COUNT)}, "cannot be read as NumPy arrays"),
    ],
)
def test_arrays_that_are_no_photos_with_labels_are_told(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    write_npz(tmp_path, **changes)
    with pytest.raises(DataError, match=told):
        load_training_data(tiny(tmp_path, main="photos.npz"))


def test_an_array_of_class_names_names_the_classes(tmp_path: Path) -> None:
    names = np.array(["owl", "robin", "jay"])
    write_npz(tmp_path, y_train=names[LABELS % 3], y_test=names[:2].repeat(3))
    read = read_input(tmp_path / "photos.npz", InputRequest())
    assert read.class_ids == ("jay", "owl", "robin")
    assert [read.class_ids[one] for one in read.images.labels] == names[LABELS % 3].tolist()


@pytest.mark.parametrize(
    ("columns", "request_", "told"),
    [
        (
            {"raw": LABELS / 2},
            InputRequest(label_column="raw"),
            "column 'raw': labels are float64, and not all are whole numbers",
        ),
        ({"raw": LABELS}, InputRequest(label_column="image"), "column 'image': labels are object"),
        ({"raw": LABELS}, InputRequest(image_column="raw"), "--image-column raw: .* has no images in this column"),
    ],
)
def test_columns_of_another_kind_are_told(
    tmp_path: Path, columns: dict[str, Any], request_: InputRequest, told: str
) -> None:
    pq.write_table(table(**columns), tmp_path / "photos.parquet")
    with pytest.raises(DataError, match=told):
        read_input(tmp_path / "photos.parquet", request_)


def test_an_image_whose_header_claims_more_than_can_be_decoded_is_named(tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "candidate", 4, 0)
    claim = bytearray(png(PIXELS[0]))
    claim[16:24] = (100_000).to_bytes(4, "big") * 2
    claim[29:33] = zlib.crc32(bytes(claim[12:29])).to_bytes(4, "big")
    (folder / "red" / "001.png").write_bytes(claim)
    source = read_input(folder, InputRequest()).images.source
    with pytest.raises(DataError, match=r"001\.png: has 100,000 x 100,000 pixels"):
        Images(source, 16, 1)
    facts = pack(PackConfig(source=folder, out=tmp_path / "packed", mode="copy"))
    assert (facts["found"], facts["packed"], len(facts["unreadable"])) == (12, 11, 1)


def test_names_that_are_no_text_are_read_as_they_are(tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "candidate", 4, 0)
    (folder / "red" / "001.png").rename(folder / "red" / os.fsdecode(b"y\xff.png"))
    names = load_training_data(tiny(tmp_path, holdout=0)).train.names()
    pack(PackConfig(source=folder, out=tmp_path / "packed"))
    assert load_training_data(tiny(tmp_path, main="packed", holdout=0)).train.names() == names
    assert any("\udcff" in name for name in names)


def test_an_archive_without_the_part_or_cut_off_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "photos.npz", X_train=PIXELS, y_train=LABELS)
    with pytest.raises(DataError, match=r"holds no array X_test \(it holds X_train, y_train\)"):
        read_test_set(tmp_path / "photos.npz", ["0", "1", "2"])
    whole = (tmp_path / "photos.npz").read_bytes()
    (tmp_path / "photos.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read as NumPy arrays"):
        load_training_data(tiny(tmp_path, main="photos.npz"))
    with (tmp_path / "photos.npz").open("wb") as stream:
        np.save(stream, PIXELS)
    with pytest.raises(DataError, match="cannot be read as NumPy arrays"):
        load_training_data(tiny(tmp_path, main="photos.npz"))


@pytest.mark.real_data
def test_cifar10n_opens_with_each_of_its_label_sets(shared_data: Path) -> None:
    path = shared_data / "cifar10n" / "train.parquet"
    with pytest.raises(DataError, match="clean_label, aggregate_label, random_label1, worst_label"):
        read_input(path, InputRequest())
    clean = read_input(path, InputRequest(label_column="clean_label")).images.labels
    for column, share in (("aggregate_label", 0.090), ("random_label1", 0.172), ("worst_label", 0.402)):
        labels = read_input(path, InputRequest(label_column=column)).images.labels
        assert (labels != clean).mean() == pytest.approx(share, abs=0.001)


def test_a_set_of_torchvision_without_parts_is_not_its_own_test_set(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="EuroSAT: this set has no test images of its own; name others with --test"
    ):
        read_input(Path("torchvision:EuroSAT"), InputRequest("test", downloads=tmp_path))

"""One set of images in every input format, and inputs that do not fit."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rawlabel import plugins
from rawlabel.errors import ConfigError, DataError, RawlabelError
from rawlabel.evaluate import make_epoch_evaluator, read_test_set
from rawlabel.plugins import Family
from rawlabel.train import train
from rawlabel.train.data import load_training_data
from rawlabel.train.inputs import InputRequest, read_input
from rawlabel.train.inputs import _parquet_images as parquet_images
from rawlabel.train.inputs._tar_index import INDEX
from tests.train.conftest import CLASSES, make_class_folders, tiny
from tests.train.input_writers import IMAGE, WRITERS, files_of, write_parquet, write_tars

WRITTEN = sorted(name for name, writer in WRITERS.items() if writer)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("images")
    return {
        "train": make_class_folders(root / "train", 30, 1),
        "test": make_class_folders(root / "test", 8, 2),
    }


def test_every_input_is_tested_here() -> None:
    assert set(plugins.names(Family.INPUT)) == set(WRITERS)


@pytest.mark.parametrize("name", WRITTEN)
def test_every_format_gives_the_same_classes_labels_and_pixels(
    name: str, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    main, test = WRITERS[name](tmp_path, folders, monkeypatch)
    data = load_training_data(tiny(tmp_path, main=main, test=test, holdout=0.2))
    assert data.class_ids == CLASSES
    assert len(data.train) + len(data.holdout) == 90
    assert 5 < len(data.holdout) < 35
    reference = load_training_data(tiny(folders["train"].parent, main="train", holdout=0))
    again = load_training_data(tiny(tmp_path, main=main, test=test, holdout=0))
    assert again.train.labels.tolist() == reference.train.labels.tolist()
    assert len(set(again.train.names())) == 90
    from rawlabel.train.images import Images

    for found, expected in zip(
        Images(again.train.source, 16, 2), Images(reference.train.source, 16, 2), strict=True
    ):
        assert np.array_equal(found, expected)
    measured = make_epoch_evaluator(tiny(tmp_path, main=main, test=test), data)
    assert measured is not None


@pytest.mark.integration
def test_every_format_trains_to_the_same_log(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    logs = {}
    for name in WRITTEN:
        root = tmp_path / name
        root.mkdir()
        with monkeypatch.context() as patch:
            main, test = WRITERS[name](root, folders, patch)
            config = tiny(root, main=main, test=test, holdout=0, epochs=2, stop="last_epoch")
            logs[name] = train(config, make_epoch_evaluator).log()
    assert logs["class_folders"][-1]["test"]["acc1"] is not None
    assert all(log == logs["class_folders"] for log in logs.values())


def test_a_path_in_the_set_is_the_name_so_the_holdout_is_the_same(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    for name in ("class_folders", "parquet", "webdataset"):
        (tmp_path / name).mkdir()
        main, _ = WRITERS[name](tmp_path / name, folders, monkeypatch)
        held.append(sorted(load_training_data(tiny(tmp_path / name, main=main)).holdout.names()))
    assert held[0]
    assert held[0] == held[1] == held[2]


def test_a_parquet_set_larger_than_memory_is_read_in_groups(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(folders["train"])
    path = write_parquet(tmp_path / "set.parquet", files)
    monkeypatch.setattr(parquet_images, "MEMORY_SHARE", 0)
    monkeypatch.setattr(parquet_images, "GROUPS_KEPT", 2)
    source = read_input(path, InputRequest()).images.source
    order = np.random.default_rng(0).permutation(len(source))
    assert [source.read(int(i)).tobytes() for i in order] == [files[1][i] for i in order]
    assert len(source._groups) == 2


@pytest.mark.parametrize("layout", ["channels first", "one-hot", "compressed", "gray"])
def test_npz_in_other_layouts(layout: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (6, 8, 8, 3), dtype=np.uint8)
    labels = np.array([0, 1, 2, 2, 1, 0])
    if layout == "gray":
        pixels[..., 1:] = pixels[..., :1]
    stored = {"channels first": pixels.transpose(0, 3, 1, 2), "gray": pixels[..., 0]}.get(layout, pixels)
    save = np.savez_compressed if layout == "compressed" else np.savez
    save(tmp_path / "a.npz", X_train=stored, y_train=np.eye(3)[labels] if layout == "one-hot" else labels)
    found = read_input(tmp_path / "a.npz", InputRequest())
    assert found.class_ids == ("0", "1", "2")
    assert found.images.labels.tolist() == labels.tolist()
    assert np.array_equal(found.images.source.read(4), pixels[4])


def test_the_index_of_shards_is_made_anew_when_a_shard_changes(folders: dict[str, Path], tmp_path: Path) -> None:
    files = files_of(folders["train"])
    write_tars(tmp_path / "set", "train", files)
    first = read_input(tmp_path / "set", InputRequest())
    assert (tmp_path / "set" / INDEX).is_file()
    write_tars(tmp_path / "set", "train", (files[0], files[1], [2 - label for label in files[2]]))
    os.utime(tmp_path / "set" / "train-000000.tar", ns=(1, 1))
    second = read_input(tmp_path / "set", InputRequest())
    assert second.images.labels.tolist() == [2 - label for label in first.images.labels]
    (tmp_path / "set" / INDEX).write_bytes(b"torn")
    assert read_input(tmp_path / "set", InputRequest()).fingerprint == second.fingerprint


def test_hostile_member_names_stay_names(folders: dict[str, Path], tmp_path: Path) -> None:
    names, data, labels = files_of(folders["train"])
    names = ["../../escape.png", "/etc/passwd.png", *names[2:]]
    write_tars(tmp_path / "set", "train", (names, data, labels))
    found = read_input(tmp_path / "set", InputRequest())
    assert [found.images.source.read(i).tobytes() for i in (0, 1)] == data[:2]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["set"]


def _parquet(path: Path, **columns: object) -> None:
    table = {"image": pa.array([{"bytes": b"x", "path": None}] * 3, type=IMAGE), **columns}
    pq.write_table(pa.table({name: value for name, value in table.items() if value is not None}), path)


def _spoiled(kind: str, root: Path, folders: dict[str, Path]) -> str:
    """Write something odd below `root`; return its name."""
    path = root / ("a.npz" if kind.startswith("npz") else "a.parquet")
    pixels, labels = np.zeros((3, 8, 8, 3), np.uint8), np.arange(3)
    if kind == "parquet truncated":
        data = write_parquet(path, files_of(folders["train"])).read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif kind == "parquet labels missing":
        _parquet(path, label=pa.array([0, None, 1]))
    elif kind == "parquet images missing":
        _parquet(path, image=pa.array([{"bytes": b"x"}, None, {"bytes": None}], type=IMAGE), label=[0, 1, 1])
    elif kind == "parquet several":
        _parquet(path, clean_label=[0, 1, 1], worst_label=[1, 1, 0])
    elif kind == "parquet no labels":
        _parquet(path)
    elif kind == "parquet no images":
        _parquet(path, image=None, label=[0, 1, 1])
    elif kind == "parquet label out of range":
        write_parquet(path, (["a", "b"], [b"x", b"y"], [0, 7]))
    elif kind == "npz pickled":
        np.savez(path, X_train=np.array([{}, [], 1], dtype=object), y_train=labels)
    elif kind == "npz truncated":
        np.savez(path, X_train=pixels, y_train=labels)
        path.write_bytes(path.read_bytes()[:300])
    elif kind == "npz shape":
        np.savez(path, X_train=pixels.reshape(3, -1), y_train=labels)
    elif kind == "npz float":
        np.savez(path, X_train=pixels.astype(np.float32), y_train=labels)
    elif kind == "npz lengths":
        np.savez(path, X_train=pixels, y_train=labels[:2])
    elif kind == "npz members":
        np.savez(path, images=pixels, labels=labels)
    else:
        (root / "a").mkdir()
        with tarfile.open(root / "a" / "train-0.tar", "w") as tar:
            if kind != "tar empty":
                info = tarfile.TarInfo("one.png")
                info.size = 2000
                tar.addfile(info, io.BytesIO(bytes(2000)))
        if kind == "tar cut off":
            data = (root / "a" / "train-0.tar").read_bytes()
            (root / "a" / "train-0.tar").write_bytes(data[:1000])
        return "a"
    return path.name


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("parquet truncated", "is not a whole Parquet file"),
        ("parquet labels missing", "1 of 3 labels are missing"),
        ("parquet images missing", "2 of 3 images are missing"),
        ("parquet several", "name one by --label-column: clean_label, worst_label"),
        ("parquet no labels", "has no column of labels; its columns: image"),
        ("parquet no images", "name one of label by --image-column"),
        ("parquet label out of range", "1 labels are not in 0..2"),
        ("npz pickled", "holds pickled objects"),
        ("npz truncated", "is not a whole NumPy archive"),
        ("npz shape", r"has shape \(3, 192\); it should be \[images, height, width, 3\]"),
        ("npz float", "is float32; save the pixels as uint8"),
        ("npz lengths", "has 3 images, but 2 labels"),
        ("npz members", "holds no X_train; it holds images, labels"),
        ("tar empty", "hold no images"),
        ("tar no labels", "of 1 samples, 0 have no image and 1 have no label"),
        ("tar cut off", "is cut off|is not a whole tar file"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(
    kind: str, line: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    name = _spoiled(kind, tmp_path, folders)
    with pytest.raises(RawlabelError, match=line) as caught:
        load_training_data(tiny(tmp_path, main=name))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_test_set_with_other_classes_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "test.parquet", files_of(folders["test"]), ("blue", "green", "violet"))
    with pytest.raises(DataError, match="class 'violet' is not among the training classes"):
        read_test_set(path, list(CLASSES))


def test_addresses_that_cannot_be_loaded_are_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets as known

    monkeypatch.setattr(known.CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(DataError, match=r"torchvision:CIFAR10: cannot be loaded .*check the network"):
        load_training_data(tiny(tmp_path, main="torchvision:CIFAR10"))
    with pytest.raises(ConfigError, match="did you mean 'CIFAR10'"):
        load_training_data(tiny(tmp_path, main="torchvision:CIFAR1O"))
    with pytest.raises(DataError, match=r"cannot be loaded .*check the name and the network"):
        load_training_data(tiny(tmp_path, main=f"hub:{tmp_path / 'nothing'}"))


@pytest.mark.real_data
def test_cifar10n_opens_under_each_noisy_column_and_under_none_by_itself(shared_data: Path) -> None:
    path = shared_data / "cifar10n" / "train.parquet"
    wrong = {}
    clean = read_input(path, InputRequest("train", "clean_label")).images.labels
    for column in ("aggregate_label", "random_label1", "worst_label"):
        found = read_input(path, InputRequest("train", column))
        wrong[column] = float((found.images.labels != clean).mean())
    assert wrong["aggregate_label"] < 0.1 < wrong["random_label1"] < 0.2 < 0.38 < wrong["worst_label"] < 0.42
    with pytest.raises(DataError, match="clean_label, aggregate_label, random_label1, worst_label"):
        read_input(path, InputRequest("train"))

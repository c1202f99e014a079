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

from rawlabel.base import families
from rawlabel.base.families import Family
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.input import InputRequest, read_input
from rawlabel.images.inputs._tar_index import INDEX
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.training.data import load_training_data
from rawlabel.training.stage import train
from tests.helpers.input_writers import WRITERS, files_of, write_tars
from tests.helpers.tiny_training import CLASSES, make_class_folders, tiny

WRITTEN = sorted(name for name, writer in WRITERS.items() if writer)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("images")
    return {
        "train": make_class_folders(root / "train", 30, 1),
        "test": make_class_folders(root / "test", 8, 2),
    }


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is no place for it: `datasets` may be loaded already, and would fill the user's cache."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def test_every_input_is_tested_here() -> None:
    assert set(families.names(Family.INPUT)) == set(WRITERS)


@pytest.mark.usefixtures("_own_cache")
@pytest.mark.parametrize("name", WRITTEN)
def test_every_format_gives_the_same_classes_labels_and_pixels(
    name: str, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, test = WRITERS[name](tmp_path, folders, monkeypatch)
    data = load_training_data(tiny(tmp_path, main=main, test=test, holdout=0.2))
    assert data.class_ids == (CLASSES if name != "npz" else ("0", "1", "2"))
    assert len(data.train) + len(data.holdout) == 90
    assert 5 < len(data.holdout) < 35
    reference = load_training_data(tiny(folders["train"].parent, main="train", holdout=0))
    again = load_training_data(tiny(tmp_path, main=main, test=test, holdout=0))
    assert again.train.labels.tolist() == reference.train.labels.tolist()
    assert len(set(again.train.names())) == 90
    from rawlabel.images.decoding import Images

    for found, expected in zip(
        Images(again.train.source, 16, 2), Images(reference.train.source, 16, 2), strict=True
    ):
        assert np.array_equal(found, expected)
    measured = make_epoch_evaluator(tiny(tmp_path, main=main, test=test), data)
    assert measured is not None


def test_the_start_line_counts_what_is_used_and_what_is_not(folders: dict[str, Path]) -> None:
    config = tiny(folders["train"].parent, main="train", holdout=0, select_classes=("blue", "red"))
    line = load_training_data(config).counts()
    assert line.endswith("train: 60 training images of 2 classes, 0 held out; 1 classes left out: green")


@pytest.mark.integration
@pytest.mark.usefixtures("_own_cache")
def test_every_format_trains_to_the_same_log(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_member_name_is_the_name_so_the_holdout_is_the_same(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    for name in ("class_folders", "webdataset"):
        (tmp_path / name).mkdir()
        main, _ = WRITERS[name](tmp_path / name, folders, monkeypatch)
        held.append(sorted(load_training_data(tiny(tmp_path / name, main=main)).holdout.names()))
    assert held[0]
    assert held[0] == held[1]


def test_the_index_of_shards_is_made_anew_when_a_shard_changes(folders: dict[str, Path], tmp_path: Path) -> None:
    files = files_of(folders["train"])
    write_tars(tmp_path / "set", "train", files)
    first = read_input(tmp_path / "set", InputRequest())
    assert (tmp_path / "set" / INDEX).is_file()
    write_tars(tmp_path / "set", "train", (files[0], files[1], [2 - label for label in files[2]]))
    os.utime(tmp_path / "set" / "train-000000.tar", ns=(1, 1))
    second = read_input(tmp_path / "set", InputRequest())
    assert second.images.labels.tolist() == [2 - label for label in first.images.labels]
    whole = (tmp_path / "set" / INDEX).read_bytes()
    for torn in (b"torn", b"", whole[: len(whole) // 2], whole[:-30]):
        (tmp_path / "set" / INDEX).write_bytes(torn)
        assert read_input(tmp_path / "set", InputRequest()).fingerprint == second.fingerprint


def test_a_shard_cut_anywhere_is_never_read_as_a_smaller_one(folders: dict[str, Path], tmp_path: Path) -> None:
    names, data, labels = files_of(folders["train"])
    write_tars(tmp_path / "set", "train", (names[:4], data[:4], labels[:4]))
    shard = tmp_path / "set" / "train-000000.tar"
    whole = shard.read_bytes()
    assert len(read_input(tmp_path / "set", InputRequest()).images) == 4
    with tarfile.open(shard) as tar:
        members = tar.getmembers()
    for length in [one.offset for one in members] + [one.offset_data + one.size // 2 for one in members]:
        shard.write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_input(tmp_path / "set", InputRequest())
    damaged, middle = bytearray(whole), members[4].offset
    damaged[middle : middle + tarfile.BLOCKSIZE] = b"x" * tarfile.BLOCKSIZE
    shard.write_bytes(damaged)
    pq.write_table(pa.table({"url": ["a"]}), tmp_path / "set" / "00000.parquet")  # as img2dataset does
    with pytest.raises(DataError, match="is not a whole tar file"):
        read_input(tmp_path / "set", InputRequest())
    shard.write_bytes(whole)
    (tmp_path / "set" / "index.json").write_text('{"shards": [{"file": "train-000000.tar"}, {"file": "b.tar"}]}')
    with pytest.raises(DataError, match=r"b\.tar: is missing, and index\.json lists it"):
        read_input(tmp_path / "set", InputRequest())


def test_hostile_member_names_stay_names(folders: dict[str, Path], tmp_path: Path) -> None:
    names, data, labels = files_of(folders["train"])
    names = ["../../escape.png", "/etc/passwd.png", *names[2:]]
    write_tars(tmp_path / "set", "train", (names, data, labels))
    found = read_input(tmp_path / "set", InputRequest())
    assert [found.images.source.read(i).tobytes() for i in (0, 1)] == data[:2]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["set"]


def _spoil(kind: str, root: Path) -> None:
    """Write a shard that is not as it should be."""
    shard = root / "set" / "train-0.tar"
    shard.parent.mkdir()
    with tarfile.open(shard, "w") as tar:
        members = {"empty": [], "no images": ["a.cls"], "two images": ["a.cls", "a.png", "a.jpg"]}
        for name in members.get(kind, ["a.png"]):
            info = tarfile.TarInfo(name)
            info.size = 2000
            tar.addfile(info, io.BytesIO(b"0" * 2000))
    if kind == "cut off":
        shard.write_bytes(shard.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("empty", "hold no images"),
        ("no labels", "of 1 samples, 0 have no image and 1 have no label"),
        ("no images", "of 1 samples, 1 have no image and 0 have no label"),
        ("two images", "sample 'a' holds 2 images"),
        ("cut off", "is cut off in 'a.png'|is not a whole tar file"),
    ],
)
def test_shards_that_do_not_fit_are_one_clear_line(kind: str, line: str, tmp_path: Path) -> None:
    _spoil(kind, tmp_path)
    with pytest.raises(DataError, match=line) as caught:
        load_training_data(tiny(tmp_path, main="set"))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "set") in str(caught.value)


def test_names_with_dots_that_fall_together_are_told_to_do_so(folders: dict[str, Path], tmp_path: Path) -> None:
    names, data, labels = files_of(folders["train"])
    dotted = [f"photo.{index}.png" for index in range(len(names))]
    write_tars(tmp_path / "set", "train", (dotted, data, labels))
    with pytest.raises(
        DataError, match=r"It is the dots: .* 'photo\.0\.png' ends in '\.0\.png', which is no image"
    ):
        read_input(tmp_path / "set", InputRequest())


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
    with pytest.raises(DataError, match="hub:: names no set; write hub:NAME"):
        load_training_data(tiny(tmp_path, main="hub:"))

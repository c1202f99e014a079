"""What training reads, what it holds out, and what it says of folders that do not fit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel.artifacts.split import held_out, key_of
from rawlabel.config import CurateConfig, PackConfig, TrainConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.gather.curate.stage import curate
from rawlabel.images.decoding import DRAWS, Images, Transform
from rawlabel.images.input import InputRequest, read_input
from rawlabel.images.inputs.class_folders import read_class_folders
from rawlabel.images.loader import Loader
from rawlabel.images.packing import pack
from rawlabel.judge.evaluate.opening import read_test_set
from rawlabel.records import Split
from rawlabel.training.data import load_training_data
from tests.helpers.collected_project import make_project
from tests.helpers.tiny_training import CLASSES, make_class_folders, tiny


def test_class_folders_are_read_in_a_fixed_order(data: Path) -> None:
    class_ids, names, _, labels, _ = read_class_folders(data / "candidate")
    assert tuple(class_ids) == CLASSES
    assert [class_ids[label] for label in labels] == [name.split("/")[0] for name in names]
    assert np.bincount(labels).tolist() == [40, 40, 40]


def test_class_folders_have_the_fingerprint_they_always_had_so_that_old_runs_go_on(tmp_path: Path) -> None:
    for name, size in (("b/2.png", 5), ("b/10.JPG", 3), ("a/x y.bmp", 2), ("b/.png", 9), ("b/notes.txt", 9)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"0" * size)
    found = read_input(tmp_path, InputRequest())
    assert found.images.names() == ["a/x y.bmp", "b/10.JPG", "b/2.png"]
    assert found.images.labels.tolist() == [0, 1, 1]
    assert found.fingerprint == hashlib.sha256(b"a/x y.bmp:2;b/10.JPG:3;b/2.png:5;").hexdigest()
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"b/gone\.png: cannot be read \(No such file"):
        read_input(tmp_path, InputRequest())


def test_the_holdout_is_cut_from_the_raw_candidates_and_is_stable(tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "candidate", 60, 1)
    config = tiny(tmp_path)
    before = load_training_data(config)
    held = set(before.holdout.names())
    assert not held & set(before.train.names())
    assert len(before.train) + len(before.holdout) == 180
    assert 0.1 < len(held) / 180 < 0.3
    for i in range(100, 130):
        (folder / "red" / f"{i}.png").write_bytes((folder / "red" / "001.png").read_bytes())
    after = load_training_data(config)
    assert held <= set(after.holdout.names())
    assert after.fingerprint != before.fingerprint


def test_a_manifest_brings_its_own_split_and_raw_labels(tmp_path: Path) -> None:
    project = make_project(tmp_path, photos=30)
    manifest = curate(CurateConfig(project=project, holdout=0.3))
    data = load_training_data(TrainConfig(root=project))
    assert data.class_ids == ("owl", "robin")
    assert len(data.holdout) == manifest.kept(Split.HOLDOUT).num_rows > 0
    expected = manifest.kept(Split.TRAIN)["class_id"].to_pylist()
    assert [data.class_ids[label] for label in data.train.labels] == expected
    # What folds are cut by: an author's photos stay together, in a pack of the manifest too.
    groups = [
        key_of(group)
        for split in (Split.TRAIN, Split.HOLDOUT)
        for group in manifest.kept(split)["group"].to_pylist()
    ]
    assert data.train.join(data.holdout).keys.tolist() == groups
    pack(PackConfig(source=data.origin, out=tmp_path / "packed"))
    packed = load_training_data(TrainConfig(root=tmp_path, main="packed"))
    assert packed.train.join(packed.holdout).keys.tolist() == groups


def test_class_folders_that_lie_here_and_not_under_the_root_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_class_folders(tmp_path / "flowers", 3, 0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"flowers lies here: say --root \."):
        load_training_data(tiny(tmp_path / "project", main="flowers"))
    assert len(load_training_data(tiny(Path(), main="flowers")).class_ids) == 3


def test_folders_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder or manifest; check --root and --main"):
        load_training_data(tiny(tmp_path))
    with pytest.raises(DataError, match=r"nor `candidate`; name the data with --main, or say --main \. where"):
        load_training_data(tiny(tmp_path, main=None))
    (tmp_path / "candidate").mkdir()
    with pytest.raises(DataError, match="holds no class folders"):
        load_training_data(tiny(tmp_path))
    make_class_folders(tmp_path / "full", 3, 0)
    (tmp_path / "full" / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no images"):
        load_training_data(tiny(tmp_path, main="full"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("extra", "class 'violet' is not among the training classes"),
        ("missing", "training class 'red' is missing"),
    ],
)
def test_a_test_folder_with_other_classes_is_named(tmp_path: Path, change: str, named: str) -> None:
    folder = make_class_folders(tmp_path / "test", 2, 0)
    if change == "extra":
        (folder / "red").rename(folder / "violet")
        known = ["blue", "green", "red"]
    else:
        known = [*CLASSES, "red "]
        for path in (folder / "red").iterdir():
            path.unlink()
        (folder / "red").rmdir()
    with pytest.raises(DataError) as caught:
        read_test_set(folder, known)
    assert named in str(caught.value)


@settings(max_examples=60)
@given(
    height=st.integers(8, 90),
    width=st.integers(8, 90),
    size=st.integers(8, 40),
    augment=st.sampled_from(["resized_crop", "crop_flip", "crop", "none"]),
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=DRAWS, max_size=DRAWS),
)
def test_views_have_the_wanted_size_and_only_pixels_of_the_image(
    height: int, width: int, size: int, augment: str, draws: list[float]
) -> None:
    pixels = np.full((height, width, 3), (10, 20, 30), dtype=np.uint8)
    transform = Transform(size, augment)
    for view in (transform.training_view(pixels, np.array(draws)), transform.evaluation_view(pixels)):
        assert view.shape == (size, size, 3)
        assert (view == (10, 20, 30)).all()


@pytest.mark.parametrize(
    ("wanted", "classes", "per_class"),
    [
        ({"select_classes": ("red", "0")}, ("red", "blue"), 9),
        ({"num_classes": 2}, ("blue", "green"), 9),
        ({"min_allowed_images": 9}, ("green", "red"), 9),
    ],
)
def test_some_classes_are_trained_on_and_the_others_are_known_as_left_out(
    tmp_path: Path, wanted: dict[str, object], classes: tuple[str, ...], per_class: int
) -> None:
    make_class_folders(tmp_path / "candidate", per_class, 0)
    if "min_allowed_images" in wanted:
        (tmp_path / "candidate" / "blue" / "000.png").unlink()
    make_class_folders(tmp_path / "test", 2, 0)
    data = load_training_data(tiny(tmp_path, **wanted))
    assert data.class_ids == classes
    everything = data.train.join(data.holdout)
    assert np.bincount(everything.labels).tolist() == [per_class] * 2
    assert [name.split("/")[0] for name in everything.names()] == [classes[i] for i in everything.labels]
    test = read_test_set(tmp_path / "test", list(classes), left_out=data.left_out)
    assert sorted(data.left_out + classes) == sorted(CLASSES)
    assert [name.split("/")[0] for name in test.names()] == [classes[i] for i in test.labels]
    assert len(test) == 4


def test_a_random_subset_has_the_size_asked_for_and_follows_the_seed(data: Path) -> None:
    subsets = [load_training_data(tiny(data, train_size=20, holdout=0, seed=seed)).train for seed in (1, 1, 2)]
    assert [len(one) for one in subsets] == [20] * 3
    assert subsets[0].names() == subsets[1].names() != subsets[2].names()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"select_classes": ("rad",)}, "--select-classes rad: .* has no such class; did you mean 'red'"),
        ({"num_classes": 4}, "--num-classes: .* has 3 classes, not 4"),
        ({"min_allowed_images": 99}, "only 0 classes have 99 images; lower --min-allowed-images"),
        ({"select_classes": ("red",)}, "holds one class"),
        ({"train_size": 2}, "has no training image; raise --train-size"),
    ],
)
def test_a_selection_that_cannot_be_made_is_told(data: Path, wanted: dict[str, object], told: str) -> None:
    with pytest.raises((ConfigError, DataError), match=told):
        load_training_data(tiny(data, **wanted))


def test_batches_depend_on_neither_threads_nor_preparation(data: Path) -> None:
    source = load_training_data(tiny(data, holdout=0)).train.source
    images, transform = Images(source, 23, 2), Transform(16, "resized_crop")
    one, many = Loader(images, transform, 50, 3, workers=1), Loader(images, transform, 50, 3, workers=5)
    many.prepare(2)
    many.prepare(1)
    for epoch in (1, 2):
        expected, found = list(one.epoch(epoch)), list(many.epoch(epoch))
        assert len(expected) == len(found) == 3
        for left, right in zip(expected, found, strict=True):
            assert torch.equal(left.views, right.views) and torch.equal(left.sample_ids, right.sample_ids)
    later = list(many.epoch(2, first_step=1))
    assert torch.equal(later[0].views, expected[1].views)
    one.close()
    many.close()


@given(st.integers(0, 2**31), st.floats(0.05, 0.5))
def test_the_split_of_many_keys_is_stable_and_holds_out_the_share(seed: int, share: float) -> None:
    keys = np.array([key_of(str(i)) for i in range(2000)], dtype=np.uint64)
    held = held_out(keys, seed, share)
    assert abs(held.mean() - share) < 0.06
    assert (held_out(keys[::-1], seed, share)[::-1] == held).all()
    assert (held_out(keys, seed, share / 2) <= held).all()
    assert (held_out(keys, seed + 1, share) != held).any()

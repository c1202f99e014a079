"""What training reads, what it holds out, and what it says of folders that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel.config import CurateConfig, TrainConfig
from rawlabel.curate import curate
from rawlabel.errors import DataError
from rawlabel.evaluate import read_test_set
from rawlabel.records import Split
from rawlabel.train.data import load_training_data, read_class_folders
from rawlabel.train.images import DRAWS, Transform
from tests.curate.test_curate import make_project
from tests.train.conftest import CLASSES, make_class_folders, tiny


def test_class_folders_are_read_in_a_fixed_order(data: Path) -> None:
    class_ids, paths, labels = read_class_folders(data / "candidate")
    assert tuple(class_ids) == CLASSES
    assert [class_ids[label] for label in labels] == [path.parent.name for path in paths]
    assert np.bincount(labels).tolist() == [40, 40, 40]


def test_the_holdout_is_cut_from_the_raw_candidates_and_is_stable(tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "candidate", 60, 1)
    config = tiny(tmp_path)
    before = load_training_data(config)
    held = set(before.holdout.paths)
    assert not held & set(before.train.paths)
    assert len(before.train) + len(before.holdout) == 180
    assert 0.1 < len(held) / 180 < 0.3
    for i in range(100, 130):
        (folder / "red" / f"{i}.png").write_bytes((folder / "red" / "001.png").read_bytes())
    after = load_training_data(config)
    assert held <= set(after.holdout.paths)
    assert after.fingerprint != before.fingerprint


def test_a_manifest_brings_its_own_split_and_raw_labels(tmp_path: Path) -> None:
    project = make_project(tmp_path, photos=30)
    manifest = curate(CurateConfig(project=project, holdout=0.3))
    data = load_training_data(TrainConfig(root=project))
    assert data.class_ids == ("owl", "robin")
    assert len(data.holdout) == manifest.kept(Split.HOLDOUT).num_rows > 0
    expected = manifest.kept(Split.TRAIN)["class_id"].to_pylist()
    assert [data.class_ids[label] for label in data.train.labels] == expected


def test_folders_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder or manifest; check --root and --main"):
        load_training_data(tiny(tmp_path))
    with pytest.raises(DataError, match="neither a manifest nor `candidate`"):
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


@settings(max_examples=60, deadline=None)
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

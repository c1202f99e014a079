"""Each image set of torchvision is read, or one line says what to do instead."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torchvision.datasets as known

from rawlabel.errors import ConfigError, DataError
from rawlabel.images.decoding import Images
from rawlabel.images.input import InputRequest, read_input
from rawlabel.images.inputs.torchvision_dataset import _ELSEWHERE, _OTHER_TASKS
from rawlabel.training.data import load_training_data
from tests.helpers.tiny_training import tiny
from tests.helpers.torchvision_writers import LABELS, SETS, pixels, usps

CLASSIFICATION = sorted({*known.__all__} - _OTHER_TASKS - {*_ELSEWHERE} - {"FakeData"})
WITHOUT_TEST = {"Caltech101", "Caltech256", "EuroSAT", "Omniglot", "SEMEION", "SUN397"}
ARGUMENTS = {"EMNIST": ":split=balanced"}


def read(address: str, root: Path, part: str = "train") -> Any:
    return read_input(Path(f"torchvision:{address}"), InputRequest(part, downloads=root))


@pytest.mark.parametrize("address", SETS)
def test_classes_labels_and_pixels_come_from_the_downloaded_files(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, expected = SETS[address]
    name = address.partition(":")[0]
    (tmp_path / name).mkdir()
    write(tmp_path / name, monkeypatch)
    found = read(address, tmp_path)
    assert list(found.class_ids[: len(expected)]) == expected
    assert len(set(found.class_ids)) == len(found.class_ids)
    labels = found.images.labels.tolist()
    # Sets in class folders have their images class by class.
    assert labels[: len(LABELS)] in (LABELS, sorted(LABELS), sorted(LABELS)[::-1])
    assert len(found.images.source) == len(labels)
    decoded = Images(found.images.source, 28, 1, cache="none")
    assert decoded[0].shape[2] == 3 and decoded[len(LABELS) - 1].std() >= 0
    if name not in {*WITHOUT_TEST, "FER2013"}:
        tested = read(address, tmp_path, "test")
        assert tested.class_ids == found.class_ids
        assert sorted(tested.images.labels) == sorted(labels)


@pytest.mark.parametrize("name", ["INaturalist", "Omniglot"])
def test_the_order_of_a_folder_on_the_disk_does_not_matter(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    SETS[name][0](tmp_path / name, monkeypatch)
    listdir, found = os.listdir, []
    for backwards in (False, True):
        monkeypatch.setattr(os, "listdir", lambda path, how=backwards: sorted(listdir(path), reverse=how))
        images = read(name, tmp_path)
        found.append((images.class_ids, images.images.labels.tolist(), images.images.source.read(1).tobytes()))
    assert found[0] == found[1]


def test_arrays_are_taken_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, side in (("SVHN", 28), ("STL10", 96)):
        (tmp_path / name).mkdir()
        SETS[name][0](tmp_path / name, monkeypatch)
        source = read(name, tmp_path).images.source
        assert source.pixel_shape == (side, side)
        assert np.array_equal(source.read(4), pixels(4, side))


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("name", CLASSIFICATION)
def test_without_network_and_files_each_set_says_what_to_do(
    name: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real classes, which refuse arguments and parts that they do not know in other words."""

    def refuse(*arguments: object, **options: object) -> None:
        raise URLError("no network here")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(DataError) as caught:
        read(f"{name}{ARGUMENTS.get(name, '')}", tmp_path, part)
    line = str(caught.value)
    assert "\n" not in line and line.startswith(f"torchvision:{name}")
    if part == "test" and name in WITHOUT_TEST:
        assert "has no test images of its own; name others with --test" in line
    else:
        assert "cannot be loaded (" in line or "needs a package that is not installed" in line
        assert str(tmp_path / name) in line or "install" in line
        assert "Unknown value" not in line and "argument" not in line and "download=True" not in line


@pytest.mark.parametrize("name", sorted(_OTHER_TASKS | {*_ELSEWHERE}))
def test_what_has_no_classes_is_refused_before_anything_is_downloaded(name: str, tmp_path: Path) -> None:
    assert name in known.__all__
    with pytest.raises(ConfigError, match=f"torchvision:{name}: (is no set of images|cannot be read this way; )"):
        read(name, tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("address", "line"),
    [
        (
            "EMNIST",
            "say which split, as in torchvision:EMNIST:split=VALUE; it is one of byclass, bymerge, balanced",
        ),
        ("EMNIST:splitt=letters", "'splitt=letters' is no KEY=VALUE that this set takes; did you mean 'split'"),
        ("EMNIST:letters", "'letters' is no KEY=VALUE"),
        ("Places365:small=yes", "small is true or false"),
        ("CIFAR10:root=elsewhere", "'root=elsewhere' is no KEY=VALUE that this set takes; known: train"),
    ],
)
def test_what_is_said_behind_the_name_is_checked(address: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=line):
        read(address, tmp_path)


def test_options_are_of_the_kind_that_the_set_takes(tmp_path: Path) -> None:
    found = read("FakeData:size=6:num_classes=3", tmp_path)
    assert len(found.images) == 6 and set(found.images.labels) <= {0, 1, 2}
    with pytest.raises(
        DataError, match=r"cannot be loaded \(Unknown value 'letterz'.*; check what is said behind"
    ):
        read("EMNIST:split=letterz", tmp_path)


def test_images_without_labels_and_images_that_are_gone_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FER2013", "Food101"):
        (tmp_path / name).mkdir()
        SETS[name][0](tmp_path / name, monkeypatch)
    with pytest.raises(DataError, match="FER2013: its test images have no labels; name others"):
        read("FER2013", tmp_path, "test")
    source = read("Food101", tmp_path).images.source
    for path in (tmp_path / "Food101").rglob("*.jpg"):
        path.unlink()
    with pytest.raises(DataError, match=r"torchvision:Food101: image 0 cannot be read .*; download or unpack"):
        source.read(0)


def test_a_set_is_trained_on_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "downloads" / "USPS").mkdir(parents=True)
    usps(tmp_path / "downloads" / "USPS", monkeypatch)
    data = load_training_data(tiny(tmp_path, main="torchvision:USPS", holdout=0))
    assert data.train.labels.tolist() == LABELS

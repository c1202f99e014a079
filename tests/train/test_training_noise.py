"""Noise that is put into training data on purpose: exact, by the seed, and on record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rawlabel.errors import DataError, RawlabelError
from rawlabel.images.image_source import LabeledImages
from rawlabel.training.data import TrainingData, load_training_data
from rawlabel.training.stage import train
from tests.helpers.tiny_training import CLASSES, make_class_folders, tiny


def all_of(data: TrainingData) -> LabeledImages:
    return data.train.join(data.holdout)


def wrong(images: LabeledImages) -> np.ndarray:
    """Whether each label differs from the folder that the image lies in."""
    return np.array([name.split("/")[0] for name in images.names()]) != np.array(CLASSES)[images.labels]


@pytest.mark.parametrize("kind", ["symmetric", "instance_dependent", "asymmetric"])
def test_a_share_of_the_labels_is_made_wrong_in_training_images_and_holdout(data: Path, kind: str) -> None:
    clean, noisy = (load_training_data(tiny(data, inject_noise=rate, noise_kind=kind)) for rate in (0, 0.3))
    assert not wrong(all_of(clean)).any()
    assert all_of(noisy).names() == all_of(clean).names()
    assert noisy.fingerprint == clean.fingerprint
    share = wrong(all_of(noisy)).mean()
    assert share == 0.3 if kind != "instance_dependent" else 0.15 < share < 0.45
    assert wrong(noisy.train).any() and wrong(noisy.holdout).any()
    again = load_training_data(tiny(data, inject_noise=0.3, noise_kind=kind))
    assert (all_of(again).labels == all_of(noisy).labels).all()


def test_a_second_set_replaces_its_share_of_each_class(data: Path, tmp_path: Path) -> None:
    (tmp_path / "candidate").symlink_to(data / "candidate")
    make_class_folders(tmp_path / "second", 20, 9)
    data_mixed = load_training_data(tiny(tmp_path, mix="second", mix_rate=0.25))
    images = all_of(data_mixed)
    places = [images.source.where(index) for index in range(len(images))]
    from_second = np.array([str(tmp_path / "second") in place for place in places])
    assert [int(from_second[images.labels == index].sum()) for index in range(3)] == [10, 10, 10]
    assert len(set(places)) == 120
    assert not wrong(images).any()
    (tmp_path / "second" / "red" / "one_more.png").write_bytes(b"")
    assert load_training_data(tiny(tmp_path, mix="second", mix_rate=0.25)).fingerprint != data_mixed.fingerprint
    with pytest.raises(DataError, match="lower"):
        load_training_data(tiny(tmp_path, mix="second", mix_rate=0.9))


@pytest.mark.integration
def test_what_was_injected_is_on_record_and_only_raw_labels_are_seen(data: Path, tmp_path: Path) -> None:
    config = tiny(data, outpath=tmp_path / "run", inject_noise=0.5, epochs=2)
    run, training = train(config), load_training_data(config)
    record = json.loads((run.path / "label_noise.json").read_text())
    assert (record["kind"], record["num_changed"], record["num_labels"]) == ("symmetric", 60, 120)
    assert len(record["changes"]) == 60
    assert int(wrong(all_of(training)).sum()) == 60
    assert run.log()[-1]["train"]["acc1"] < 80  # as many labels are wrong as cannot be learned so soon


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"inject_noise": 0.2, "noise_kind": "symetric"}, "symetric.*did you mean 'symmetric'"),
        ({"mix": "nowhere"}, "check --root and --mix"),
        ({"inject_noise": 0.2, "noise_option": ("x=1",)}, "unknown option"),
        ({"inject_noise": 0.2, "noise_kind": "off_topic"}, "--noise-kind off_topic: .*`rawlabel noise PROJECT "),
        ({"inject_noise": 0.2, "noise_kind": "mix"}, "--noise-kind mix: .*; name that set with --mix"),
    ],
)
def test_noise_that_cannot_be_made_is_told(data: Path, wanted: dict[str, object], told: str) -> None:
    with pytest.raises(RawlabelError, match=told):
        load_training_data(tiny(data, **wanted))


def test_a_mix_that_replaces_nothing_says_so(tmp_path: Path) -> None:
    make_class_folders(tmp_path / "candidate", 12, 1)
    make_class_folders(tmp_path / "second", 12, 2)
    line = load_training_data(tiny(tmp_path, mix="second", mix_rate=0.04)).counts()
    assert "--mix replaced none, since 0.04 of no class is a whole image: raise --mix-rate" in line
    assert "--mix replaced 9" in load_training_data(tiny(tmp_path, mix="second", mix_rate=0.25)).counts()
    assert "--mix" not in load_training_data(tiny(tmp_path)).counts()

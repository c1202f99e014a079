"""What is known of the training images: accuracies by name, and what the steps say in passing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.base.correctness import is_right
from rawlabel.images.decoding import Images
from rawlabel.images.loader import Loader
from rawlabel.models.predictor import load_predictor
from rawlabel.training.data import load_training_data
from rawlabel.training.measuring.sample_statistics import SampleStatistics
from rawlabel.training.measuring.train_accuracy import probe_rows
from rawlabel.training.stage import train
from tests.helpers.tiny_training import CLASSES, tiny


@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=8), size=st.integers(1, 200), seed=st.integers(0, 99)
)
def test_the_probe_has_a_fair_share_of_each_class(counts: list[int], size: int, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = probe_rows(labels, size, seed)
    assert (np.diff(rows) > 0).all() and (probe_rows(labels, size, seed) == rows).all()
    if len(labels) <= size:
        assert len(rows) == len(labels)
        return
    for index, count in enumerate(np.bincount(labels[rows], minlength=len(counts))):
        assert count >= 1
        assert abs(count - counts[index] * size / len(labels)) <= 1


def test_the_margins_and_the_forgetting_of_two_images() -> None:
    samples = SampleStatistics(3, torch.device("cpu"))
    label = torch.tensor([0, 1])
    for logits in ([[3.0, 1.0], [0.0, 2.0]], [[1.0, 2.0], [0.0, 1.0]], [[5.0, 1.0], [2.0, 0.0]]):
        samples.add(torch.tensor([2, 0]), torch.tensor(logits), label)
    assert samples.seen.tolist() == [3, 0, 3]
    assert samples.correct.tolist() == [2, 0, 2]
    assert samples.forgotten.tolist() == [1, 0, 1]
    assert samples.margin.tolist() == [2 + 1 - 2, 0, 2 - 1 + 4]
    expected = sum(np.log1p(np.exp(-margin)) for margin in (2, -1, 4))
    assert samples.loss[2].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.integration
def test_accuracies_by_name_and_a_row_for_each_image(data: Path, tmp_path: Path) -> None:
    config = tiny(data, outpath=tmp_path / "run", epochs=2, probe_images=30, precision="fp32",
                  train_accuracy=("probe", "full", "augmented"))  # fmt: skip
    run, training = train(config), load_training_data(config)
    last = run.log()[-1]
    predictor, _, _ = load_predictor(run.last_weights)
    images = Images(training.train.source, predictor.transform.stored_side, 1)
    logits = predictor.logits(images)
    correct = is_right(logits, training.train.labels)
    assert last["train_full"]["acc1"] == pytest.approx(100 * correct.mean())
    rows = probe_rows(training.train.labels, 30, 7)
    assert last["train_probe"]["acc1"] == pytest.approx(100 * correct[rows].mean())
    loader = Loader(
        Images(training.train.source, predictor.transform.stored_side, 1), predictor.transform, 16, 7, 1
    )
    batches = list(loader.epoch(3))  # two epochs later than the second: views that nothing was trained on
    guesses = torch.cat([predictor.classify(one.views) for one in batches]).argmax(dim=1)
    labels = training.train.labels[torch.cat([one.sample_ids for one in batches])]
    assert last["train_augmented"]["acc1"] == pytest.approx(100 * (guesses.numpy() == labels).mean())
    loader.close()
    table = pq.read_table(run.samples_path)
    assert table["name"].to_pylist() == training.train.names()
    assert set(table["label"].to_pylist()) == set(CLASSES)
    assert set(table["times_seen"].to_pylist()) <= {1, 2}  # a last batch of one image is left out
    share = sum(table["times_correct"].to_pylist()) / sum(table["times_seen"].to_pylist())
    assert 100 * share == pytest.approx(np.mean([entry["train"]["acc1"] for entry in run.log()]), abs=2)

    plain = train(config.model_copy(update={"outpath": tmp_path / "plain", "train_accuracy": ()}))
    assert {name.split("_")[0] for name in plain.log()[-1]} >= {"train", "holdout"}
    assert [entry["holdout"] for entry in plain.log()] == [entry["holdout"] for entry in run.log()]

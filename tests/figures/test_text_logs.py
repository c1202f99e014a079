"""Text logs, positions of right images, settings and layers: what else the authors' repositories hold of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rawlabel.config import FiguresConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.show.figures.correct_positions import correct_by_class, read_test_labels
from rawlabel.show.figures.published_layout import read_accuracy_log
from rawlabel.show.figures.run_search import find_runs, parse_conditions
from rawlabel.show.figures.stage import draw_figures
from rawlabel.show.figures.text_logs import is_text_log, read_text_log
from rawlabel.show.figures.weight_tracks import read_weight_tracks
from tests.helpers.published_tree import log_entry, read_csv, write_json

PROGRESS = """Epoch 0
35.854, 79.786
54.750, 94.600
63.730, 96.800
Epoch 1
41.948, 82.706
64.850, 96.600
75.680, 98.370
"""
TWICE = "Epoch 0\n43.7, 90.7\n35.5, 87.4\nEpoch 1\n61.7, 95.1\n49.6, 91.1\nEpoch 0\n52.9, 94.0\n42.9, 88.9\n"


def test_a_progress_log_holds_training_test_and_a_second_test_set(tmp_path: Path) -> None:
    (tmp_path / "train_logs.txt").write_text(PROGRESS)
    assert is_text_log(tmp_path / "train_logs.txt")
    (log,) = read_text_log(tmp_path / "train_logs.txt")
    assert (log.epochs.tolist(), log.train.tolist()) == ([0, 1], [35.854, 41.948])
    assert (log.test.tolist(), log.subset.tolist()) == ([54.75, 64.85], [63.73, 75.68])


def test_a_file_that_was_added_to_holds_several_runs(tmp_path: Path) -> None:
    (tmp_path / "train_logs_cifar.txt").write_text(TWICE)
    first, second = read_text_log(tmp_path / "train_logs_cifar.txt")
    assert (first.test.tolist(), second.test.tolist()) == ([35.5, 49.6], [42.9])
    assert np.isnan(first.subset).all()


@pytest.mark.parametrize(
    ("name", "same"),
    [("flickr_cls100", 100), ("imagenet_cls100", 112), ("flickr_cls135", 122), ("imagenet_cls135", 150)],
)
def test_the_published_tables_are_the_published_logs_but_for_epochs_that_one_lacks(
    paper: Path, name: str, same: int
) -> None:
    folder = paper / "results" / name
    (path,) = folder.glob("*.txt")
    (table,) = read_text_log(path)
    log = read_accuracy_log(folder)
    assert len(table.epochs) == same <= len(log.epochs)
    assert np.abs(table.test - log.test[:same]).max() < 0.001
    assert np.abs(table.train - log.train[:same]).max() < 0.001


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "has no epoch"),
        ("epoch train test\n", "has no epoch"),
        ("epoch train test\n0 1 2 3\n", "line 2 has 4 numbers and not 3"),
        ("epoch train test\n0.5 1 2\n", "line 2: epoch 0.5 is no whole number"),
        ("epoch train test\n0 1 nan\n", "line 2: 'nan' is no such number"),
        ("loss 3\n", "line 1 belongs to no epoch"),
        ("Epoch 0\n1, 2\n", "epoch 0 lacks a line of accuracies; take its unfinished lines out"),
        ("Epoch 0\n1, 2\n130, 2\n", "line 3: 130 is no percentage"),
        ("Epoch 0\n1,2\n1,2\n1,2\n1,2\n", "line 5 belongs to no epoch"),
        ("Epoch 0\n1,2\nbest\n", "line 3: 'best' is no such number"),
    ],
)
def test_a_damaged_text_log_is_refused_in_one_line(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "log.txt"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_text_log(path)
    assert str(caught.value).startswith(f"{path}: {named}") and "\n" not in str(caught.value)


def test_right_positions_become_classes_with_the_labels_of_their_test_set(tmp_path: Path) -> None:
    write_json(tmp_path / "a_corr.json", {"correct": [0, 2, 3]})
    np.savez(tmp_path / "set.npz", x_test=np.zeros(4), y_test=np.array([0, 0, 2, 2]))
    results = correct_by_class(tmp_path / "a_corr.json", read_test_labels(tmp_path / "set.npz"))
    assert (results.correct.tolist(), results.trials.tolist()) == ([1, 0, 2], [2, 0, 2])
    with pytest.raises(DataError, match=r"a_corr\.json: names the test image 3 of 3; give the labels"):
        correct_by_class(tmp_path / "a_corr.json", np.array([0, 1, 1]))


@pytest.mark.parametrize(
    "content", [{}, {"correct": 3}, {"correct": [0.5]}, {"correct": [True]}, {"correct": [1, 1]}]
)
def test_damaged_positions_are_refused(tmp_path: Path, content: object) -> None:
    write_json(tmp_path / "a_corr.json", content)
    with pytest.raises(DataError, match=r"a_corr\.json: .*it should hold"):
        correct_by_class(tmp_path / "a_corr.json", np.array([0, 1]))


@pytest.mark.parametrize("labels", [np.zeros((2, 2), int), np.array([0.5]), np.array([-1]), np.array([], int)])
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: np.ndarray) -> None:
    np.save(tmp_path / "labels.npy", labels)
    with pytest.raises(DataError, match=r"labels\.npy: holds .*; it should hold whole numbers"):
        read_test_labels(tmp_path / "labels.npy")
    np.savez(tmp_path / "labels.npz", other=labels)
    with pytest.raises(DataError, match=r"labels\.npz: holds no labels that can be read"):
        read_test_labels(tmp_path / "labels.npz")


def test_runs_are_found_by_their_settings_at_any_depth_in_either_spelling(paper: Path, tmp_path: Path) -> None:
    results = paper / "results"

    def found(*pairs: str) -> list[str]:
        return [path.name for path in find_runs(results, parse_conditions(pairs))]

    assert found("main=train", "batch-size=64", "evaluate=false") == ["imagenet_cls135"]
    assert found("main_file=train", "lrdecay=0.1", "epochs=120") == ["imagenet_cls100"]
    assert len(found("model=resnet50")) == 8 and found("model=vgg16") == []
    # What a file does not say has its default.
    write_json(tmp_path / "resnet18" / "candidate" / "2020" / "config.json", {"model": "resnet18"})
    assert find_runs(tmp_path, {"model": "resnet18", "epochs": 120}) == [
        tmp_path / "resnet18" / "candidate" / "2020"
    ]
    with pytest.raises(ConfigError, match="--where modle: unknown setting; did you mean 'model'"):
        parse_conditions(["modle=resnet50"])
    with pytest.raises(ConfigError, match="--where model: should have the form KEY=VALUE"):
        parse_conditions(["model"])


@pytest.mark.parametrize("measured", [3, {"conv": "1"}, {"conv": True}, {"conv": float("nan")}, {"conv": -1.0}])
def test_layers_without_numbers_are_refused(tmp_path: Path, measured: object) -> None:
    (tmp_path / "log.json").write_text(json.dumps([log_entry(0, 3, 4, w_norm=measured)]))
    with pytest.raises(DataError, match=r"log\.json: w_norm .*; it should hold \{layer: number\}"):
        read_weight_tracks(tmp_path / "log.json")


@pytest.mark.integration
def test_text_logs_and_tracked_layers_are_drawn_beside_each_other(tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "out"
    (results / "resnet").mkdir(parents=True)
    (results / "resnet" / "train_logs.txt").write_text(PROGRESS)
    (results / "resnet" / "train_logs_cifar.txt").write_text(TWICE)
    (results / "resnet" / "notes.txt").write_text("not a log\n")
    write_json(results / "resnet" / "train_logs_corr.json", {"correct": [0, 1, 3]})
    log = [
        log_entry(epoch, 30, 40, w_norm={f"conv{layer}": 1.0 + layer for layer in range(12)}, J_norm={"0": 2.0})
        for epoch in range(2)
    ]
    write_json(results / "followed" / "log.json", log)
    summary = draw_figures(FiguresConfig(results=results, out=out))
    assert {path.stem for path in summary.written if path.suffix == ".png"} == {
        "curves_followed", "weights_followed", "curves_resnet-train_logs", "curves_resnet-train_logs_cifar-1",
        "curves_resnet-train_logs_cifar-2",
    }  # fmt: skip
    assert [row["subset_top1"] for row in read_csv(out / "curves_resnet-train_logs.csv")] == [
        "63.730000",
        "75.680000",
    ]
    assert "Layers of followed: w_norm of 12 layers and J_norm of 1 layers." in summary.headline
    tracks = read_csv(out / "weights_followed.csv")
    assert [row for row in tracks if row["layer"] == "conv11"][1] == {
        "quantity": "w_norm", "layer": "conv11", "epoch": "1", "value": "12.000000"
    }  # fmt: skip
    assert any("for the 3 right ones that" in line and "--test-labels" in line for line in summary.skipped)
    np.save(tmp_path / "labels.npy", np.array([0, 0, 1, 1]))
    draw_figures(FiguresConfig(results=results, out=out, test_labels=tmp_path / "labels.npy"))
    assert [row["correct"] for row in read_csv(out / "per_class_resnet-train_logs.csv")] == ["2", "1"]


@pytest.mark.integration
def test_only_the_runs_that_are_asked_for_are_drawn(paper: Path, tmp_path: Path) -> None:
    summary = draw_figures(
        FiguresConfig(results=paper / "results", out=tmp_path, where=("epochs=120", "main=train"))
    )
    assert {path.stem for path in summary.written if path.suffix == ".png"} == {"curves_imagenet_cls100"}
    with pytest.raises(DataError, match="results: nothing to draw of a run with model=vgg16"):
        draw_figures(FiguresConfig(results=paper / "results", out=tmp_path, where=("model=vgg16",)))

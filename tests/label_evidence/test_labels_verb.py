"""`rawlabel labels` on real runs: what it writes, what it says, and that no truth and no label is touched."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.judge.evaluate.fit_curves import write_fit_curves
from rawlabel.judge.label_evidence.ambiguity import find_ambiguous_classes
from rawlabel.judge.label_evidence.experience import IN_ALL
from rawlabel.judge.label_evidence.held_out import Pool
from rawlabel.judge.label_evidence.noise_share import frequent_mistakes
from rawlabel.judge.label_evidence.of_runs import describe, held_out_of
from rawlabel.training.stage import train
from tests.helpers.tiny_training import CLASSES, make_class_folders, tiny

pytestmark = pytest.mark.integration
WRONG = 8
"""Photos of each class that lie in the next class's folder."""


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders with wrong photos in them, and beside them what each photo shows."""
    root = tmp_path_factory.mktemp("labels")
    make_class_folders(root / "candidate", 40, 1)
    shown = {f"{name}/{file.name}": name for name in CLASSES for file in (root / "candidate" / name).iterdir()}
    for i, name in enumerate(CLASSES):
        other = CLASSES[(i + 1) % 3]
        for number in range(WRONG):
            moved = f"{other}/from-{name}-{number}.png"
            shutil.move(root / "candidate" / name / f"{number:03d}.png", root / "candidate" / moved)
            del shown[f"{name}/{number:03d}.png"]
            shown[moved] = name
    (root / "truth.json").write_text(json.dumps(shown))
    return root / "truth.json"


@pytest.fixture(scope="module")
def runs(truth: Path) -> list[RunDirectory]:
    root = truth.parent
    return [
        train(tiny(root, test=None, holdout=0.5, epochs=5, seed=seed, outpath=root / f"run-{seed}"))
        for seed in (1, 2)
    ]


def test_it_writes_the_evidence_and_one_row_for_each_photo(
    runs: list[RunDirectory], truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["labels", *(str(run.path) for run in runs), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    evidence = json.loads((runs[0].path / "label_evidence.json").read_text())
    typed = runs[0].read().label_evidence
    assert typed is not None and typed.as_json() == evidence
    # Where the truth is known, nearly all intervals of such shares missed it, so none is said, printed or written.
    assert evidence["caution"] == IN_ALL and IN_ALL in said
    rest = said.replace(IN_ALL, "")
    assert not re.search(r"\d %? ?\[\d", rest) and "interval" not in rest
    assert not {"lower", "upper", "estimate"} & set(re.findall(r'"(\w+)":', json.dumps(evidence)))
    for one in evidence["confusions"]:
        assert 0 < one["photos"] <= one["of"]
        assert (
            f"{one['photos']} of {one['of']} photos labeled '{one['given']}' look like '{one['preferred']}'"
            in said
        )
    # Folders have no searches, of which 0 % shared would say something.
    assert "in a second mode of the features" in said and "found for another class" not in said
    mistakes = sum(one["photos"] for one in evidence["confusions"])
    assert WRONG / 40 - 0.12 < mistakes / evidence["held_out_photos"] < WRONG / 40 + 0.2
    shown = json.loads(truth.read_text())
    rows = pq.read_table(runs[0].path / "suspicion.parquet").to_pylist()
    assert {row["photo"] for row in rows} == set(shown) and len(rows) == len(shown)
    assert all(row["photo"].startswith(f"{row['label']}/") for row in rows)
    assert {row["basis"] for row in rows} == {"held_out", "training"}
    found = rows[: 3 * WRONG]
    assert np.mean([shown[row["photo"]] != row["label"] for row in found]) > 0.6
    assert np.mean([shown[row["photo"]] == row["preferred_class"] for row in found]) > 0.6


def test_the_epochs_that_are_kept_tell_which_labels_were_fitted_first(
    runs: list[RunDirectory], truth: Path
) -> None:
    curves = write_fit_curves(runs[0], truth)
    assert curves == json.loads((runs[0].path / "fit_curves.json").read_text())
    kept, log = runs[0].training_predictions(), runs[0].log()
    assert kept is not None and len(kept) == len(log) == len(curves["epochs"])
    for one, entry in zip(curves["epochs"], log, strict=True):
        fitted = one["correct_fitted"] + one["wrong_fitted"]
        seen = one["correct_labels"] + one["wrong_labels"]
        assert 100 * fitted / seen == pytest.approx(entry["train"]["acc1"])
    assert curves["epochs"][-1]["wrong_seen_through"] > curves["epochs"][-1]["wrong_fitted"]
    assert curves["verdict"]["clean_labels_first"] in ("seen", "open")


def test_injected_noise_brings_its_own_truth(truth: Path) -> None:
    root = truth.parent
    settings = tiny(root, test=None, epochs=1, inject_noise=0.4, outpath=root / "injected")
    curves = write_fit_curves(train(settings))
    assert curves is not None
    first = curves["epochs"][0]
    assert first["wrong_labels"] / (first["wrong_labels"] + first["correct_labels"]) == pytest.approx(
        0.4, abs=0.06
    )


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda run: (run / "summary.json").unlink(), "summary.json: no such file"),
        (lambda run: (run / "training_predictions" / "00001.npz").write_bytes(b"PK"), "00001.npz: is missing or"),
    ],
)
def test_an_unfinished_or_damaged_run_is_named_in_one_line(
    runs: list[RunDirectory], tmp_path: Path, spoil: object, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs[1].path, copy)
    spoil(copy)  # type: ignore[operator]
    assert cli.run(["labels", str(copy), "--device", "cpu"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert complaint in said and said.startswith("rawlabel: ")


def test_mistakes_that_can_be_counted_are_told_where_the_confident_joint_is_diagonal() -> None:
    # Four of ten photos of each class are taken for the other, by little: none is taken for it confidently.
    probabilities = np.array([[0.9, 0.1]] * 6 + [[0.45, 0.55]] * 4 + [[0.1, 0.9]] * 6 + [[0.55, 0.45]] * 4)
    labels = np.repeat([0, 1], 10)
    assert frequent_mistakes(labels, probabilities) == []
    logits = np.log(probabilities)
    pool = Pool.of([held_out_of(("tulip", "rose"), [str(i) for i in range(20)], labels, logits)])
    confusions = describe(pool, find_ambiguous_classes(pool))["confusions"]
    assert confusions == [
        {"given": "tulip", "preferred": "rose", "photos": 4, "of": 10},
        {"given": "rose", "preferred": "tulip", "photos": 4, "of": 10},
    ]


def test_mistakes_that_are_no_photos_first_choice_take_no_place_of_those_that_are() -> None:
    # Of the classes 0 to 5 the predictions are sure, of the others never: for photos that are between one of these
    # and one of those the confident joint says the other, though the label stays ahead.
    rows, labels = [], []
    for sure in range(6):
        for unsure in range(6, 12):
            row = np.full(12, 0.005)
            row[[sure, unsure]] = 0.5, 0.45
            rows += [row] * 2
            labels += [sure] * 2
            other = np.full(12, 0.6 / 11)
            other[unsure] = 0.4
            rows.append(other)
            labels.append(unsure)
        certain = np.full(12, 0.01 / 11)
        certain[sure] = 0.99
        rows += [certain] * 40
        labels += [sure] * 40
    mistaken = np.full(12, 0.01 / 11)
    mistaken[1] = 0.99
    rows.append(mistaken)
    labels.append(0)
    probabilities = np.array(rows)
    assert len(frequent_mistakes(np.array(labels), probabilities)) == 37
    names = tuple(f"class {i}" for i in range(12))
    photos = [str(i) for i in range(len(labels))]
    pool = Pool.of([held_out_of(names, photos, np.array(labels), np.log(probabilities))])
    [only] = describe(pool, find_ambiguous_classes(pool))["confusions"]
    assert only == {"given": "class 0", "preferred": "class 1", "photos": 1, "of": 53}

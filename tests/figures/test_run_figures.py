"""Figures of one's own run directories."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rawlabel.config import FiguresConfig
from rawlabel.show.figures.stage import draw_figures
from tests.helpers.published_tree import log_entry, read_csv, write_class_index, write_confusions, write_json

pytestmark = pytest.mark.integration


def make_run(folder, *, evaluated=True, test=True):
    """A run whose classes have 4, 0 and 20 test images and one name that looks like a formula."""
    log = [
        log_entry(epoch, 30 + epoch, accuracy if test else None, holdout={"acc1": 40.5 + epoch}, learning_rate=0.1)
        for epoch, accuracy in enumerate([50.0, 70.0, 60.0])
    ]
    write_json(folder / "log.json", log)
    write_json(folder / "summary.json", {"selected_epoch": 2, "oracle_epoch": 1, "last_epoch": 2})
    if evaluated:
        class_ids = ["$x_1$", "birch 白樺", "daisy"]
        write_confusions(folder, [[3, 1, 0], [0, 0, 0], [5, 5, 10]], class_ids)
        write_class_index(folder, class_ids)
    return folder


def draw(results, out):
    return draw_figures(FiguresConfig(results=results, out=out))


@pytest.mark.parametrize("inside", [True, False], ids=["folder of runs", "one run"])
def test_a_run_is_drawn_with_its_selected_and_its_oracle_epoch(tmp_path, inside):
    run = make_run(tmp_path / "runs" / "digits")
    summary = draw(run.parent if inside else run, tmp_path / "out")
    assert {path.stem for path in summary.written if path.suffix == ".png"} == {
        "curves_digits",
        "per_class_digits",
        "confusion_digits",
    }
    (row,) = read_csv(tmp_path / "out" / "curves_digits_summary.csv")
    assert (row["oracle_epoch"], row["best_test_top1"]) == ("1", "70.00")
    assert (row["selected_epoch"], row["selected_test_top1"]) == ("2", "60.00")
    curves = read_csv(tmp_path / "out" / "curves_digits.csv")
    assert [float(one["holdout_top1"]) for one in curves] == [40.5, 41.5, 42.5]
    assert summary.headline[0] == (
        "Curves of digits: best test top-1 70.00 at epoch 1 (oracle), last 60.00 at epoch 2, "
        "selected 60.00 at epoch 2."
    )
    assert any(line.startswith("Figure 2 needs") for line in summary.skipped)


def test_trials_are_the_row_sums_and_classes_without_a_test_image_are_named(tmp_path):
    summary = draw(make_run(tmp_path / "digits"), tmp_path / "out")
    rows = read_csv(tmp_path / "out" / "per_class_digits.csv")
    assert [(one["class"], one["correct"], one["trials"]) for one in rows] == [
        ("$x_1$", "3", "4"),
        ("daisy", "10", "20"),
    ]
    assert "Per-class figures of digits leave out classes without a test image: birch 白樺." in summary.skipped
    errors = [one for one in read_csv(tmp_path / "out" / "confusion_digits.csv") if one["kind"] == "error"]
    assert [(one["class"], one["destination"], one["count"]) for one in errors] == [
        ("daisy", "$x_1$", "5"),
        ("daisy", "birch 白樺", "5"),
        ("$x_1$", "birch 白樺", "1"),
    ]


def test_a_run_without_test_set_or_evaluation_still_has_its_curves(tmp_path):
    summary = draw(make_run(tmp_path / "digits", evaluated=False, test=False), tmp_path / "out")
    (row,) = read_csv(tmp_path / "out" / "curves_digits_summary.csv")
    assert (row["epochs"], row["best_test_top1"], row["selected_epoch"]) == ("3", "", "2")
    assert any("digits need corr.json and confmat.npy and idx2cls.json" in line for line in summary.skipped)


def test_a_thousand_classes_fit_one_page(tmp_path):
    class_ids = [f"class {index}" for index in range(1000)]
    matrix = np.diag(np.arange(1000) % 7 + 1) + np.eye(1000, k=1, dtype=int)
    write_confusions(tmp_path / "many", matrix.tolist(), class_ids)
    write_class_index(tmp_path / "many", class_ids)
    draw(tmp_path / "many", tmp_path / "out")
    with Image.open(tmp_path / "out" / "per_class_many.png") as image:
        assert max(image.size) < 2500
    assert len(read_csv(tmp_path / "out" / "per_class_many.csv")) == 1000

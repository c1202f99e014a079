"""The paper's figures, from a small tree with answers known by hand and from the authors' own files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import matplotlib
import pytest
from PIL import Image
from scipy.stats import binomtest, fisher_exact

from rawlabel.config import FiguresConfig
from rawlabel.errors import DataError
from rawlabel.show.figures.stage import draw_figures
from tests.helpers.published_tree import (
    read_csv,
    write_class_index,
    write_confusions,
    write_json,
    write_published_tree,
)

pytestmark = pytest.mark.integration

FIGURES = (
    "figure_2",
    "figure_7",
    "figure_5a",
    "figure_5a_paired",
    "figure_5b_flickr",
    "figure_5b_imagenet",
    "figure_8",
)


def draw(results, out, **more):
    return draw_figures(FiguresConfig(results=results, out=out, **more))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The figures of the small tree: their folder and summary."""
    root = tmp_path_factory.mktemp("drawn")
    out = root / "new" / "out"
    return out, draw(write_published_tree(root / "paper"), out)


def test_every_figure_comes_as_readable_image_and_pdf_with_its_numbers(drawn):
    out, summary = drawn
    assert summary.skipped == []
    assert sorted(summary.written) == sorted(out.iterdir())
    for name in FIGURES:
        with Image.open(out / f"{name}.png") as image:
            image.load()
            assert min(image.size) > 150
            assert image.convert("L").getextrema() == (0, 255)
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF-")
        assert read_csv(out / f"{name}.csv")
    assert [line.split(":")[0].split(",")[0] for line in summary.headline] == [
        "Figure 2",
        "Figure 7",
        "Figure 5-a",
        "Figure 5-b",
        "Figure 5-b",
        "Figure 8",
    ]


def test_curves_state_the_best_and_the_last_epoch_of_both_runs(drawn):
    out, summary = drawn
    raw, clean = read_csv(out / "figure_2_summary.csv")
    assert (raw["run"], raw["epochs"], raw["oracle_epoch"], raw["best_test_top1"]) == (
        "flickr_cls100",
        "3",
        "1",
        "80.00",
    )
    assert (raw["last_epoch"], raw["last_test_top1"]) == ("2", "75.50")
    assert (clean["oracle_epoch"], clean["best_test_top1"]) == ("1", "70.25")
    assert summary.headline[0].startswith(
        "Figure 2: raw labels best test top-1 80.00 at epoch 1 (oracle), last 75.50 at epoch 2"
    )
    curves = read_csv(out / "figure_7.csv")
    assert [(one["run"], one["epoch"], float(one["train_top1"]), float(one["test_top1"])) for one in curves] == [
        ("flickr_cls135", "0", 20, 50),
        ("flickr_cls135", "1", 50, 70),
        ("flickr_cls135", "2", 60, 65.5),
        ("imagenet_cls135", "0", 30, 40),
        ("imagenet_cls135", "1", 85, 60.25),
    ]


def test_class_accuracies_keep_whole_counts_and_bound_zero_successes_by_zero(drawn):
    out, _ = drawn
    rows = read_csv(out / "figure_5a.csv")
    assert [(one["model"], one["class"], one["correct"], one["trials"]) for one in rows] == [
        ("flickr", "n01", "0", "10"),
        ("flickr", "n02", "9", "10"),
        ("flickr", "n03", "10", "10"),
        ("imagenet", "n02", "8", "10"),
        ("imagenet", "n01", "9", "10"),
        ("imagenet", "n03", "9", "10"),
    ]
    assert (rows[0]["lower"], rows[2]["upper"]) == ("0.000000", "100.000000")
    for row in rows:
        exact = binomtest(int(row["correct"]), int(row["trials"])).proportion_ci(method="exact")
        assert (float(row["lower"]), float(row["upper"])) == pytest.approx((100 * exact.low, 100 * exact.high))


def test_pairs_compare_the_same_class_whatever_the_order_in_the_files(published, tmp_path):
    write_json(published / "imagenet_err" / "corr.json", {"n03": 9, "n01": 9, "n02": 8})
    draw(published, tmp_path)
    rows = read_csv(tmp_path / "figure_5a_paired.csv")
    assert [(one["class"], one["flickr_correct"], one["imagenet_correct"]) for one in rows] == [
        ("n02", "9", "8"),
        ("n03", "10", "9"),
        ("n01", "0", "9"),
    ]
    assert [float(one["difference"]) for one in rows] == [10, 10, -90]
    assert [one["excluded"] for one in rows] == ["no", "no", "yes"]
    p = fisher_exact([[0, 10], [9, 1]]).pvalue
    assert float(rows[2]["fisher_p"]) == pytest.approx(p, rel=1e-5)
    assert float(rows[2]["holm_p"]) == pytest.approx(3 * p, rel=1e-5)
    assert [one["intervals_disjoint"] for one in rows] == ["no", "no", "yes"]


def test_destinations_add_up_to_every_test_image_of_a_class(drawn):
    out, summary = drawn
    rows = read_csv(out / "figure_5b_flickr.csv")
    assert [
        (one["name"], one["kind"], one["destination_name"], one["count"], one["share"]) for one in rows[:2]
    ] == [
        ("cricket", "error", "lemon", "8", "80.000000"),
        ("cricket", "error", "n03", "2", "20.000000"),
    ]
    for class_id in ("n01", "n02", "n03"):
        counts = [int(one["count"]) for one in rows if one["class"] == class_id]
        assert sum(counts) == 10
    means = {one["model"]: one["mean_class_accuracy"] for one in read_csv(out / "figure_5b_summary.csv")}
    assert means == {"flickr": "63.33", "imagenet": "86.67"}
    assert any("cricket → lemon, 8 of 10" in line for line in summary.headline)


def test_only_the_twenty_worst_classes_and_ten_destinations_are_named(tmp_path):
    class_ids = [f"class{index}" for index in range(30)]
    # Class i has i + 1 right and one image in each of the 29 other classes.
    matrix = [[i + 1 if i == j else 1 for j in range(30)] for i in range(30)]
    own = tmp_path / "own"
    write_confusions(own, matrix, class_ids)
    write_class_index(own, class_ids)
    draw(own, tmp_path / "out")
    rows = read_csv(tmp_path / "out" / "confusion_own.csv")
    assert list(dict.fromkeys(one["class"] for one in rows)) == class_ids[:20]
    assert [one["kind"] for one in rows[:12]] == ["correct", *["error"] * 10, "other errors"]
    assert rows[11]["count"] == "19"


def test_images_per_class_are_sorted_and_excluded_rows_follow_the_order_of_the_file(drawn):
    out, _ = drawn
    rows = read_csv(out / "figure_8.csv")
    assert [(one["class"], one["candidates"], one["excluded"]) for one in rows] == [
        ("n03", "600", "no"),
        ("n02", "500", "no"),
        ("n01", "70", "yes"),
    ]
    (totals,) = read_csv(out / "figure_8_summary.csv")
    assert (totals["total"], totals["classes"], totals["excluded_classes"]) == ("1170", "3", "1")
    assert (totals["excluded_total"], totals["median"]) == ("70", "500.000000")


@pytest.mark.parametrize(
    "missing",
    [
        {
            "results/imagenet_cls100/log.json": ("Figure 2 needs imagenet_cls100/log.json", {"figure_2"}),
            "results/flickr_conf/confmat.npy": ("Figure 5-b of flickr needs .*confmat.npy", {"figure_5b_flickr"}),
            "metadata/num_imgs_per_class_excluded.txt": ("The excluded classes of Figure 8 need", set()),
        },
        {
            "results/flickr_cls135": ("Figure 7 needs flickr_cls135/log.json", {"figure_7"}),
            "results/flickr_err": ("Figure 5-a needs flickr_err/corr.json", {"figure_5a", "figure_5a_paired"}),
            "metadata/num_imgs_per_class.txt": ("Figure 8 needs num_imgs_per_class.txt", {"figure_8"}),
            "metadata/idx2cls.json": (
                "Figure 5-b of imagenet needs idx2cls.json",
                {"figure_5b_flickr", "figure_5b_imagenet"},
            ),
        },
    ],
)
def test_what_is_missing_is_skipped_and_said(published, tmp_path, missing):
    for name in missing:
        path = published.parent / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    summary = draw(published, tmp_path / "out")
    expected = set(FIGURES)
    for reason, not_drawn in missing.values():
        assert any(re.search(reason, line) for line in summary.skipped)
        expected -= not_drawn
    assert {path.stem for path in summary.written if path.suffix == ".png"} == expected


def test_without_a_matrix_a_class_has_the_fifty_images_of_the_published_test_set(published, tmp_path):
    shutil.rmtree(published / "flickr_conf")
    shutil.rmtree(published / "imagenet_conf")
    draw(published, tmp_path)
    assert {one["trials"] for one in read_csv(tmp_path / "figure_5a.csv")} == {"50"}


def test_metadata_may_lie_inside_the_results_or_be_named(published, tmp_path):
    for folder in published.iterdir():
        shutil.rmtree(folder)
    metadata = published.parent / "metadata"
    elsewhere = metadata.rename(tmp_path / "lists")
    assert "figure_8.csv" in {path.name for path in draw(published, tmp_path / "a", metadata=elsewhere).written}
    elsewhere.rename(published / "metadata")
    assert "figure_8.csv" in {path.name for path in draw(published, tmp_path / "b").written}


def test_equal_inputs_give_equal_bytes_and_no_global_setting_changes(drawn, published, tmp_path):
    _, first = drawn
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        second = draw(published, tmp_path)
        assert dict(matplotlib.rcParams) == before
    for one, other in zip(first.written, second.written, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_nothing_to_draw_is_an_error_that_says_what_was_looked_for(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataError, match=r"empty: nothing to draw; looked for .*flickr_cls100.*log\.json.*--results"
    ):
        draw(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match="absent: no such folder"):
        draw(tmp_path / "absent", tmp_path / "out")
    with pytest.raises(DataError, match=r"absent: no such folder.*--metadata"):
        draw(tmp_path / "empty", tmp_path / "out", metadata=tmp_path / "absent")


def test_importing_the_figures_loads_no_matplotlib():
    program = "import sys, rawlabel.show.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_published_files_give_the_published_numbers(paper, tmp_path):
    summary = draw(paper / "results", tmp_path)
    assert summary.skipped == []
    curves = read_csv(tmp_path / "figure_2_summary.csv") + read_csv(tmp_path / "figure_7_summary.csv")
    assert [
        (one["run"], one["epochs"], one["oracle_epoch"], one["best_test_top1"], one["last_test_top1"])
        for one in curves
    ] == [
        ("flickr_cls100", "100", "69", "89.44", "88.38"),
        ("imagenet_cls100", "120", "113", "85.10", "84.72"),
        ("flickr_cls135", "122", "90", "79.81", "78.67"),
        ("imagenet_cls135", "150", "134", "84.64", "84.46"),
    ]
    means = {one["model"]: one["mean_class_accuracy"] for one in read_csv(tmp_path / "figure_5b_summary.csv")}
    assert means == {"flickr": "79.69", "imagenet": "84.46"}
    (totals,) = read_csv(tmp_path / "figure_8_summary.csv")
    assert (totals["total"], totals["classes"], totals["excluded_classes"]) == ("1782336", "135", "35")
    pairs = read_csv(tmp_path / "figure_5a_paired.csv")
    assert len(pairs) == 135 and sum(one["excluded"] == "yes" for one in pairs) == 35
    cricket = pairs[-1]
    assert (cricket["name"], cricket["flickr_correct"], cricket["imagenet_correct"]) == ("cricket", "3", "33")
    top = read_csv(tmp_path / "figure_5b_flickr.csv")[1]
    assert (top["name"], top["destination_name"], top["count"], top["trials"]) == (
        "cricket",
        "grasshopper",
        "37",
        "50",
    )
    assert float(top["lower"]) == pytest.approx(59.66, abs=0.01)
    assert float(top["upper"]) == pytest.approx(85.37, abs=0.01)

"""Tables of benchmarks on flower photos: each page says what its JSON says, and a rerun loses nothing of it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from rawlabel.config import EvaluateConfig, load_training
from rawlabel.images.image_source import ImageArray, LabeledImages
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.training.data import TrainingData
from rawlabel.training.stage import train
from tests.helpers.backbone import BACKBONE, weights
from tests.helpers.tiny_training import data

__all__ = ["data", "weights"]
ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "measured"
TABLES = {
    "cifar10n_recipe": "cifar10n_recipe/seeds.json",
    "encoder_ceiling": "encoder_ceiling/table.json",
    "flowers_choice": "flowers_choice/seeds.json",
    "flowers_finetuning": "flowers_finetuning/table.json",
    "flowers_noise": "flowers_noise/table.json",
    "mirror_views": "mirror_views/table.json",
    "raw_label_peers": "raw_label_peers/table.json",
    "rule_of_heads": "rule_regret/heads.json",
    "view_sides": "view_sides/table.json",
    "weighing_rounds": "weighing_rounds/table.json",
}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a script of `benchmarks/`, with what lies beside it."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


@pytest.mark.parametrize("name", TABLES)
def test_a_committed_page_says_what_its_json_says(benchmark: Callable[[str], ModuleType], name: str) -> None:
    path, script = RESULTS / TABLES[name], benchmark(name)
    told = json.loads(path.read_text("utf-8"))
    if name == "rule_of_heads":
        page = script.table(told)
    else:
        page = benchmark("_tables").text_of(told, script.page(told["rows"] if name == "view_sides" else told))
    assert page == path.with_suffix(".md").read_text("utf-8")


def test_a_rerun_keeps_what_people_wrote_into_a_table(
    benchmark: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    tables = benchmark("_tables")
    tables.write_tables(tmp_path, tables.origin("first"), [])
    told = json.loads((tmp_path / "table.json").read_text())
    (tmp_path / "table.json").write_text(json.dumps(told | {"notes": ["of a busy machine"]}))
    tables.write_tables(tmp_path, tables.origin("second") | {"commits": {"abc": "seed 0", "def": "seed 1"}}, [])
    page = (tmp_path / "table.md").read_text()
    assert "- command: `second`\n- commit abc for seed 0, def for seed 1; " in page
    assert page.endswith("- of a busy machine\n")


@pytest.mark.parametrize(
    ("seeds", "text"), [([2, 0, 1], "0 to 2"), ([3, 4, 3], "3 and 4"), ([7], "7"), ([1, 2, 5], "1, 2, 5")]
)
def test_seeds_in_words(benchmark: Callable[[str], ModuleType], seeds: list[int], text: str) -> None:
    assert benchmark("_tables").span(seeds) == text


def peers(leads: dict[str, list[float]]) -> dict[str, Any]:
    """A table whose contestants are behind ours by `leads` [points], a seed each."""
    ours = [90.0, 91.0, 92.0]

    def runs(accuracies: list[float]) -> dict[str, Any]:
        each = enumerate(accuracies)
        shared = {"noise": 0.4, "seconds": 1.0, "settings": "one epoch"}
        return {"peak_mb": 1, "runs": [{**shared, "seed": seed, "accuracy": one} for seed, one in each]}

    theirs = {name: [a - b for a, b in zip(ours, one, strict=False)] for name, one in leads.items()}
    found = {name: runs(one) for name, one in ({"rawlabel transfer": ours} | theirs).items()}
    return {"contestants": found, "missing": "", "rule": "last_epoch", "seconds_of_features_a_photo": 0.01}


def test_a_lead_within_its_interval_is_said_to_be_none(benchmark: Callable[[str], ModuleType]) -> None:
    leads = {"ahead": [1.0, 1.1, 1.2], "level": [-1.0, 0.5, 2.0], "behind": [-1.0, -2.0, 1.0], "fastai": [30.0]}
    lines = benchmark("raw_label_peers").page(peers(leads))
    assert "- not ahead of: behind at 40 % (-0.67 ± 3.79)" in lines
    assert "- ahead, but not told from by these seeds (within the interval): level at 40 % (+0.50 ± 3.73)" in lines


@pytest.mark.parametrize(("gains", "word"), [((1.0, 1.1, 0.9), "more"), ((1.0, -1.1, 0.9), "no more")])
def test_rounds_are_said_to_help_beyond_the_interval_alone(
    benchmark: Callable[[str], ModuleType], gains: tuple[float, ...], word: str
) -> None:
    rows = [
        {"seed": seed, "usual": 90.0, "rounds": 90.0 + gain, "usual_head": "a", "rounds_head": "b"}
        for seed, gain in enumerate(gains)
    ]
    assert f"number), {word} than chance explains; in 0 of 3 runs" in benchmark("weighing_rounds").verdict(rows)


def test_the_rows_of_other_commands_say_theirs(benchmark: Callable[[str], ModuleType]) -> None:
    page = benchmark("raw_label_peers").page(peers({"fastai": [30.0]}))
    (line,) = [one for one in page if one.startswith("- fastai: one epoch; ")]
    assert line.endswith("--seeds 0 --noise 0.4 --contestants fastai --fastai-python VENV/bin/python`")
    assert any(one.startswith("- timm: not yet measured") for one in page)


@pytest.mark.integration
def test_the_row_of_a_choice_is_what_its_run_says(
    benchmark: Callable[[str], ModuleType], data: Path, weights: Path, tmp_path: Path
) -> None:
    given = {
        "recipe": "transfer", "root": data, "main": "candidate", "test": "test", "outpath": tmp_path / "run",
        "encoder": BACKBONE, "weights": weights, "epochs": 4, "batch_size": 16, "seed": 7, "device": "cpu",
        "inject_noise": 0.2, "stop_option": (), "choose": "auto",
        "candidate": ("weight_decay=0.1", "weighing=soft weight_decay=0.01"),
    }  # fmt: skip
    run = train(load_training(None, given), make_epoch_evaluator)
    test = evaluate(EvaluateConfig(run=run.path)).test
    assert test is not None and test.choice is not None
    script = benchmark("flowers_choice")
    row = script.row_of(run.path, 0.2, 7)
    assert row["selected"] == pytest.approx(test.selected.top1.accuracy)
    assert (row["last"], row["oracle_head"]) == (run.log()[-1]["test"]["acc1"], test.choice.oracle.head)
    assert row["head_regret"] == pytest.approx(row["oracle_head_fitted"] - row["chosen_head_fitted"])
    table = script.table_of([row | {"seed": 8}, row], 30)
    assert table["commits"] == {row["commit"]: "seeds 7 and 8"}
    assert f"| 20 % | 7, 8 | {row['selected']:.1f} ± 0.0 |" in "\n".join(script.page(table))


def test_mirror_images_are_fitted_to_with_their_photo_or_not_at_all(
    benchmark: Callable[[str], ModuleType],
) -> None:
    """Were one in another fold than its photo, a head would be asked about what it was fitted to."""
    script, rng = benchmark("mirror_views"), np.random.default_rng(0)
    features = rng.normal(size=(60, 20)).astype(np.float32)
    labels = rng.integers(0, 3, 60)
    test = LabeledImages(ImageArray(np.zeros((60, 1, 1, 3), np.uint8), "photos"), labels)
    train, holdout = test.select(np.arange(50)), test.select(np.arange(50, 60))
    given = {"recipe": "transfer", "candidate": ("weight_decay=0.1", "method=gce weight_decay=0.03")}
    data = TrainingData(("a", "b", "c"), train, holdout, "", Path())
    # Where photos are their own mirror images, these teach nothing new.
    views = script.Views(features, features)
    one = script.Trained(load_training(None, given), data, views, np.arange(60) % 5, test, views)
    alone = script.cross_fitted(one, "photo")
    assert np.mean(alone[0].argmax(axis=1) == labels) < 0.6  # labels of no meaning, which none has seen
    for way in script.WAYS[1:]:
        for said, other in zip(alone, script.cross_fitted(one, way), strict=True):
            np.testing.assert_allclose(said, other, atol=1e-4)
        found, usual = (script.on_test(one, each, one.candidates[0]) for each in (way, "photo"))
        np.testing.assert_allclose(found, usual, atol=1e-4)


def test_the_lead_of_a_view_is_paired_by_seed(benchmark: Callable[[str], ModuleType]) -> None:
    script = benchmark("mirror_views")
    rows = [
        {"way": way, "wrong": noise, "seed": seed, "test": 80.0 + seed - 10 * noise + lead, "seconds": 2.0,
         "raw_labels_said": 50.0}
        for way, lead in zip(script.WAYS, (0.0, 1.0, -0.5, 0.0), strict=True)
        for noise in (0.0, 0.4) for seed in (1, 2, 9)
    ]  # fmt: skip
    text = "\n".join(script.page({"rows": rows, "feature_seconds": {"photos, 9": 3.2}}))
    assert "| 40 % | mean | 81.00 ± 10.83 | +1.00 ± 0.00 | 50.0 ± 0.0 | - | 2.0 |" in text
    assert "| mean of all | more photos | 81.50 ± 10.83 | -0.50 ± 0.00 |" in text

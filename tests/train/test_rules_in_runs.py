"""Rules in runs: live as on the finished log, and what a run that a rule ends leaves behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import families
from rawlabel.base.families import Family
from rawlabel.config import load_options
from rawlabel.errors import DataError
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.models.predictor import load_predictor
from rawlabel.records import EpochRecord
from rawlabel.training.stage import train
from tests.helpers.tiny_training import make_class_folders, tiny

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """By an option that reads how many epochs follow, which is logged for a rule that reads it alone."""
    out = tmp_path_factory.mktemp("runs") / "run"
    return train(tiny(data, outpath=out, epochs=6, stop_option=("band=1",)), make_epoch_evaluator)


def test_the_log_has_every_signal(run: RunDirectory) -> None:
    records = [one.record() for one in run.read().epochs]
    assert [one.decays_left for one in records] == [1, 1, 1, 0, 0, 0]
    assert records[0].changed_predictions is None
    assert all(0 <= (one.changed_predictions or 0) <= 100 for one in records[1:])
    assert sum(one.changed_predictions or 0 for one in records[1:3]) > 0
    for one in records:
        assert all(getattr(one, name) is not None for name in EpochRecord.__dataclass_fields__
                   if name != "changed_predictions")  # fmt: skip


@pytest.mark.parametrize("name", families.names(Family.STOPPING_RULE))
def test_a_rule_says_the_same_live_and_of_the_finished_log(
    run: RunDirectory, data: Path, tmp_path: Path, name: str
) -> None:
    options = ("patience=1", "window=2") if name in ("label_wave", "patience") else ()
    live = train(tiny(data, outpath=tmp_path / "live", epochs=6, stop=name, stop_option=options))
    rule_type = families.load(Family.STOPPING_RULE, name)
    rule = rule_type(load_options(rule_type.Options, options, "--stop-option"))
    selection = rule.select([one.record() for one in run.read().epochs])
    summary = live.summary()
    assert (summary.selected_epoch, summary.why) == (selection.epoch, selection.why)
    assert summary.last_epoch == len(live.log()) - 1
    assert [one["train"] for one in live.log()] == [one["train"] for one in run.log()][: len(live.log())]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So few images that a run takes a blink."""
    root = tmp_path_factory.mktemp("few")
    make_class_folders(root / "candidate", 10, 1)
    return root


@pytest.mark.parametrize("method", ["elr", "sop_plus", "coteaching"])
@pytest.mark.parametrize("name", families.names(Family.STOPPING_RULE))
def test_a_rule_selects_and_ends_runs_of_methods_with_memory_two_views_or_two_networks(
    few: Path, tmp_path: Path, name: str, method: str
) -> None:
    options = ("patience=1", "window=1", "halt=at_once") if name in ("label_wave", "patience") else ()
    settings = {"method": method, "stop": name, "stop_option": options, "train_accuracy": (), "test": None}
    run = train(tiny(few, outpath=tmp_path / "run", **settings))
    rule_type = families.load(Family.STOPPING_RULE, name)
    rule = rule_type(load_options(rule_type.Options, options, "--stop-option"))
    records = [one.record() for one in run.read().epochs]
    selections = [rule.select(records[: count + 1]) for count in range(len(records))]
    assert [entry["selected_epoch"] for entry in run.log()] == [one.epoch for one in selections]
    assert [one.halt for one in selections[:-1]] == [False] * (len(records) - 1)
    assert selections[-1].halt or len(records) == 4
    summary = run.summary()
    assert (summary.selected_epoch, summary.why) == (selections[-1].epoch, selections[-1].why)
    assert load_predictor(run.selected_checkpoint)[2] == selections[-1].epoch
    # Changed predictions are there from the second epoch on, all others from the first.
    assert all(np.isfinite(getattr(one, signal)) for one in records[1:] for signal in rule.signals)


def test_a_rule_that_halts_ends_the_run_and_a_stopped_one_stays_ended(
    run: RunDirectory, data: Path, tmp_path: Path
) -> None:
    config = tiny(
        data, outpath=tmp_path / "run", epochs=6, stop="patience", stop_option=("patience=1", "halt=at_once")
    )
    halted = train(config)
    epochs = len(halted.log())
    assert epochs < 6
    before = halted.summary()
    (halted.path / "summary.json").unlink()  # as if it had been killed just before the end
    assert train(config).summary() == before
    assert len(halted.log()) == epochs


def test_a_rule_whose_holdout_is_empty_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing is held out for --stop patience; raise --holdout"):
        train(tiny(data, outpath=tmp_path / "run", holdout=0, stop="patience"))
    train(tiny(data, outpath=tmp_path / "run", holdout=0, stop="label_wave", epochs=1))

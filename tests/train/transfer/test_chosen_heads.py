"""Runs whose head raw labels choose: the choice stays with the run, is trained with, and its cost is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rawlabel.artifacts.evidence.label_weights import read_label_weights
from rawlabel.artifacts.run import Run
from rawlabel.config import EvaluateConfig, load_training
from rawlabel.errors import CheckpointError, ConfigError, DataError
from rawlabel.judge.evaluate.choice_regret import choice_regret
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.training.around import choosing
from rawlabel.training.around.holdout import data_of_run
from rawlabel.training.stage import train
from tests.helpers.backbone import weights
from tests.helpers.head_runs import settings
from tests.helpers.runs import Crash, crashing_after
from tests.helpers.tiny_training import data, make_class_folders

__all__ = ["data", "weights"]
pytestmark = pytest.mark.integration


def test_the_head_is_chosen_once_by_raw_labels_and_its_cost_is_told(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = ("weight_decay=0.1", "weighing=soft weight_decay=0.01 feature_scale=deviation")
    config = settings(data, weights, tmp_path / "run", choose="auto", candidate=heads)
    with pytest.raises(Crash):
        train(config, crashing_after(1))
    record = json.loads((tmp_path / "run" / "choice.json").read_text())
    assert (len(record["candidates"]), record["photos"], record["given"]) == (2, 120, list(heads))
    chosen = record["candidates"][record["chosen"]]
    assert chosen["loss"]["mean"] == min(one["loss"]["mean"] for one in record["candidates"])
    told = Run(tmp_path / "run").head_choice
    assert told is not None and told.given == heads
    assert (told.best.text, told.best.loss.mean) == (chosen["text"], chosen["loss"]["mean"])

    # What a run has chosen stays, even against what the scores would say now.
    record["chosen"] = 1
    (tmp_path / "run" / "choice.json").write_text(json.dumps(record))
    (tmp_path / "run" / "config.json").unlink()
    monkeypatch.setattr(choosing, "score", lambda *_, **__: pytest.fail("chosen again"))
    run = train(config, make_epoch_evaluator)
    trained = run.read().settings
    assert (trained.weighing, trained.weight_decay, trained.feature_scale) == ("soft", 0.01, "deviation")
    measured = evaluate(EvaluateConfig(run=run.path)).test
    assert measured is not None and (cost := measured.choice) is not None
    assert cost.regret == cost.oracle.accuracy - cost.chosen.accuracy >= 0
    # The head by itself is the one that the run trained, all but the way there.
    assert cost.chosen.accuracy == pytest.approx(run.log()[-1]["test"]["acc1"], abs=10)
    with pytest.raises(ConfigError, match="other candidates"):
        train(config.model_copy(update={"candidate": heads[:1]}))
    (run.path / "choice.json").write_text(json.dumps(record | {"chosen": 2}))
    with pytest.raises(DataError, match=r"choice\.json: .* which chooses anew"):
        train(config)
    with pytest.raises(DataError, match=r"choice\.json: .* which chooses anew"):
        choice_regret(run, data_of_run(run).holdout)


def test_rounds_that_a_candidate_names_are_chosen_and_trained_with(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = {"weighing": "soft", "weight_decay": 0.03}
    heads = ("weighing=soft weighing_rounds=1 weight_decay=0.03", "weighing=soft weight_decay=0.03")
    config = settings(data, weights, tmp_path / "run", choose="auto", candidate=heads, epochs=2, weighing=None)
    run = train(config, make_epoch_evaluator)
    record = json.loads((run.path / "choice.json").read_text())
    alone = {
        rounds: train(settings(data, weights, tmp_path / f"{rounds}", epochs=2, weighing_rounds=rounds, **head))
        for rounds in (1, 3)
    }
    told = []
    for chosen, rounds in ((0, 1), (1, 3)):
        shutil.rmtree(run.path)
        run.path.mkdir()
        (run.path / "choice.json").write_text(json.dumps(record | {"chosen": chosen}))
        train(config, make_epoch_evaluator)
        assert run.read().config.weighing_rounds == 3  # those of the candidates that name none
        assert read_label_weights(run.path) == read_label_weights(alone[rounds].path)
        cost = evaluate(EvaluateConfig(run=run.path)).test
        assert cost is not None and cost.choice is not None and cost.choice.chosen.head == heads[chosen]
        told.append(json.loads((run.path / "choice_regret.json").read_text())["candidates"])
    # The heads are fitted in their own rounds, whichever was chosen.
    assert told[0] == told[1] and [one["head"] for one in told[0]] == list(heads)
    with pytest.raises(ConfigError, match="other candidates"):
        train(config.model_copy(update={"weighing_rounds": 2}))
    # A record of before rounds could be named is one of the run's own.
    old = {key: value for key, value in record.items() if key != "weighing_rounds"} | {"chosen": 1}
    (run.path / "choice.json").write_text(json.dumps(old))
    monkeypatch.setattr(choosing, "score", lambda *_, **__: pytest.fail("chosen again"))
    assert train(config).read().settings.weighing_rounds == 3


def test_the_settings_of_a_run_that_chose_rounds_mean_itself(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own folder goes on; in another one, candidates that name no rounds have the usual ones again."""
    heads = ("weighing=soft weighing_rounds=1 weight_decay=0.03", "weighing=soft weight_decay=0.03")
    config = settings(data, weights, tmp_path / "run", choose="auto", candidate=heads, epochs=2, weighing=None)
    with pytest.raises(Crash):
        train(config, crashing_after(1))
    path = tmp_path / "run"
    record = json.loads((path / "choice.json").read_text())
    for name in ("log.json", "label_weights.parquet", "config.json"):
        (path / name).unlink(missing_ok=True)
    shutil.rmtree(path / "checkpoints", ignore_errors=True)
    (path / "choice.json").write_text(json.dumps(record | {"chosen": 0}))
    first = train(config, make_epoch_evaluator)
    with monkeypatch.context() as patched:
        patched.setattr(choosing, "score", lambda *_, **__: pytest.fail("chosen again"))
        (path / "summary.json").unlink()
        own = load_training(path / "config.json", {})
        assert (train(own).read().head_choice, own.weighing_rounds) == (first.read().head_choice, 3)
    other = load_training(path / "config.json", {"outpath": tmp_path / "other", "seed": 8})
    again = train(other).read()
    assert again.head_choice is not None and again.head_choice.weighing_rounds == 3


def test_a_run_that_goes_on_in_another_folder_keeps_recipe_and_head(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = ("weight_decay=0.1", "weighing=soft weight_decay=0.01 feature_scale=deviation")
    first = train(settings(data, weights, tmp_path / "run", choose="auto", candidate=heads, epochs=2, data_seed=7))
    monkeypatch.setattr(choosing, "score", lambda *_, **__: pytest.fail("chosen again"))
    on = {"recipe": None, "choose": "auto", "candidate": heads, "seed": 8, "data_seed": 7}
    for resume in (first.path, first.last_checkpoint):
        out = tmp_path / f"on from {resume.name}"
        run = train(settings(data, weights, out, **on, resume=str(resume), epochs=4))
        assert (run.read().settings.recipe, len(run.log())) == ("transfer", 4)
        assert run.read().head_choice == first.read().head_choice
    with pytest.raises(CheckpointError, match=r"was trained with --hidden 0; say --hidden 0, or"):
        train(settings(data, weights, tmp_path / "other", hidden=8, resume=str(first.path), epochs=4))


def test_two_photos_a_class_are_trained_on_though_no_witness_agrees(weights: Path, tmp_path: Path) -> None:
    make_class_folders(tmp_path / "candidate", 2, 1)
    totals = []
    for seed in range(8):
        given = settings(
            tmp_path, weights, tmp_path / f"run-{seed}", test=None, weighing="agreement", holdout=0.5, seed=seed,
            inject_noise=None, epochs=1,
        )  # fmt: skip
        table = pq.read_table(train(given).path / "label_weights.parquet", filters=[("part", "=", "train")])
        totals.append((sum(table["weight"].to_pylist()), table["reason"].to_pylist().count("witnesses_agree")))
    assert all(total > 0 for total, _ in totals) and 0 in [agreed for _, agreed in totals]

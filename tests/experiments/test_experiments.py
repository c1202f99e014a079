"""Experiments: every trial is trained once, and the table says what the runs say."""

from __future__ import annotations

import io
import json
import multiprocessing
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Summary
from rawlabel.base import families
from rawlabel.base.families import Family, names
from rawlabel.base.files import write_json
from rawlabel.config import ExperimentConfig, TrainConfig
from rawlabel.errors import ConfigError, DataError, RawlabelError
from rawlabel.experiments import experiment as experiments
from rawlabel.experiments import heads
from rawlabel.experiments import targets as _targets
from rawlabel.experiments import trials as _trials
from rawlabel.experiments.experiment import run_experiment
from rawlabel.experiments.human_labels import LABELS, human_labels_config
from rawlabel.experiments.studies.rule_regret import best_in_resamples
from rawlabel.judge.evaluate.finished_runs import read_run
from tests.helpers.processes import end_by_signal

EPOCHS = 8


def fake_training(config: TrainConfig, _: Any, *, is_for_use: bool) -> RunDirectory:
    """A finished run whose accuracies depend on its settings alone, as a training's would."""
    assert config.outpath is not None
    assert is_for_use == (config.encoder is None), "a head is calibrated for no table, as that takes longer"
    run = RunDirectory(config.outpath)
    # By its name alone: where it lies is as long as the number of the test run.
    rng = np.random.default_rng([config.seed or 0, len(config.outpath.name)])
    size = config.train_size or 45_000
    best = 95 - 900 * size**-0.45 - 20 * (config.label_column != LABELS["clean"])
    falls = 2.0 if config.method == "cross_entropy" else 0.1
    log = []
    run.log_timing(cache={"train": "memory"})
    for epoch in range(EPOCHS):
        accuracy = best - falls * abs(epoch - 5) + 0.2 * rng.normal()
        run.log_timing(epoch=epoch, train_seconds=2.0, measure_seconds=0.5)
        log.append(
            {
                "epoch": epoch,
                "lr": 0.1,
                "train": {"acc1": 50.0 + epoch, "loss": 1.0},
                "holdout": {"acc1": accuracy - 10, "loss": 2.0},
                "signals": {"decays_left": 0, "changed_predictions": 5.0, "alignment_mean": 0.1,
                            "alignment_kurtosis": 0.2},
                "test": {"acc1": accuracy, "acc5": 99.0},
            }
        )  # fmt: skip
    where = {"commit": "abc", "processor": "P", "device": "cpu", "precision": "float32", "threads": 2,
             "python": "3", "packages": {"torch": "2"}, "training_images": size, "holdout_images": 90}  # fmt: skip
    write_json(run.path / "config.json", config.as_json())
    write_json(run.path / "environment.json", [where])
    write_json(run.log_path, log)
    run.write_summary(Summary(selected_epoch=5, rule="patience", rule_options={"window": 4, "patience": 7}))
    return run


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "scale"),
    [*((name, "tiny") for name in names(Family.EXPERIMENT)), ("cifar10n", "gpu"), ("cifar100n", "gpu")],
)
def test_every_experiment_concludes_at_every_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, scale: Any
) -> None:
    monkeypatch.setattr(_trials, "train", fake_training)
    config = ExperimentConfig(name=name, data=tmp_path, out=tmp_path / "out", scale=scale, jobs=1)
    of = "CIFAR-100N" if name == "cifar100n" else "CIFAR-10N"
    with pytest.raises(DataError, match=rf"train\.parquet: no such file; name the folder of {of} with --data"):
        run_experiment(config)
    for part in ("train", "test"):
        (tmp_path / f"{part}.parquet").touch()
    table = run_experiment(config)
    assert json.loads((tmp_path / "out" / "table.json").read_text()) == json.loads(json.dumps(table))
    runs = [read_run(path.parent) for path in (tmp_path / "out" / "runs").glob("*/config.json")]
    assert len(runs) == sum(len(row["seeds"]) for row in table["rows"]) > 3
    assert all(len(set(row["seeds"])) == len(experiments.SEEDS[scale]) for row in table["rows"])
    page = (tmp_path / "out" / "table.md").read_text()
    assert table["rule"] == "patience, window=4, patience=7" and f"\nRule: {table['rule']}\n" in page
    for row in table["rows"]:
        cells = next(line for line in page.splitlines() if line.startswith(f"| {row['row']} |")).split(" | ")
        assert float(cells[1].split(" ± ")[0]) == pytest.approx(np.mean(row["runs"]["selected"]), abs=0.006)
    if name == "rule_regret":
        whole = table["regrets"]
        assert table["largest_mean_regret"] == {rule: max(means.values()) for rule, means in whole.items()}
        assert whole["last_epoch"]["cross_entropy, worst, step"] == pytest.approx(4, abs=1)
        options = {"window": 5, "balanced": "auto", "early": None, "shorter": None, "band": None}
        assert table["rule_options"]["noisy_holdout:window=5"] == options
        assert (tmp_path / "out" / "rule_regret.png").stat().st_size > 10_000
    if name == "raw_against_clean":
        assert all(one["raw_minus_clean"] == pytest.approx(-20, abs=2) for one in table["at_equal_size_and_steps"])
        assert all(one["num_clean"] < one["num_raw"] for one in table["worth"].values())
        # 20 points below the clean set of each size; four times as many raw images of 50 gain more than that.
        crossovers = {(one["row"], one["num_clean"]): one for one in table["crossover"]}
        assert 1 < crossovers["cross_entropy, worst", 50]["multiple"] < 4
        one = crossovers["elr, worst", 100]
        assert one["multiples"] == [1, 2] and 1 < one["multiple"] < 2
        assert (
            f"elr, worst: {one['multiple']:.2f} times as many raw images train as well as 100 clean ones" in page
        )
        assert (tmp_path / "out" / "crossover.png").stat().st_size > 10_000
    if name == "fast_small":
        assert table["seconds"]["fast_small, worst"][0] == {"training": 2.0 * EPOCHS, "whole": 2.5 * EPOCHS}
    if name in ("cifar10n", "cifar100n"):
        noise, number, wanted = ("worst", 23, "68.3 ± 0.5") if name == "cifar10n" else ("noisy", 8, "49.2 ± 1.0")
        verdicts = [one["is_met"] for one in table["wanted"]]
        assert len(verdicts) == number
        assert set(verdicts) <= ({None} if scale == "tiny" else {True, False})
        (row,) = (row for row in table["rows"] if row["row"] == f"cross_entropy, {noise}")
        measured = "not yet measured | |" if scale == "tiny" else f"{row['last']['mean']:.2f} | "
        assert f"| cross_entropy, {noise} | last epoch | {wanted} | {measured}" in page
        assert f"90 beside {200 if scale == 'tiny' else 45_000} to train on (all)" in page


@pytest.mark.integration
def test_rules_are_chosen_on_one_half_of_heads_and_judged_on_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_trials, "train", fake_training)
    for part in ("train", "test"):
        (tmp_path / f"{part}.parquet").touch()
    config = ExperimentConfig(
        name="cifar10n", data=tmp_path, out=tmp_path / "out", scale="transfer", seeds=2, jobs=1
    )
    table = run_experiment(config)
    assert all(row["seeds"] == [0, 1] for row in table["rows"])
    assert {len(names) for names in (heads.SETTINGS, heads.NOISES)} == {16, 4} and len(table["rows"]) == 64
    for part in (heads.SETTINGS, heads.NOISES):  # each half has every method and every label set
        for name in part:
            halves = {row["row"] in heads.CHOOSING for row in table["rows"] if name in row["row"].split(", ")}
            assert halves == {True, False}
    rules = table["rules"]
    assert rules["choosing"]["last_epoch"]["settings"] == rules["judging"]["last_epoch"]["settings"] == 32
    rows = {row["row"]: row for row in table["rows"]}
    judged = {
        row: rows[row]["runs"]["oracle"][1] - rows[row]["runs"]["last"][1] for row in rows.keys() - heads.CHOOSING
    }
    assert rules["judging"]["last_epoch"]["largest"] == pytest.approx(max(judged.values()))
    assert rules["order"][0] == min(rules["choosing"], key=lambda rule: rules["choosing"][rule]["largest"])
    page = (tmp_path / "out" / "table.md").read_text()
    assert "--scale transfer --seeds 2 --data" in page and "left out: gjs, sop_plus, dividemix, which need" in page
    assert "| label_wave:halt=at_once,patience=1 |" in page
    for run in (tmp_path / "out" / "runs").glob("elr-*"):
        (run / "summary.json").unlink()
    part = run_experiment(config.model_copy(update={"finished": True}))
    assert len(part["rows"]) == 60
    rows_of_elr = re.findall(r"^\| elr \|.*$", (tmp_path / "out" / "table.md").read_text(), re.MULTILINE)
    assert rows_of_elr and all("not yet measured" in row for row in rows_of_elr)
    with pytest.raises(ConfigError, match="--finished: this table needs all trials"):
        run_experiment(config.model_copy(update={"finished": True, "scale": "tiny"}))
    other = ExperimentConfig(name="cifar100n", data=tmp_path, out=tmp_path / "out", scale="transfer")
    with pytest.raises(ConfigError, match="--scale transfer: is for cifar10n and raw_against_clean"):
        run_experiment(other)


@pytest.mark.parametrize(
    ("kind", "measured", "is_met"),
    [("about", 68.8, True), ("about", 67.7, False), ("at least", 68.3, True), ("at least", 68.2, False),
     ("at most", 68.3, True), ("at most", 68.4, False)],
)  # fmt: skip
def test_a_target_is_met_by_what_it_asks_for(kind: Any, measured: float, is_met: bool) -> None:
    target = _targets.Target("a row", "last", 68.3, kind, 0.5 if kind == "about" else 0.0)
    assert target.is_met(measured) == is_met


def test_a_table_names_every_rule_that_selected_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of runs whose options nobody recorded: then it says so, and takes no default for granted."""

    def trained(config: TrainConfig, evaluator: Any, **settings: bool) -> RunDirectory:
        run = fake_training(config, evaluator, **settings)
        if config.method == "elr":
            run.write_summary(Summary(selected_epoch=5, rule="noisy_holdout"))
        return run

    monkeypatch.setattr(_trials, "train", trained)
    for part in ("train", "test"):
        (tmp_path / f"{part}.parquet").touch()
    rule = run_experiment(
        ExperimentConfig(name="cifar10n", data=tmp_path, out=tmp_path / "out", scale="tiny", jobs=1)
    )["rule"]
    assert rule.startswith("patience, window=4, patience=7 (rows cross_entropy, clean; ")
    assert rule.endswith(
        "noisy_holdout, other options not recorded (rows elr, aggregate; elr, random1; elr, worst)"
    )


def test_a_rule_is_called_best_as_often_as_the_seeds_bear_it_out() -> None:
    rng = np.random.default_rng(0)
    clear = {"good": rng.uniform(0, 1, (24, 3)), "bad": rng.uniform(2, 3, (24, 3))}
    assert best_in_resamples(clear) == {"good": 1.0, "bad": 0.0}
    one = rng.uniform(0, 1, (24, 3))
    assert best_in_resamples({"a": one, "b": one}) == {"a": 0.5, "b": 0.5}
    # Best by its mean, yet one seed of one setting decides it.
    close = best_in_resamples({"a": np.array([[0.0, 0.0, 2.9]]), "b": np.array([[1.0, 1.0, 1.0]])})
    assert close["a"] == pytest.approx(8 / 27 + 12 / 27, abs=0.05)


def make_labeled_tables(folder: Path) -> None:
    """Ten classes of one colour each, as train.parquet and test.parquet in CIFAR-10N's columns."""
    rng = np.random.default_rng(0)
    for name, count in (("train", 1500), ("test", 40)):
        labels = np.arange(count) % 10
        images = []
        for label in labels:
            pixels = rng.integers(0, 60, (32, 32, 3)) + 19 * label * np.eye(3, dtype=int)[label % 3]
            stream = io.BytesIO()
            Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
            images.append({"bytes": stream.getvalue(), "path": "x.png"})
        columns = {column: (labels + (rng.random(count) < rate)) % 10
                   for column, rate in zip(LABELS.values(), (0, 0.1, 0.2, 0.4, 0.4), strict=True)}  # fmt: skip
        pq.write_table(pa.table({"image": images, **columns}), folder / f"{name}.parquet")


def test_a_smaller_test_set_has_the_same_number_of_each_class_always_the_same(tmp_path: Path) -> None:
    make_labeled_tables(tmp_path)
    labels = []
    for out in ("a", "b"):
        config = ExperimentConfig(name="cifar10n", data=tmp_path, out=tmp_path / out, scale="cpu")
        trials = families.load(Family.EXPERIMENT, "cifar10n")().trials(config)
        (test,) = {str(one.config.test) for one in trials}
        assert Path(test).is_relative_to(tmp_path / out)
        labels.append(pq.read_table(test).drop_columns("image").to_pydict())
    assert labels[0] == labels[1]
    config = human_labels_config(config, "worst", "small", 0, test_size=20)
    assert sorted(pq.read_table(str(config.test))["clean_label"].to_pylist()) == sorted([*range(10)] * 2)


@pytest.mark.parametrize("content", [b"", b"no parquet", None])
def test_a_test_set_that_is_none_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "train.parquet").touch()
    if content is None:
        pq.write_table(pa.table({"label": [1, 2]}), tmp_path / "test.parquet")
    else:
        (tmp_path / "test.parquet").write_bytes(content)
    config = ExperimentConfig(name="cifar10n", data=tmp_path, out=tmp_path / "out", scale="cpu")
    with pytest.raises(DataError, match=r"test\.parquet: is no Parquet file with the column clean_label; name"):
        run_experiment(config)


@pytest.mark.integration
def test_the_command_trains_all_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_labeled_tables(tmp_path)
    monkeypatch.setitem(experiments.SEEDS, "tiny", (0,))
    command = ["experiment", "cifar10n", "--scale", "tiny", "--jobs", "1", "--data", str(tmp_path),
               "--out", str(tmp_path / "out")]  # fmt: skip
    assert cli.run(command) == 0
    first = (tmp_path / "out" / "table.json").read_text()
    page = capsys.readouterr().out
    assert "| nts, worst |" in page and "cross-entropy's last epoch costs" in page
    (tmp_path / "out" / "table.json").unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "runs").rglob("log.json")}
    assert len(before) == 13  # ten rows, and the teachers of three
    assert cli.run(command) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "out" / "table.json").read_text() == first


def some_trials(folder: Path, **settings: Any) -> tuple[ExperimentConfig, list[_trials.Trial]]:
    """Three trainings of the tiny scale, and an experiment that runs two of them at a time."""
    make_labeled_tables(folder)
    config = ExperimentConfig(name="cifar10n", data=folder, out=folder / "out", scale="tiny", jobs=2)
    found = families.load(Family.EXPERIMENT, "cifar10n")().trials(config)[:3]
    return config, [replace(one, config=one.config.model_copy(update=settings)) for one in found]


@pytest.mark.integration
def test_trials_side_by_side_come_out_as_one_after_the_other(tmp_path: Path) -> None:
    config, trials = some_trials(tmp_path)
    _trials.train_all(trials, config)
    logs = [RunDirectory(one.config.outpath or tmp_path).log() for one in trials]
    assert "training images of 10 classes" in (tmp_path / "out/logs/cross_entropy-clean-0.log").read_text()
    shutil.rmtree(tmp_path / "out")
    _trials.train_all(trials, config.model_copy(update={"jobs": 1}))
    assert [RunDirectory(one.config.outpath or tmp_path).log() for one in trials] == logs


@pytest.mark.integration
def test_a_trial_that_fails_side_by_side_is_named_with_its_reason(tmp_path: Path) -> None:
    config, trials = some_trials(tmp_path, label_column="no_such_column")
    with pytest.raises(RawlabelError, match=r"cross_entropy, clean, seed \d: .*no_such_column.*\.log\)"):
        _trials.train_all(trials, config)
    assert not multiprocessing.active_children()


@pytest.mark.integration
def test_a_stopped_experiment_leaves_checkpoints_and_no_processes(tmp_path: Path) -> None:
    make_labeled_tables(tmp_path)
    out = tmp_path / "out"
    command = ["experiment", "cifar10n", "--scale", "tiny", "--jobs", "2", "--data", tmp_path, "--out", out]
    ended = end_by_signal(signal.SIGTERM, lambda: len(list(out.glob("runs/*/log.json"))) >= 2, command)
    assert ended.code == 143, ended.err
    started = {path.parent for path in out.glob("runs/*/environment.json")}
    assert all((path / "checkpoints/last.pt").is_file() for path in started if (path / "log.json").is_file())
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(out) in " ".join(one.info["cmdline"] or [])]

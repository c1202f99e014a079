"""`rawlabel compare-rules`: what a rule's choice costs against the best epoch on the test set."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from rawlabel import cli
from rawlabel.base.metrics import mean_interval
from rawlabel.config import CompareRulesConfig
from rawlabel.errors import RawlabelError
from rawlabel.judge.evaluate.rule_regret import compare_rules, worst_means
from tests.helpers.logged_runs import make_run


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two seeds of one setting, and one run of another."""
    return [
        make_run(tmp_path / "a", [10, 80, 70, 0], [1, 9, 8, 2], seed=0),
        make_run(tmp_path / "b", [10, 60, 90, 50], [1, 9, 8, 2], seed=1, stop="last_epoch", workers=9),
        make_run(tmp_path / "c", [10, 20, 30, 40], [4, 3, 2, 1], seed=0, method="elr"),
    ]


def test_regret_is_the_distance_to_the_best_epoch_with_its_interval_over_seeds(runs: list[Path]) -> None:
    rules = ("last_epoch", "noisy_holdout:window=1", "label_wave")
    first, second = compare_rules(CompareRulesConfig(runs=runs, rule=rules, confidence=0.9))
    assert (first.name, second.name) == ("method=cross_entropy", "method=elr")
    assert [run.oracle_epoch for run in first.runs] == [1, 2]
    noisy, last, wave = first.rules
    assert (noisy.rule, noisy.epochs, noisy.regrets) == ("noisy_holdout:window=1", (1, 1), (0, 30))
    assert (noisy.mean, noisy.half_width) == mean_interval([0, 30], 0.9)
    assert (last.rule, last.epochs, last.regrets) == ("last_epoch", (3, 3), (80, 40))
    assert (wave.mean, wave.missing) == (None, ("changed_predictions", "decays_left"))
    assert [(one.rule, one.mean, one.half_width) for one in second.rules[:2]] == [
        ("last_epoch", 0, None), ("noisy_holdout:window=1", 30, None),
    ]  # fmt: skip
    assert worst_means([first, second]) == [
        ("noisy_holdout:window=1", 30, "method=elr"), ("last_epoch", 60, "method=cross_entropy"),
    ]  # fmt: skip


def test_groups_hold_runs_that_differ_in_the_seed_alone_unless_told(runs: list[Path], tmp_path: Path) -> None:
    elsewhere = make_run(tmp_path / "d", [1, 2, 3, 4], [1, 2, 3, 4], seed=5, root="elsewhere")
    config = CompareRulesConfig(runs=(*runs[:2], elsewhere), rule=("last_epoch",))
    assert [len(group.runs) for group in compare_rules(config)] == [2, 1]
    [group] = compare_rules(config.model_copy(update={"ignore": ("root",)}))
    assert (group.name, [run.seed for run in group.runs]) == ("all runs", [0, 1, 5])


def test_other_heads_are_chosen_of_one_setting_and_other_usual_rounds_are_another(tmp_path: Path) -> None:
    """Whether some candidate names rounds of its own or not."""
    given = {"choose": "auto", "candidate": ["weighing=soft weighing_rounds=5", "of a later version"]}
    chosen = {"encoder": "efficientnet_lite0", "weighing": "soft", "weight_decay": 0.03}
    runs = [
        make_run(tmp_path / "a", [10, 20], seed=0, **given, **chosen),
        make_run(tmp_path / "b", [10, 20], seed=1, **given, **chosen | {"weighing": "none"}),
        make_run(tmp_path / "c", [10, 20], seed=2, **given, **chosen, weighing_rounds=5),
    ]
    groups = compare_rules(CompareRulesConfig(runs=runs, rule=("last_epoch",)))
    assert [(one.name, len(one.runs)) for one in groups] == [("weighing_rounds=3", 2), ("weighing_rounds=5", 1)]


def test_a_signal_that_one_seed_lacks_leaves_the_rule_out(runs: list[Path], tmp_path: Path) -> None:
    blind = make_run(tmp_path / "blind", [1, 2, 3, 4], seed=2)
    [group] = compare_rules(CompareRulesConfig(runs=(*runs[:2], blind), rule=("noisy_holdout", "last_epoch")))
    assert [(one.rule, one.missing) for one in group.rules] == [
        ("last_epoch", ()), ("noisy_holdout", ("holdout_accuracy",)),
    ]  # fmt: skip


def test_the_table_and_the_files_say_the_same(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--rule", "last_epoch", "--rule", "noisy_holdout:window=1", "--rule", "gwa"]
    for suffix in ("json", "csv"):
        assert cli.run(["compare-rules", *map(str, runs), *flags, "--out", str(tmp_path / f"rules.{suffix}")]) == 0
    out = capsys.readouterr().out
    assert "80.00 % (epoch 1), 90.00 % (epoch 2)" in out
    assert "nobody could have chosen" in out
    half_width = mean_interval([80, 40])[1]
    assert f"last_epoch                60.00 ± {half_width:.2f}; 80.00; 3, 3" in out
    assert "gwa                    left out: the log has no alignment_mean and no alignment_kurtosis" in out
    assert "last_epoch                60.00  (method=cross_entropy)" in out
    [first, _] = json.loads((tmp_path / "rules.json").read_text())
    saved = {one["rule"]: one for one in first["rules"]}
    assert saved["last_epoch"]["regrets"] == [80, 40]
    assert [run["oracle_accuracy"] for run in first["runs"]] == [80, 90]
    with (tmp_path / "rules.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["mean_regret"] for row in rows if row["rule"] == "last_epoch"] == ["60.0", "0.0"]
    assert rows[2]["missing"] == "alignment_mean alignment_kurtosis"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "RUN: name run directories"),
        (["absent"], "absent: holds no log.json with epochs"),
        (["twin"], "twin: has the settings and the seed of "),
        (["blind"], "log.json: logged no test accuracy; train with --test"),
        (["gap"], "log.json: has no test accuracy of epoch 3, which last_epoch selects"),
        (["a", "--out", "rules.txt"], "--out: rules.txt should end in .json or .csv"),
        (["a", "--rule", "label_wav"], "no stopping rule is called 'label_wav'; did you mean 'label_wave'"),
        (["a", "--rule", "patience:patience=0"], "--rule patience: input should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_compared_is_named(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    make_run(tmp_path / "twin", [1, 2], [1, 2], seed=0)
    make_run(tmp_path / "blind", [None, None], [1, 2], seed=3)
    make_run(tmp_path / "gap", [3, 2, 1, None], [1, 2, 3, 4], seed=4)
    paths = [str(tmp_path / word) if (tmp_path / word).is_dir() else word for word in arguments]
    extra = [str(runs[0])] if arguments == ["twin"] else []
    assert cli.run(["compare-rules", *extra, *paths]) == 2
    err = capsys.readouterr().err
    assert named in err
    assert err.count("\n") == 1


def test_a_damaged_log_is_named(runs: list[Path]) -> None:
    path = runs[0] / "log.json"
    log = json.loads(path.read_text())
    for change, named in (
        ({"epoch": 7}, "its epochs do not count up"),
        ({"holdout": {"acc1": "high"}}, r"log\.json: 0\.holdout\.acc1 is not as expected .*valid number"),
        ({"test": {"acc1": "high"}}, r"log\.json: 0\.test\.acc1 is not as expected .*valid number"),
    ):
        path.write_text(json.dumps([{**log[0], **change}, *log[1:]]))
        with pytest.raises(RawlabelError, match=named):
            compare_rules(CompareRulesConfig(runs=(runs[0],)))


def test_the_published_logs_tell_what_the_last_epoch_costs(paper: Path) -> None:
    folders = [paper / "results" / f"{kind}_cls100" for kind in ("flickr", "imagenet")]
    flickr, imagenet = compare_rules(CompareRulesConfig(runs=folders))
    assert (flickr.runs[0].oracle_epoch, round(flickr.runs[0].test[69], 2)) == (69, 89.44)
    assert (flickr.rules[0].rule, round(flickr.rules[0].regrets[0], 2)) == ("last_epoch", 1.06)
    assert round(imagenet.rules[0].regrets[0], 2) == 0.38
    assert all(one.missing for one in flickr.rules[1:])


def test_runs_that_their_rule_ended_are_a_group_of_their_own(tmp_path: Path) -> None:
    whole = [
        make_run(tmp_path / f"w{seed}", [10, 80, 70, 0], [1, 9, 8, 2], seed=seed, epochs=4) for seed in (0, 1)
    ]
    ended = make_run(tmp_path / "ended", [10, 60], [1, 9], seed=2, epochs=4, stop="patience")
    first, second = compare_rules(CompareRulesConfig(runs=[*whole, ended], rule=("last_epoch",)))
    assert (len(first.runs), first.name, len(second.runs), second.name) == (
        2, "ended_early=False", 1, "ended_early=True",
    )  # fmt: skip


@pytest.mark.parametrize(("left_out", "epoch"), [(0, 1), (400, 3), (40_000, 1)])
def test_a_band_is_drawn_on_runs_whose_own_rule_had_none(tmp_path: Path, left_out: int, epoch: int) -> None:
    """Of 400 photos a lead of a point is within a standard error; of 40,000 it is not, and of none who knows."""
    run = make_run(tmp_path / "run", [40, 60, 55, 50], [70, 82, 81.5, 81], seed=0, epochs=4)
    (run / "environment.json").write_text(json.dumps([{"holdout_images": left_out}]))
    [group] = compare_rules(CompareRulesConfig(runs=[run], rule=("noisy_holdout:band=1",)))
    assert group.rules[0].epochs == (epoch,)


def test_an_epoch_that_diverged_is_neither_selected_nor_the_oracle(tmp_path: Path) -> None:
    """Older versions logged its NaN answers as 100 % right, and its loss as NaN."""
    path = make_run(tmp_path / "run", [10, 40, 100], [10, 30, 100], seed=0)
    log = json.loads((path / "log.json").read_text())
    log[2]["holdout"]["loss"] = float("nan")
    (path / "log.json").write_text(json.dumps(log))
    [group] = compare_rules(
        CompareRulesConfig(runs=(path,), rule=("noisy_holdout", "patience:halt=never", "last_epoch"))
    )
    assert group.runs[0].oracle_epoch == 1
    found = {one.rule: (one.epochs, one.regrets) for one in group.rules}
    assert found == {
        "noisy_holdout": ((1,), (0,)),
        "patience:halt=never": ((1,), (0,)),
        "last_epoch": ((2,), (40,)),
    }


ACCURACY = {"correct": 88, "accuracy": 88.0, "interval": [80.0, 93.0]}


def write_choice(run: Path) -> None:
    mean = {"mean": 80.0, "standard_error": 2.5}
    tried = [{"text": text, "accuracy": mean, "loss": mean, "above": mean} for text in ("firm", "soft")]
    (run / "choice.json").write_text(json.dumps({"photos": 9, "folds": 5, "chosen": 1, "candidates": tried}))


def write_evaluation(run: Path, **more: object) -> None:
    epoch = {"epoch": 1, "top1": ACCURACY}
    chosen, oracle = {"head": "soft", "accuracy": 88.25}, {"head": "firm", "accuracy": 89.0}
    cost = {"chosen": chosen, "oracle": oracle, "regret": 0.75}
    test = {"folder": "t", "images": 100, "confidence": 0.95, "selected": epoch, "last": epoch, "choice": cost}
    (run / "summary.json").write_text(json.dumps({"selected_epoch": 1, "test": test | more}))


def test_what_choosing_the_head_cost_is_told_where_it_was_measured(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in runs[:2]:
        write_choice(path)
    write_evaluation(runs[0], oracle={"epoch": 1, "top1": ACCURACY})
    file = tmp_path / "rules.json"
    given = ["compare-rules", *map(str, runs), "--rule", "last_epoch"]
    assert cli.run([*given, "--out", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"  {runs[0]}: 0.75; chosen soft (88.25 %), oracle firm (89.00 %)" in lines
    assert f"  {runs[1]}: not yet measured; `rawlabel evaluate {runs[1]}` measures it; chosen soft" in lines
    assert sum("below the oracle head" in line for line in lines) == 1  # the other group chose none
    assert cli.run([*given, "--json"]) == 0
    printed, written = json.loads(capsys.readouterr().out), json.loads(file.read_text())
    heads = written[0]["heads"]
    assert (heads["mean_regret"], heads["half_width"]) == (0.75, None)
    assert heads["runs"][0] == {
        "run": str(runs[0]), "chosen": "soft", "chosen_test_accuracy": 88.25, "oracle": "firm",
        "oracle_test_accuracy": 89.0, "regret": 0.75,
    }  # fmt: skip
    assert heads["runs"][1]["regret"] is None
    assert "heads" not in written[1]
    assert [one.get("heads") for one in printed] == [heads, None]


@pytest.mark.parametrize(("measured", "mean"), [("test", 0.75), ("other", None)])
@pytest.mark.parametrize("is_moved", [False, True])
def test_a_cost_of_choosing_is_told_of_the_logged_test_set_alone(
    tmp_path: Path, measured: str, mean: float | None, is_moved: bool
) -> None:
    """`evaluate --test` opened some set last, which may be another one than that of the log."""
    before = tmp_path / "before"
    run = make_run(before / "run", [10, 20], seed=0, root=str(before / "photos"), main="candidate")
    settings = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(settings | {"test": "test"}))
    for name in ("candidate", "test", "other"):
        (before / "photos" / name).mkdir(parents=True)
    place = {"absolute": str(before / "photos"), "from_run": "../photos"}
    (run / "environment.json").write_text(json.dumps([{"root": place}]))
    folder = before / "photos" / measured
    write_choice(run)
    write_evaluation(run, folder=str(folder), place={"absolute": str(folder), "from_run": f"../photos/{measured}"})
    if is_moved:
        run = before.rename(tmp_path / "after") / "run"
    [group] = compare_rules(CompareRulesConfig(runs=(run,), rule=("last_epoch",)))
    assert group.heads is not None and group.heads.mean == mean

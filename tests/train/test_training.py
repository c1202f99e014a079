"""Training: repeatable to the bit, resumable at any moment, and blind to the test set."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import TrainConfig
from rawlabel.errors import CheckpointError, ConfigError, DataError, RawlabelError
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.models.checkpoint import load_checkpoint
from rawlabel.training.around.holdout import predict_holdout
from rawlabel.training.data import load_training_data
from rawlabel.training.expected_time import say_expected_time
from rawlabel.training.stage import find_run, train
from tests.helpers.processes import AfterEpoch, AtStep, forked
from tests.helpers.published_settings import PUBLISHED
from tests.helpers.runs import Crash, arguments, assert_same_run, crashing_after, same_weights
from tests.helpers.tiny_training import make_class_folders, tiny

pytestmark = pytest.mark.integration


def fit(config: TrainConfig) -> RunDirectory:
    return train(config, make_epoch_evaluator)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """An uninterrupted run."""
    return fit(tiny(data, outpath=tmp_path_factory.mktemp("runs") / "whole"))


def test_the_log_has_the_published_format_and_more(whole: RunDirectory) -> None:
    log = json.loads(whole.log_path.read_text())
    assert [entry["epoch"] for entry in log] == [0, 1, 2, 3]
    for entry in log:
        for part in ("train", "holdout", "test"):
            assert 0 <= entry[part]["acc1"] <= 100
            assert entry[part]["acc5"] is None  # of three classes it would say nothing
    assert [round(entry["lr"], 6) for entry in log] == [0.02, 0.02, 0.02, 0.002]
    assert log[-1]["train"]["acc1"] > 60
    starts = json.loads((whole.path / "environment.json").read_text())
    assert starts[0]["packages"]["torch"] == torch.__version__.split("+")[0]
    assert starts[0]["commit"]


def test_one_seed_gives_one_run_whatever_the_threads(whole: RunDirectory, data: Path, tmp_path: Path) -> None:
    assert_same_run(whole, fit(tiny(data, outpath=tmp_path / "again", workers=5)))
    other = fit(tiny(data, outpath=tmp_path / "other", seed=8))
    assert other.log() != whole.log()


def test_looking_at_the_test_set_changes_nothing(whole: RunDirectory, data: Path, tmp_path: Path) -> None:
    blind = train(tiny(data, outpath=tmp_path / "blind", test=None))
    assert same_weights(whole.last_weights, blind.last_weights)
    seen = whole.summary().as_json()
    assert blind.summary().as_json() == {key: value for key, value in seen.items() if key != "test_overlap"}
    assert [{**entry, "test": None} for entry in blind.log()] == [{**entry, "test": None} for entry in whole.log()]
    assert blind.log()[0]["test"] == {"acc1": None, "acc5": None}


def test_the_published_command_runs(data: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED))
    flags = ["--root", data, "--outpath", tmp_path / "run", "--model", "cifar_resnet8", "--image-size", "16"]
    script = Path(__file__).parents[2] / "train.py"
    done = subprocess.run(
        [sys.executable, script, "--config", tmp_path / "config.json", *flags, "--epochs", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(RunDirectory(tmp_path / "run").log()) == 2


def test_the_saved_config_repeats_the_run(whole: RunDirectory, tmp_path: Path) -> None:
    ended = forked(["train", "--config", whole.path / "config.json", "--outpath", tmp_path / "repeated"])
    assert ended.code == 0, ended.err
    assert_same_run(whole, RunDirectory(tmp_path / "repeated"))


@pytest.mark.parametrize("crash_epoch", [1, 3])
def test_two_and_two_epochs_equal_four(whole: RunDirectory, data: Path, tmp_path: Path, crash_epoch: int) -> None:
    config = tiny(data, outpath=tmp_path / "run")
    with pytest.raises(Crash):
        train(config, crashing_after(crash_epoch))
    assert len(RunDirectory(tmp_path / "run").log()) == crash_epoch
    assert_same_run(whole, fit(config))


def test_sigterm_in_the_middle_of_an_epoch_saves_and_goes_on(data: Path, tmp_path: Path) -> None:
    steps = {"batch_size": 2, "epochs": 3}
    reference = fit(tiny(data, outpath=tmp_path / "reference", **steps))
    run = RunDirectory(tmp_path / "stopped")
    # An epoch has 46 steps; the second start goes on where the first one stopped.
    for number, signal_number, code, place in (
        (60, signal.SIGTERM, 143, (1, 15)),
        (20, signal.SIGINT, 130, (1, 36)),
    ):
        ended = forked(arguments(data, run.path, **steps), by_self=AtStep(number, signal_number))
        assert ended.code == code, ended.err
        assert ended.last_line() == "rawlabel: stopped; the same command goes on from here"
        saved = load_checkpoint(run.last_checkpoint)
        assert (saved["epoch"], saved["step"]) == place
    ended = forked(arguments(data, run.path, **steps))
    assert ended.code == 0, ended.err
    assert_same_run(reference, run)


def test_kill_9_at_twenty_random_moments_ends_as_an_uninterrupted_run(tmp_path: Path) -> None:
    make_class_folders(tmp_path / "candidate", 20, 1)
    data = make_class_folders(tmp_path / "test", 6, 2).parent
    flags = {"epochs": 48, "batch_size": 8}
    reference = fit(tiny(data, outpath=tmp_path / "reference", **flags))
    # Of the shortest: by one that had to wait, a start might get to the end of the run.
    seconds_an_epoch = min(one.train_seconds + one.measure_seconds for one in reference.read().timings.values())
    run = RunDirectory(tmp_path / "killed")
    rng = random.Random(11)
    for kills in range(20):
        # Each start gets further than all before it: no kill falls into the start of Python.
        before = len(run.log())
        moment = AfterEpoch(before, rng.random() * seconds_an_epoch)
        ended = forked(arguments(data, run.path, **flags), by_self=moment)
        assert ended.code == -signal.SIGKILL, f"ended by itself after {kills} kills: {ended.err}"
        assert len(run.log()) > before
    assert forked(arguments(data, run.path, **flags)).code == 0
    assert_same_run(reference, run)


def test_a_finished_run_stays_as_it_is(whole: RunDirectory, data: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.path.rglob("*")}
    fit(tiny(data, outpath=whole.path))
    assert {path: path.stat().st_mtime_ns for path in whole.path.rglob("*")} == before


def test_the_same_settings_find_their_run_by_themselves(data: Path) -> None:
    config = tiny(data, epochs=1)
    first = fit(config)
    assert first.path.parent == data / "runs"
    assert fit(config.model_copy(update={"workers": 3})).path == first.path
    assert fit(tiny(data, epochs=1, lr=0.03)).path != first.path


def test_without_a_seed_one_is_drawn_kept_and_recorded(data: Path, tmp_path: Path) -> None:
    config = tiny(data, seed=None, epochs=1, outpath=tmp_path / "run")
    run = fit(config)
    seed = run.summary().seed
    assert isinstance(seed, int)
    assert fit(config).read().config.seed == seed
    # Whoever reads the data by the saved settings finds what was held out.
    held_out = predict_holdout(run)
    expected = 100 * (held_out.logits.argmax(axis=1) == held_out.labels).mean()
    assert run.log()[-1]["holdout"]["acc1"] == pytest.approx(expected)
    repeated = fit(TrainConfig(**run.read().given | {"outpath": tmp_path / "repeated"}))
    assert repeated.log() == run.log()


@pytest.mark.parametrize(
    ("part", "damage"),
    [
        *product(["last_checkpoint", "last_weights"], ["cut", "garbage", "empty", "foreign"]),
        ("last_weights", "absent"),  # without a checkpoint the run starts anew
    ],
)
def test_a_damaged_checkpoint_is_named(
    whole: RunDirectory, data: Path, tmp_path: Path, damage: str, part: str
) -> None:
    shutil.copytree(whole.path / "checkpoints", tmp_path / "run" / "checkpoints")
    path: Path = getattr(RunDirectory(tmp_path / "run"), part)
    good = path.read_bytes()
    path.unlink()
    if damage == "foreign":
        foreign = {"weights": torch.ones(2)}
        torch.save(foreign, path) if path.suffix == ".pt" else save_file(foreign, path)
    elif damage != "absent":
        path.write_bytes({"cut": good[: len(good) // 2], "garbage": b"x" * 4000, "empty": b""}[damage])
    named = "last.pt" if damage == "absent" else path.name
    with pytest.raises(CheckpointError, match=rf"{named}: .*remove it and start the run again"):
        fit(tiny(data, outpath=tmp_path / "run"))


def test_checkpoints_hold_nothing_that_runs(whole: RunDirectory) -> None:
    names = sorted(path.name for path in (whole.path / "checkpoints").iterdir())
    assert names == ["last-00004-0000000.safetensors", "last.pt", "selected.safetensors"]
    weights = load_file(whole.selected_checkpoint)  # by the format's own library
    assert sum(tensor.numel() for tensor in weights.values()) > 1000
    assert set(load_checkpoint(whole.last_checkpoint)["method"]) == set(weights)


def test_other_settings_or_data_need_another_run_directory(whole: RunDirectory, data: Path) -> None:
    with pytest.raises(ConfigError, match=r"--lr: .* was made with 0.02, not 0.5; choose another --outpath"):
        fit(tiny(data, outpath=whole.path, lr=0.5))
    with pytest.raises(ConfigError, match="holds a run on other data"):
        fit(tiny(data, outpath=whole.path, main="test"))


@pytest.mark.parametrize(
    "change",
    [{"momentum": 0.5}, {"weight_decay": 0.1}, {"norandomcrop": True}, {"norandomflip": True}, {"lr": 0.03},
     {"decay_rate": 0.5}, {"batch_size": 8}, {"opt": "adam"}, {"loss": "l2"}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_setting_of_the_step_reaches_the_step(
    change: dict[str, Any], whole: RunDirectory, data: Path, tmp_path: Path
) -> None:
    """Each alone makes other weights of the same start; what it means is tested where it is defined."""
    run = fit(tiny(data, outpath=tmp_path / "run", **change))
    one, other = (load_checkpoint(path.last_checkpoint)["method"] for path in (run, whole))
    assert one.keys() == other.keys()
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_the_second_test_set_is_measured_too(data: Path, tmp_path: Path) -> None:
    mislabeled = make_class_folders(tmp_path / "mislabeled", 6, 3)
    for old, new in (("red", "kept"), ("blue", "red"), ("kept", "blue")):
        (mislabeled / old).rename(mislabeled / new)
    entry = fit(tiny(data, outpath=tmp_path / "run", sub=str(mislabeled))).log()[-1]
    assert entry["test"]["acc1"] > 90
    assert entry["subset"]["acc1"] < 60


def test_a_loss_that_diverges_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--lr: the loss became"):
        fit(tiny(data, outpath=tmp_path / "run", lr=1e30, precision="fp32"))


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "no_such_network"},
        {"model": "no_such_network", "student": True},
        {"model": "no_such_network", "confident_learning": True},
        {"opt": "adam", "nesterov": True},
        {"opt": "adam", "nesterov": True, "student": True, "seed": None},
        {"start_epoch": 9},
        {"logger": ("no_such_logger",)},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_start_that_is_refused_leaves_nothing(data: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    config = tiny(data, outpath=tmp_path / "runs" / "mine", **changes)
    with pytest.raises(RawlabelError):
        train(config)
    assert list(tmp_path.iterdir()) == []
    other = tmp_path / "runs" / "mine" / "notes.txt"
    other.parent.mkdir(parents=True)
    other.write_text("of somebody's")
    with pytest.raises(RawlabelError):
        train(config)
    assert other.read_text() == "of somebody's"


def test_a_run_that_had_no_epoch_may_be_given_other_settings(data: Path, tmp_path: Path) -> None:
    """As its message of a loss that diverged, or of memory that ran out, says."""
    with pytest.raises(ConfigError, match="try a lower learning rate"):
        fit(tiny(data, outpath=tmp_path / "run", lr=1e30, precision="fp32"))
    assert len(fit(tiny(data, outpath=tmp_path / "run", precision="fp32")).log()) == 4


def test_a_file_that_is_no_image_is_named(data: Path, tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "candidate", 4, 3)
    (folder / "red" / "002.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"002\.png: is not an image that can be decoded"):
        fit(tiny(tmp_path, test=None, holdout=0, stop="last_epoch", outpath=tmp_path / "run"))


@pytest.mark.usefixtures("messages_on_stderr")
def test_a_second_test_set_may_come_while_a_run_is_trained(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny(data, outpath=tmp_path / "run", epochs=2)
    with pytest.raises(Crash):
        train(config, crashing_after(1))
    given = config.model_copy(update={"sub": "test"})
    run = train(given, make_epoch_evaluator)
    assert ["subset" in entry for entry in run.log()] == [False, True]
    assert run.log()[1]["subset"] == run.log()[1]["test"]
    assert "--sub" not in capsys.readouterr().err
    train(given.model_copy(update={"sub": "candidate"}), make_epoch_evaluator)
    assert f"--sub: {run.path} is finished" in (said := capsys.readouterr().err)
    assert f"--test {data / 'candidate'}` measures it" in said


def test_a_run_is_called_the_same_with_a_second_test_set(data: Path) -> None:
    config = tiny(data)
    training = load_training_data(config)
    plain = find_run(config, training).path
    assert find_run(config.model_copy(update={"sub": "test"}), training).path == plain
    assert find_run(config.model_copy(update={"lr": 0.5}), training).path != plain


def test_fewer_epochs_than_the_resumed_run_has_are_refused(
    whole: RunDirectory, data: Path, tmp_path: Path
) -> None:
    shorter = tiny(data, outpath=tmp_path / "shorter", resume=str(whole.path), epochs=2)
    with pytest.raises(ConfigError, match=r"--epochs 2: .*last\.pt has 4 epochs behind it"):
        fit(shorter)
    assert not RunDirectory(tmp_path / "shorter").log()
    with pytest.raises(ConfigError, match=r"--epochs: .* was made with 4, not 2"):
        fit(tiny(data, outpath=whole.path, epochs=2))
    assert len(fit(tiny(data, outpath=tmp_path / "same", resume=str(whole.path))).log()) == 4


@pytest.mark.parametrize(
    ("seconds", "device", "expected"),
    [
        (30, "cpu", []),
        (600, "cpu", ["rawlabel: the steps will take about 0:10:00 on this processor"]),
        (9 * 3600, "cuda", ["rawlabel: the steps will take about 9.0 hours on this GPU"]),
        (
            5 * 86400,
            "cpu",
            [
                "rawlabel: the steps will take about 5.0 days on this processor",
                "rawlabel: what takes minutes on a processor: --recipe transfer, a head on a frozen network; or "
                "fewer epochs, smaller images or a smaller network (--epochs 12, --image-size 112, --model "
                "small_convnet), one of these or all",
            ],
        ),
    ],
)
@pytest.mark.usefixtures("messages_on_stderr")
def test_long_work_says_how_long_and_what_is_short(
    seconds: float, device: str, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    say_expected_time(seconds, TrainConfig(epochs=120), torch.device(device), 3)
    assert capsys.readouterr().err.splitlines() == expected


def test_without_a_holdout_a_run_trains_on_all_images(data: Path, tmp_path: Path) -> None:
    """As the page about the published trainer says."""
    run = fit(tiny(data, outpath=tmp_path / "all", epochs=1, holdout=0, stop="last_epoch"))
    start = json.loads((run.path / "environment.json").read_text())[0]
    assert (start["training_images"], start["holdout_images"]) == (120, 0)

"""Run loggers repeat `log.json`, each epoch once, and a run never depends on them."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto import wandb_internal_pb2

import rawlabel.training.loggers as package
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Timing
from rawlabel.errors import ConfigError
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.training.run_logger import scalars
from rawlabel.training.stage import train
from tests.helpers.runs import Crash, crashing_after
from tests.helpers.tiny_training import tiny

BOTH = ("tensorboard", "wandb")


def of_tensorboard(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by name, as TensorBoard shows them."""
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    return {name: [(one.step, one.value) for one in events.Scalars(name)] for name in events.Tags()["scalars"]}


def of_wandb(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by name, as `wandb sync` would send them."""
    values: dict[str, list[tuple[int, float]]] = {}
    for path in sorted((run / "wandb").glob("offline-run-*/*.wandb")):
        for data in log_records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            for item in record.history.item:
                name = item.key or "/".join(item.nested_key)
                values.setdefault(name, []).append((record.history.step.num, float(json.loads(item.value_json))))
    return values


def log_records(content: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, behind W&B's own header of 7 bytes."""
    place, data, block = 7, b"", 32768
    while place + 7 <= len(content):
        if block - place % block < 7:
            place += block - place % block
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        data = (data if kind in (3, 4) else b"") + content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield data


def test_what_was_measured_on_clean_labels_is_marked() -> None:
    entry = {
        "epoch": 3, "lr": 0.1, "train": {"acc1": 50.0, "loss": 1.5}, "holdout": {}, "selected_epoch": 2,
        "signals": {"decays_left": 1, "alignment_mean": None}, "test": {"acc1": 60.0}, "subset": {"acc1": None},
    }  # fmt: skip
    assert scalars(entry, Timing(epoch=3, images_per_second=12.5)) == {
        "lr": 0.1, "train/acc1": 50, "train/loss": 1.5, "selected_epoch": 2, "signals/decays_left": 1,
        "test_for_people/acc1": 60, "speed/images_per_second": 12.5,
    }  # fmt: skip


@pytest.mark.integration
@pytest.mark.usefixtures("messages_on_stderr")
def test_loggers_show_each_epoch_once_and_change_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    # How long its process may take to start, which has to wait for a core at times.
    monkeypatch.setenv("WANDB__SERVICE_WAIT", "240")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "240")
    silent = train(tiny(data, outpath=tmp_path / "silent"), make_epoch_evaluator)
    config = tiny(data, outpath=tmp_path / "run", logger=BOTH)
    with pytest.raises(Crash):
        train(config, crashing_after(2))
    # W&B names the folder of a start by the second.
    time.sleep(1.1)
    # As if the process had been killed after TensorBoard had epochs and before that was noted.
    (tmp_path / "run" / "loggers.json").write_text(json.dumps({"wandb": 1}))
    with (tmp_path / "run" / "timing.jsonl").open("a") as stream:
        stream.write('{"epoch": 2, "train_sec')
    run = train(config, make_epoch_evaluator)
    assert run.log_path.read_bytes() == silent.log_path.read_bytes()
    assert json.loads((run.path / "loggers.json").read_text()) == {"tensorboard": 3, "wandb": 3}
    for shown in (of_tensorboard(run.path), of_wandb(run.path)):
        for name, place in (("train/acc1", "train"), ("test_for_people/acc1", "test")):
            expected = [(one["epoch"], pytest.approx(one[place]["acc1"], rel=1e-5)) for one in run.log()]
            assert shown[name] == expected
        assert [step for step, _ in shown["lr"]] == [0, 1, 2, 3]
        assert all(value > 0 for _, value in shown["speed/images_per_second"])
        assert not any(name.startswith("test/") for name in shown)
    assert "failed" not in capsys.readouterr().err
    assert len((run.path / "wandb" / "run-id.txt").read_text()) == 8


FAILING = '''
from rawlabel.training.run_logger import RunLogger
class Failing(RunLogger):
    """A logger for a test, which fails."""
    package = "{package}"
    def start(self, config, run_path, first_epoch):
        {start}
    def epoch(self, epoch, scalars):
        {epoch}
    def flush(self):
        {flush}
    def close(self):
        {close}
PLUGIN = Failing
'''


@pytest.mark.integration
@pytest.mark.parametrize("method", ["start", "epoch", "flush", "close"])
@pytest.mark.usefixtures("messages_on_stderr")
def test_a_logger_that_fails_is_reported_once_and_the_run_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    name = f"failing_{method}"
    body = {"package": "json"} | dict.fromkeys(("start", "epoch", "flush", "close"), "pass")
    (tmp_path / f"{name}.py").write_text(FAILING.format(**body | {method: "raise Exception('no\\nroom')"}))
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    run = train(tiny(data, outpath=tmp_path / "run", epochs=3, logger=(name, "tensorboard")))
    assert [one["epoch"] for one in run.log()] == [0, 1, 2]
    assert capsys.readouterr().err.count(f"--logger {name}: failed (Exception: no room); training goes on") == 1
    assert [step for step, _ in of_tensorboard(run.path)["lr"]] == [0, 1, 2]


def test_a_package_that_is_missing_is_named_before_anything_starts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"package": "absent_package"} | dict.fromkeys(("start", "epoch", "flush", "close"), "pass")
    (tmp_path / "lonely.py").write_text(FAILING.format(**body))
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    with pytest.raises(ConfigError) as caught:
        train(tiny(data, outpath=tmp_path / "run", logger=("lonely",)))
    assert str(caught.value) == (
        "--logger lonely: the package absent_package is not installed; run `pip install 'rawlabel[lonely]'`"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": "k"}, "offline"),
        ({"WANDB_MODE": "online"}, "offline"),
        ({"WANDB_MODE": "online", "WANDB_API_KEY": "k"}, "online"),
        ({"WANDB_MODE": "disabled"}, "disabled"),
    ],
)
def test_nothing_is_sent_unless_it_is_asked_for(environment: dict[str, str], mode: str) -> None:
    from rawlabel.training.loggers.wandb import _mode

    assert _mode(environment) == mode


def test_a_misspelt_logger_suggests_the_right_one(data: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no logger is called 'tensorbord'; did you mean 'tensorboard'"):
        train(tiny(data, outpath=tmp_path / "run", logger=("tensorbord",)))
    assert not RunDirectory(tmp_path / "run").path.exists()

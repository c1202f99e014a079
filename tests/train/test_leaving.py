"""A run that leaves an epoch before its end, asked to or for want of a photo, goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.cli import run as rawlabel
from rawlabel.config import TrainConfig
from rawlabel.images.loader import EpochRandom
from rawlabel.models.checkpoint import load_checkpoint
from rawlabel.models.memory import FittingParts
from rawlabel.training.data import load_training_data
from rawlabel.training.loop import Trainer
from tests.helpers.runs import assert_same_run
from tests.helpers.tiny_training import make_class_folders, tiny

pytestmark = pytest.mark.integration


def run_of(config: TrainConfig) -> tuple[RunDirectory, Callable[[], int]]:
    """The run directory of `config`, and what starts its command or goes on with it."""
    assert config.outpath is not None
    file = config.outpath.with_suffix(".json")
    file.write_text(json.dumps(config.as_json()))
    return RunDirectory(config.outpath), lambda: rawlabel(["train", "--config", str(file)])


def calling(patch: pytest.MonkeyPatch, owner: Any, name: str, number: int, act: Callable[[], object]) -> list[int]:
    """Have `act` called before call `number` (from 0) of a method; the list grows with each call."""
    method, calls = getattr(owner, name), []

    def wrapped(*given: Any) -> Any:
        if len(calls) == number:
            act()
        calls.append(1)
        return method(*given)

    patch.setattr(owner, name, wrapped)
    return calls


def test_a_stop_while_an_epoch_is_measured_waits_for_one_batch(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whichever it is: all is measured again, from a checkpoint behind the last step, with the same result."""
    changes: dict[str, Any] = {
        "epochs": 2, "batch_size": 32, "track_weights": "change", "compute_jacobian": True,
        "train_accuracy": ["probe", "augmented"],
    }  # fmt: skip
    undisturbed, start = run_of(tiny(data, outpath=tmp_path / "undisturbed", **changes))
    with pytest.MonkeyPatch.context() as patch:
        calls = calling(patch, FittingParts, "__call__", -1, lambda: None)
        assert start() == 0
    an_epoch = len(calls) // 2
    assert an_epoch == 8, "1 of the probe, 3 of random views, 2 of the Jacobian, holdout, test set"
    run, start = run_of(tiny(data, outpath=tmp_path / "stopped", **changes))
    for batch in range(an_epoch - 1):
        before = len(run.log()) == 0
        number = batch + an_epoch * before  # in the second epoch
        with pytest.MonkeyPatch.context() as patch:
            calls = calling(patch, FittingParts, "__call__", number, lambda: os.kill(os.getpid(), signal.SIGTERM))
            capfd.readouterr()
            assert start() == 143
        assert len(calls) == number + 1, "it measured on"
        assert "rawlabel: stopped; the same command goes on from here\n" in capfd.readouterr().err
        saved = load_checkpoint(run.last_checkpoint)
        assert (saved["epoch"], saved["step"], len(run.log())) == (1, 3, 1)
    assert start() == 0
    assert_same_run(undisturbed, run)


def test_a_stop_at_the_last_step_of_an_epoch_measures_nothing(data: Path, tmp_path: Path) -> None:
    undisturbed, start = run_of(tiny(data, outpath=tmp_path / "undisturbed", epochs=1))
    assert start() == 0
    run, start = run_of(tiny(data, outpath=tmp_path / "stopped", epochs=1))
    with pytest.MonkeyPatch.context() as patch:
        calling(patch, Trainer, "train_step", 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert start() == 143
    assert load_checkpoint(run.last_checkpoint)["step"] == 6
    assert run.log() == []
    assert start() == 0
    assert_same_run(undisturbed, run)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of one's own, as a photo of them gets lost now and then."""
    root = tmp_path_factory.mktemp("photos")
    make_class_folders(root / "candidate", 40, 1)
    make_class_folders(root / "test", 12, 2)
    return root


@pytest.mark.parametrize(
    ("part", "damage", "said", "steps"),
    [
        ("candidate", Path.unlink, "cannot be read (No such file or directory)", 5),
        ("candidate", lambda path: path.write_bytes(b"no image"), "is not an image that can be decoded", 5),
        ("test", Path.unlink, "cannot be read (No such file or directory)", 6),
    ],
)
def test_a_photo_lost_in_the_middle_of_a_run_is_named_and_can_be_put_back(
    part: str, damage: Callable[[Path], object], said: str, steps: int, photos: Path, tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    undisturbed, start = run_of(tiny(photos, outpath=tmp_path / "undisturbed", epochs=2, cache="none"))
    assert start() == 0
    config = tiny(photos, outpath=tmp_path / "run", epochs=2, cache="none")
    run, start = run_of(config)
    train = load_training_data(config).train
    # The last one that the second epoch trains on, or any of the test set.
    last = Path(train.source.where(int(EpochRandom(7, 1, len(train)).order[-1])))
    photo = last if part == "candidate" else photos / "test" / "red" / "003.png"
    whole = photo.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        calling(patch, Trainer, "train_step", 6, lambda: damage(photo))
        capfd.readouterr()
        assert start() == 2
    line = capfd.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"rawlabel: {photo}: {said}; put it back as it was and give the same command")
    saved = load_checkpoint(run.last_checkpoint)
    assert (saved["epoch"], saved["step"]) == (1, steps)
    photo.write_bytes(whole)
    assert start() == 0
    assert_same_run(undisturbed, run)

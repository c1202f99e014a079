"""`rawlabel probe` on a small run: what it measures, what it keeps, and that no choice sees the test set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rawlabel import cli
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import ProbeConfig
from rawlabel.judge.evaluate.frozen_probe import measure_probe
from rawlabel.judge.probe.encoders import make_encoder
from rawlabel.models.networks.building import last_linear
from rawlabel.models.predictor import load_predictor
from rawlabel.training.stage import train
from tests.helpers.backbone import BACKBONE, weights
from tests.helpers.tiny_training import CLASSES, data, tiny

__all__ = ["data", "weights"]

pytestmark = pytest.mark.integration

CLASSIFIERS = ("linear", "nearest_neighbors")


@pytest.fixture(scope="module")
def run(data: Path) -> RunDirectory:
    return train(tiny(data, ema=0.8, inject_noise=0.2, outpath=data / "probed", epochs=3))


def entries(run: RunDirectory) -> list[dict[str, Any]]:
    written = json.loads((run.path / "probe.json").read_text())["probes"]
    assert [one.as_json() for one in Run(run.path).probes] == written
    return written


def probed(run: RunDirectory) -> int:
    """How often a probe looked at test labels, as the run's ledger has it."""
    ledger = run.path / "test-ledger.jsonl"
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return sum(json.loads(line)["by"] == "probe" for line in lines)


def test_the_command_measures_own_and_other_features_and_keeps_both(
    run: RunDirectory, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ["--backbone", BACKBONE, "--weights", str(weights)]
    before = probed(run)
    for arguments in ([], other, []):
        assert cli.run(["probe", str(run.path), "--device", "cpu", *arguments]) == 0
    said = capsys.readouterr().out
    own, file = entries(run)
    assert (own["origin"], own["epoch"]) == ("this run's own", run.summary().selected_epoch)
    assert (file["backbone"], file["origin"], file["weights_file"]) == (BACKBONE, "file", "model.safetensors")
    for one in (own, file):
        assert one["training_images"] + one["holdout_images"] == 120 and one["test"]["images"] == 36
        for classifier in (one["linear"], one["nearest_neighbors"]):
            assert f"test accuracy {classifier['test']['accuracy']:.2f} %" in said
            assert classifier["raw_holdout_accuracy"] == max(accuracy for _, accuracy in classifier["tried"])
    # One class in three by chance; the classes differ in their color.
    assert own["linear"]["test"]["accuracy"] > 60
    assert "no independent peer" in said and "may overlap with what they were trained on" in said
    assert probed(run) == before + 3


def test_test_labels_change_nothing_but_the_test_accuracy(run: RunDirectory, data: Path, tmp_path: Path) -> None:
    for name, other in zip(CLASSES, (*CLASSES[1:], CLASSES[0]), strict=True):
        (tmp_path / "permuted").mkdir(exist_ok=True)
        (tmp_path / "permuted" / name).symlink_to(data / "test" / other, target_is_directory=True)
    found = []
    for test in (data / "test", tmp_path / "permuted"):
        entry = measure_probe(ProbeConfig(run=run.path, test=test, device="cpu"))
        bare = {name: getattr(entry, name).model_copy(update={"test": None}) for name in CLASSIFIERS}
        tests = (getattr(entry, name).test for name in CLASSIFIERS)
        found.append((*tests, entry.model_copy(update={"test": None, **bare})))
    (*right, choices), (*permuted, choices_again) = found
    assert choices == choices_again
    for one, other in zip(right, permuted, strict=True):
        assert other.accuracy < 50 < one.accuracy


def test_own_features_are_those_of_the_network_that_predicts(run: RunDirectory) -> None:
    predictor, _, epoch = load_predictor(run.selected_checkpoint, device="cpu")
    encoder = make_encoder(run, ProbeConfig(run=run.path, device="cpu"))
    maker = encoder.store.maker
    assert encoder.epoch == epoch
    pixels = np.random.default_rng(1).integers(0, 255, (5, 16, 16, 3), dtype=np.uint8)
    views = torch.stack([torch.from_numpy(maker.view(one)) for one in pixels])
    head = last_linear(predictor.method.averaged)
    assert head is not None
    with torch.inference_mode():
        logits = head[1](maker(views))
    tolerance = 1e-4 if predictor.precision == torch.float32 else 5e-2
    torch.testing.assert_close(logits, predictor.classify(views), rtol=tolerance, atol=tolerance)


def test_a_run_without_a_test_set_is_measured_on_the_raw_holdout(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tiny(data, test=None, outpath=data / "untested", epochs=1))
    assert cli.run(["probe", str(run.path), "--device", "cpu"]) == 0
    assert "not measured: the run has no test set" in capsys.readouterr().out
    assert entries(run)[0]["test"] is None and not (run.path / "test-ledger.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--weights", "some.pth"], "--weights some.pth: say with --backbone"),
        (["--backbone", "small_convnet"], "--backbone: timm has no network 'small_convnet'"),
        (["--test", "nowhere"], "nowhere: no such"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run: RunDirectory, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["probe", str(run.path), "--device", "cpu", *arguments]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("rawlabel: ") and complaint in line

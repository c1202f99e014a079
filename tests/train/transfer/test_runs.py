"""Runs of a head on an encoder's features: as any other run, from training to predicting."""

from __future__ import annotations

import io
import json
import math
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.special import softmax

from rawlabel import cli
from rawlabel.artifacts.evidence.label_weights import read_label_weights
from rawlabel.artifacts.review.photo_groups import PhotoGroups
from rawlabel.artifacts.review.responsible_photos import ResponsiblePhotos
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import EvaluateConfig, PredictConfig, ProbeConfig, load_training
from rawlabel.errors import CheckpointError, ConfigError
from rawlabel.images.image_source import NumberedImages
from rawlabel.judge.evaluate.frozen_probe import measure_probe
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.models.calibration import Calibration
from rawlabel.models.classifier import Classifier
from rawlabel.models.predict import predict
from rawlabel.models.predictor import load_predictor
from rawlabel.models.transfer import store
from rawlabel.training import loop
from rawlabel.training.around.fitting import usual_shorter_side
from rawlabel.training.around.holdout import predict_holdout
from rawlabel.training.stage import train
from tests.helpers.backbone import BACKBONE, weights
from tests.helpers.head_runs import settings
from tests.helpers.runs import Crash, assert_same_run, crashing_after
from tests.helpers.tiny_training import data

__all__ = ["data", "weights"]
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def whole(data: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return train(settings(data, weights, tmp_path_factory.mktemp("whole") / "run"), make_epoch_evaluator)


def test_it_learns_and_says_what_it_stands_on(whole: RunDirectory) -> None:
    log = whole.log()
    assert [entry["epoch"] for entry in log] == list(range(6))
    assert log[-1]["test"]["acc1"] > 60  # one class in three by chance; the classes differ in their color
    encoder = whole.read().encoder
    assert encoder is not None
    assert (encoder.name, encoder.origin, encoder.weights_file) == (BACKBONE, "file", "model.safetensors")
    assert encoder.trained_on == "data that are not recorded" and encoder.own_classes == ()
    assert len(whole.training_predictions()) == 6  # type: ignore[arg-type]


def test_each_label_keeps_its_weight_and_reason_and_none_is_changed(whole: RunDirectory, data: Path) -> None:
    table = pq.read_table(whole.path / "label_weights.parquet").to_pydict()
    assert len(table["name"]) == 120 and set(table["part"]) == {"train", "holdout"}
    raw, right = np.array(table["label"]), np.array([name.split("/")[0] for name in table["name"]])
    weight = np.array(table["weight"])
    assert 0.15 < (raw != right).mean() < 0.45
    assert weight[raw == right].mean() > weight[raw != right].mean() + 0.2
    assert (weight[np.array(table["reason"]) == "witnesses_agree"] == 1).all()


@pytest.mark.parametrize("after", [1, 4])
def test_cut_off_anywhere_it_comes_to_the_same(
    after: int, whole: RunDirectory, data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether every epoch has its checkpoint, or none had one yet."""
    monkeypatch.setattr(loop, "SECONDS_OF_HEADS", 0.0 if after == 4 else math.inf)
    config = settings(data, weights, tmp_path / "run")
    with pytest.raises(Crash):
        train(config, crashing_after(after))
    assert len(RunDirectory(tmp_path / "run").log()) == (4 if after == 4 else 0)
    assert_same_run(whole, train(config, make_epoch_evaluator))


def test_killed_while_the_head_is_trained_it_goes_on(
    whole: RunDirectory, data: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    # It ends itself, since one that watches from outside may be late: in the fourth of six epochs of six steps.
    program = (
        "import signal, sys\n"
        "from rawlabel.training import loop\n"
        "from tests.helpers.processes import AtStep\n"
        "loop.SECONDS_OF_HEADS = 0.0\n"
        "AtStep(20, signal.SIGKILL).prepare()\n"
        "from pathlib import Path\n"
        "from rawlabel.judge.evaluate.stage import make_epoch_evaluator\n"
        "from rawlabel.training.stage import train\n"
        "from tests.helpers.head_runs import settings\n"
        "train(settings(*map(Path, sys.argv[1:])), make_epoch_evaluator)\n"
    )
    command = [sys.executable, "-c", program, str(data), str(weights), str(out)]
    assert subprocess.run(command, timeout=600, check=False).returncode == -signal.SIGKILL
    assert RunDirectory(out).last_checkpoint.exists() and len(RunDirectory(out).log()) == 3
    assert not (out / "summary.json").exists()
    assert_same_run(whole, train(settings(data, weights, out), make_epoch_evaluator))


def test_kept_features_and_photos_give_the_same_predictions(
    whole: RunDirectory, data: Path, tmp_path: Path
) -> None:
    # An evaluation is written into the run, which the other tests take as it was trained.
    whole = RunDirectory(Path(shutil.copytree(whole.path, tmp_path / "run")))
    summary = evaluate(EvaluateConfig(run=whole.path))
    files = sorted((data / "test").rglob("*.png"))
    said = {one.path: one.class_id for one in predict(PredictConfig(run=whole.path, images=(str(data / "test"),)))}
    right = sum(said[path] == path.parent.name for path in files)
    assert 100 * right / len(files) == pytest.approx(summary.test.selected.top1.accuracy)
    held = predict_holdout(whole)
    accuracy = 100 * float((held.logits.argmax(axis=1) == held.labels).mean())
    logged = whole.log()[whole.summary().selected_epoch]["holdout"]["acc1"]
    assert accuracy == pytest.approx(logged)
    assert held.features is not None and held.features.shape[0] == len(held.labels)
    probe = measure_probe(ProbeConfig(run=whole.path, device="cpu"))
    assert (probe.backbone, probe.origin) == (BACKBONE, "this run's own")


def test_a_second_training_computes_no_features(
    whole: RunDirectory, data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.FeatureStore, "_made", lambda *_: pytest.fail("computed again"))
    run = train(settings(data, weights, tmp_path / "run", seed=8, method="gce"), make_epoch_evaluator)
    assert run.summary().last_epoch == 5


def test_a_row_of_a_table_is_the_same_training_and_no_calibration(
    whole: RunDirectory, data: Path, weights: Path, tmp_path: Path
) -> None:
    row = train(settings(data, weights, tmp_path / "run"), make_epoch_evaluator, is_for_use=False)
    assert row.log() == whole.log() and (whole.path / "calibration.json").exists()
    assert not (row.path / "calibration.json").exists()


def test_a_run_is_not_used_with_other_weights(data: Path, weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model.safetensors"
    copy.write_bytes(weights.read_bytes())
    run = train(settings(data, copy, tmp_path / "run", epochs=1, weighing="none"))
    changed = bytearray(copy.read_bytes())
    changed[-1] ^= 1
    copy.write_bytes(bytes(changed))
    with pytest.raises(CheckpointError, match="its weights are not those that the run was trained with"):
        load_predictor(run.selected_checkpoint)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"method": "coteaching"}, "--weighing: this --method does not weigh images"),
        (
            {"compute_jacobian": True, "recipe": None},
            "--compute-jacobian: needs a network that is trained on pixels",
        ),
        (
            {"encoder": "efficientnet_lite9", "weights": None},
            "--encoder: timm has no network 'efficientnet_lite9'",
        ),
        ({"stop": "noisy_houldout"}, "did you mean 'noisy_holdout'"),
        ({"holdout": 0}, "nothing is held out"),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_is_computed(
    changes: dict[str, Any], complaint: str, data: Path, weights: Path, tmp_path: Path
) -> None:
    config = settings(data, weights, tmp_path / "run")
    with pytest.raises(Exception, match=complaint) as caught:
        train(config.model_copy(update=changes))
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2  # type: ignore[attr-defined]
    assert not (tmp_path / "run" / "log.json").exists()


def test_the_command_takes_the_recipe_by_itself(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--encoder", BACKBONE, "--weights", weights, "--epochs", "2", "--seed", "1", "--device", "cpu"]
    arguments = ["train", "--root", data, "--outpath", tmp_path / "run", *flags]
    assert cli.run([str(word) for word in arguments]) == 0
    assert RunDirectory(tmp_path / "run").read().config.recipe == "transfer"
    assert "head: method=" in capsys.readouterr().err
    assert cli.run([str(word) for word in (*arguments, "--test", "test", "--evaluate")]) == 0
    shown = capsys.readouterr()
    assert "Acc@1" in shown.out and f"next: rawlabel evaluate {tmp_path / 'run'}" in shown.out + shown.err


@pytest.mark.parametrize("method", ["sop", "coteaching"])
def test_a_method_that_does_not_weigh_is_trained_without_the_weighing_that_nobody_asked_for(
    method: str, data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--encoder", BACKBONE, "--weights", weights, "--epochs", "2", "--device", "cpu", "--method", method]
    arguments = [str(word) for word in ("train", "--root", data, "--outpath", tmp_path / "run", *flags)]
    assert cli.run([*arguments, "--weighing", "soft"]) == 2
    assert "--weighing: this --method does not weigh images" in capsys.readouterr().err
    assert cli.run(arguments) == 0
    assert f"--method {method} does not weigh photos, so the recipe's" in capsys.readouterr().err
    assert RunDirectory(tmp_path / "run").read().config.weighing == "none"


def test_by_default_views_fit_the_images_and_the_run_names_them(data: Path, tmp_path: Path) -> None:
    """Small images are enlarged seven times, whatever else lies beside them; the same command is the same run."""
    config = load_training(None, {"recipe": "transfer", "root": data, "main": "candidate", "epochs": 1,
                                  "choose": "off", "weighing": "none", "device": "cpu"})  # fmt: skip
    run = train(config)
    noted = run.read()
    assert noted.encoder is not None
    assert noted.config.encoder == "efficientnet_lite0@256" and noted.encoder.name == noted.config.encoder
    assert train(config).path == run.path


def test_the_usual_side_is_told_by_headers_and_arrays_alike() -> None:
    def file(kind: str, *size: int) -> np.ndarray:
        stream = io.BytesIO()
        Image.new("RGB", size).save(stream, kind)
        return np.frombuffer(stream.getvalue(), np.uint8)

    array, damaged = np.zeros((50, 60, 3), np.uint8), file("WEBP", 9, 9)[:20]
    stored = [file("PNG", 900, 30), file("JPEG", 40, 500), array, damaged]

    class Stored(NumberedImages):
        def __len__(self) -> int:
            return len(stored)

        def read(self, index: int) -> np.ndarray:
            return stored[index]

    assert usual_shorter_side(Stored()) == 40  # the damaged one says nothing
    del stored[:3]
    assert usual_shorter_side(Stored()) == math.inf


def test_methods_that_mix_heed_weights_too(data: Path, weights: Path, tmp_path: Path) -> None:
    for name, option in (("mixed", "mixup=0.4"), ("squares", "loss=l2")):
        run = train(settings(data, weights, tmp_path / name, epochs=2, method_option=(option,)))
        assert run.summary().last_epoch == 1
    with pytest.raises(ConfigError, match="makes strong views"):
        train(settings(data, weights, tmp_path / "gjs", method="gjs", weighing="none"))


def test_none_of_these_where_asked_and_probabilities_of_raw_labels(
    whole: RunDirectory, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = json.loads((whole.path / "calibration.json").read_text())
    assert saved["holdout_images"] == len(predict_holdout(whole).labels) and "raw labels" in saved["fitted_to"]
    photo = str(next((data / "test").rglob("*.png")))
    plain = predict_holdout(whole).logits / saved["temperature"]
    assert Calibration.read(whole.path).probabilities(plain * saved["temperature"]) == pytest.approx(  # type: ignore[union-attr]
        softmax(plain.astype(float), axis=1), abs=1e-5
    )
    copy = tmp_path / "copy"
    shutil.copytree(whole.path, copy)
    # As if every class lay within a hair of its middle: whatever is shown is none of them.
    saved["none_of_these"]["limits"] = [1.1] * 3
    (copy / "calibration.json").write_text(json.dumps(saved))
    assert cli.run(["predict", str(copy), photo]) == 0
    assert "none of these" not in capsys.readouterr().out
    assert cli.run(["predict", str(copy), photo, "--none-of-these", "--top", "3"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 1 and rows[0].split("\t")[1] == "none of these" and 0 < float(rows[0].split("\t")[2]) <= 1
    (copy / "calibration.json").unlink()
    assert cli.run(["predict", str(copy), photo, "--none-of-these"]) == 2
    assert "has no calibration.json; train with --recipe transfer" in capsys.readouterr().err


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_run_finds_the_file_of_its_encoder_from_anywhere(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_moved: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = tmp_path / "before"
    shutil.copytree(data, before / "photos")
    shutil.copy(weights, before / "encoder.safetensors")
    monkeypatch.chdir(before)
    train(settings(Path("photos"), Path("encoder.safetensors"), Path("run"), epochs=1))
    after = before.rename(tmp_path / "after") if is_moved else before
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    photo = next((after / "photos" / "test").rglob("*.png"))
    for command in (["predict", str(after / "run"), str(photo)], ["evaluate", str(after / "run")]):
        assert cli.run(command) == 0, capsys.readouterr().err
    (after / "encoder.safetensors").unlink()
    capsys.readouterr()
    assert cli.run(["predict", str(after / "run"), str(photo)]) == 2
    said = capsys.readouterr().err.strip()
    assert said.endswith("encoder.safetensors, and that file is not there; put it back") and "\n" not in said


def test_labels_of_a_head_are_suspected_by_agreement(
    whole: RunDirectory, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["labels", str(whole.path), "--device", "cpu", "--out", str(tmp_path)]) == 0
    rows = pq.read_table(tmp_path / "suspicion.parquet").to_pylist()
    assert len(rows) == 120 and {row["basis"] for row in rows} == {"agreement"}
    # The report puts what a label counted beside its suspicion.
    counted = read_label_weights(whole.path, [row["photo"] for row in rows])
    assert counted is not None and set(counted.of) == {row["photo"] for row in rows}
    is_wrong = [row["photo"].split("/")[0] != row["label"] for row in rows]
    assert np.mean(is_wrong[: sum(is_wrong)]) > 0.7
    groups = PhotoGroups.read(tmp_path)
    assert groups is not None and groups.photos == 120
    assert f"{groups.suspected} of 120 photos are in the upper half" in capsys.readouterr().out
    named = [name for one in groups.groups for name in one.photos]
    assert len(set(named)) == len(named) == groups.suspected - groups.scattered


def test_an_evaluation_names_the_training_photos_nearest_to_each_confusion(
    data: Path, weights: Path, tmp_path: Path
) -> None:
    run = train(settings(data, weights, tmp_path / "run", inject_noise=0.6, weighing="none"))
    evaluate(EvaluateConfig(run=run.path, test=data / "test"))
    found = ResponsiblePhotos.read(run.path)
    rows = pq.read_table(run.path / "predictions.parquet").to_pylist()
    assert found is not None and found.confusions
    labels = {row["name"]: row["label"] for row in pq.read_table(run.samples_path).to_pylist()}
    for one in found.confusions:
        confused = [row["file"] for row in rows if (row["true_class"], row["predicted_class"]) == (
            one.true_class, one.predicted_class)]  # fmt: skip
        assert sorted(one.test_photos) == sorted(confused)
        assert {labels[near.photo] for near in one.training_photos} == {one.predicted_class}
        assert one.training_photos[0].test_photos == max(near.test_photos for near in one.training_photos)


def test_a_head_on_two_encoders_side_by_side_trains_and_predicts(data: Path, tmp_path: Path) -> None:
    both = "efficientnet_lite0@48+efficientnet_lite0@32"
    alone = settings(data, data, tmp_path / "run", encoder=both, weighing="none", epochs=3)
    run = train(alone.model_copy(update={"weights": None}), make_epoch_evaluator)
    encoder = run.read().encoder
    assert encoder is not None and (encoder.name, encoder.features) == (both, 2560)
    photos = sorted((data / "test").rglob("*.png"))[:6]
    said = [one[0].class_id for one in Classifier.load(run.path).predict([str(one) for one in photos])]
    logits = load_predictor(run.selected_checkpoint)[0].logits([np.asarray(Image.open(one)) for one in photos])
    assert said == [Classifier.load(run.path).class_ids[row] for row in logits.argmax(axis=1)]

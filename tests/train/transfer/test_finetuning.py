"""Fine-tuning after the head: what learns at which rate, which weights stay, and that a kill changes nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import EvaluateConfig, PredictConfig, TrainConfig, load_training
from rawlabel.images.image_source import ImageFiles, LabeledImages
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.models.checkpoint import load_weights
from rawlabel.models.encoder import load_encoder
from rawlabel.models.portable.model import portable_model
from rawlabel.models.predict import predict
from rawlabel.models.predictor import Predictor, load_predictor
from rawlabel.models.transfer.head import FeatureHead
from rawlabel.models.transfer.whole import mixed, rate_scales, whole_network
from rawlabel.training import stage
from rawlabel.training.around import finetuning
from rawlabel.training.around.finetuning import choose_weights
from rawlabel.training.around.holdout import data_of_run
from rawlabel.training.stage import train
from tests.helpers.backbone import BACKBONE, weights
from tests.helpers.runs import Crash, assert_same_run, crashing_after
from tests.helpers.tiny_training import data

__all__ = ["data", "weights"]
pytestmark = pytest.mark.integration
HEAD_EPOCHS, EPOCHS = 40, 2
HEADS = ("weighing=soft weighing_rounds=1 weight_decay=0.03",)


def settings(data: Path, weights: Path, out: Path, **changes: Any) -> TrainConfig:
    """The recipe, with an encoder and a head that take a blink."""
    flags = {
        "recipe": "finetune", "root": data, "main": "candidate", "test": "test", "outpath": out,
        "encoder": BACKBONE, "weights": weights, "epochs": EPOCHS, "batch_size": 16, "holdout": 0.2, "seed": 7,
        "device": "cpu", "inject_noise": 0.3, "candidate": HEADS, "lr": 1e-3, "progressive_from": 96,
        "stop_option": (), "train_size": 48, "keep_predictions": False,
    }  # fmt: skip
    return load_training(None, flags | changes)


@pytest.fixture(scope="module")
def whole(data: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return train(settings(data, weights, tmp_path_factory.mktemp("whole") / "run"), make_epoch_evaluator)


def test_head_first_then_all_layers_but_the_statistics_of_batch_norm(whole: RunDirectory, weights: Path) -> None:
    frozen = RunDirectory(whole.path / "frozen")
    head, tuned = frozen.read().config, whole.read().config
    assert (head.recipe, head.epochs, head.opt, head.progressive_from, head.finetune) == (
        "transfer", HEAD_EPOCHS, "sgd", 0, False)  # fmt: skip
    assert (tuned.weighing, tuned.weight_decay, tuned.image_size) == ("soft", 1e-5, 160)
    assert len(frozen.log()) == HEAD_EPOCHS and len(whole.log()) == EPOCHS
    before = load_encoder(BACKBONE, weights).network.state_dict()
    after = load_weights(whole.selected_checkpoint.with_name("fine_tuned.safetensors"))["method"]
    changed = {key: not torch.equal(one, after[f"network.encoder.{key}"]) for key, one in before.items()}
    statistics = {key for key in changed if key.rpartition(".")[2] in ("running_mean", "running_var")}
    assert statistics and not any(changed[key] for key in statistics)
    assert all(one for key, one in changed.items() if key.endswith("conv1.weight"))
    encoder = whole.read().encoder
    assert encoder is not None and "fine-tuned from the network" in encoder.describe()


@pytest.mark.parametrize("part", ["", "frozen"])
def test_it_goes_on_by_the_settings_that_it_keeps(whole: RunDirectory, part: str) -> None:
    """Its head was chosen with rounds of its own, which are not those of other heads."""
    own = load_training(whole.path / part / "config.json", {})
    assert own.weighing_rounds == 3
    assert train(own).path == whole.path / part


def test_rates_fall_with_the_depth_below_the_head(weights: Path) -> None:
    encoder = load_encoder(BACKBONE, weights)
    network = whole_network(encoder, FeatureHead(encoder.num_features, 3))
    scales = rate_scales(network, 0.5)
    assert set(scales) == set(network.parameters())
    assert {scales[one] for one in network.head.parameters()} == {1.0}
    below = [scales[one] for one in network.encoder.parameters()]
    assert below == sorted(below) and below[0] < 0.1 and below[-1] == 0.5
    assert sum(one == 0.5 for one in below) == 12
    both = load_encoder("efficientnet_lite0@32+efficientnet_lite0@48")
    beside = whole_network(both, FeatureHead(both.num_features, 3))
    first, second = (list(part.parameters()) for part in beside.encoder.parts)  # type: ignore[union-attr]
    side = rate_scales(beside, 0.5)
    assert [side[one] for one in first] == [side[one] for one in second]


def test_the_mean_of_two_networks_lies_between_them_and_memories_stay(weights: Path) -> None:
    encoder = load_encoder(BACKBONE, weights)
    method = torch.nn.ModuleDict({"network": whole_network(encoder, FeatureHead(encoder.num_features, 3))})
    method.register_buffer("memory", torch.zeros(2))
    frozen = {key: one.clone() for key, one in method.state_dict().items()}
    tuned = {key: one + 1 if one.is_floating_point() else one for key, one in frozen.items()}
    between = mixed(method, frozen, tuned, 0.5)
    assert all(torch.allclose(between[key], frozen[key] + 0.5) for key in frozen if key.endswith("conv1.weight"))
    assert between["memory"].tolist() == [1, 1]
    ends = [mixed(method, frozen, tuned, share) for share in (0.0, 1.0)]
    assert all(torch.equal(ends[1][key], one) for key, one in tuned.items())
    assert all(torch.equal(ends[0][key], one) for key, one in frozen.items() if key != "memory")


def test_raw_labels_choose_the_weights(whole: RunDirectory, data: Path, tmp_path: Path) -> None:
    choice = whole.read().weights_choice
    assert choice is not None and list(choice.candidates) == ["frozen", "averaged", "fine-tuned"]
    losses = {name: one.loss for name, one in choice.candidates.items()}
    assert losses[choice.chosen] == min(losses.values())  # type: ignore[type-var]
    run = RunDirectory(Path(shutil.copytree(whole.path, tmp_path / "run")))
    measured = evaluate(EvaluateConfig(run=run.path)).test
    assert measured is not None and measured.oracle is not None
    kept = choice.candidates[choice.chosen].test_accuracy
    assert measured.selected.top1.accuracy == pytest.approx(kept)
    assert measured.oracle.top1.accuracy >= measured.selected.top1.accuracy
    photos = sorted((data / "test").rglob("*.png"))
    said = {one.path: one.class_id for one in predict(PredictConfig(run=run.path, images=(str(data / "test"),)))}
    assert 100 * np.mean([said[one] == one.parent.name for one in photos]) == pytest.approx(kept)
    # What is exported is the encoder as other programs know it, with the head behind it.
    model = portable_model(run, {}, lambda _: {})
    predictor = load_predictor(run.selected_checkpoint, device="cpu", precision="fp32")[0]
    pixels = [np.asarray(Image.open(photos[0]))]
    views = predictor.normalizer(torch.from_numpy(predictor.transform.evaluation_view(pixels[0]))[None])
    ours = predictor.logits(pixels)[0] / model.temperature
    assert model.network.answer(views)[0].numpy() == pytest.approx(ours, abs=1e-3)
    assert model.record.architecture.is_timm_trunk and model.record.preprocessing.image_size == 160


@pytest.mark.parametrize(
    ("last_epoch", "oracle", "below"),
    [(85.0, "90.00 % (averaged weights)", 4.0), (95.0, "95.00 % (epoch 1)", 9.0)],
)
def test_the_oracle_is_the_best_of_all_epochs_and_of_the_weights_that_were_to_choose(
    whole: RunDirectory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    last_epoch: float,
    oracle: str,
    below: float,
) -> None:
    """And a choice that was wrong costs what the best of the three has more."""
    run = RunDirectory(Path(shutil.copytree(whole.path, tmp_path / "run")))
    log = json.loads((run.path / "log.json").read_text())
    for entry, accuracy in zip(log, (70.0, last_epoch), strict=True):
        entry["test"]["acc1"] = accuracy
    (run.path / "log.json").write_text(json.dumps(log))
    scores = {"frozen": 80.0, "averaged": 90.0, "fine-tuned": 86.0}
    told = json.loads((run.path / "weights_choice.json").read_text()) | {"chosen": "fine-tuned"}
    for name, accuracy in scores.items():
        told["candidates"][name]["test_accuracy"] = accuracy
    (run.path / "weights_choice.json").write_text(json.dumps(told))
    file = tmp_path / "rules.json"
    assert cli.run(["compare-rules", str(run.path), "--rule", "noisy_holdout", "--out", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()[:-1]
    assert lines[1].endswith(f": {oracle}")
    kept = lines.index("  weights kept by raw labels: fine-tuned")
    assert lines[kept + 1] == f"  below the oracle {below:8.2f} ± ? (one run)"
    always = "always frozen 10.00, always averaged 0.00, always fine-tuned 4.00"
    assert f"4.00 ± ? (one run); {always}" in lines[kept + 2]
    written = json.loads(file.read_text())[0]["weights"]
    assert (written["regrets"], written["mean_cost"]) == ([below], 4.0)
    assert cli.run(["compare-rules", str(run.path), "--rule", "noisy_holdout", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["weights"] == written
    assert cli.run(["evaluate", str(run.path)]) == 0
    what = oracle.partition("(")[2].removesuffix(")").replace("epoch 1", "epoch   1")
    assert (
        f"  {what} (oracle: best on this test set, which nobody could have chosen): top-1"
        in capsys.readouterr().out
    )


def test_what_choosing_its_head_cost_is_measured_and_told(
    whole: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By an evaluation of the run, or by one of the run that chose the head."""
    run = RunDirectory(Path(shutil.copytree(whole.path, tmp_path / "run")))
    compare = ["compare-rules", str(run.path), "--rule", "last_epoch"]
    assert cli.run(compare) == 0
    missing = f"{run.path}: not yet measured; `rawlabel evaluate {run.path}` measures it; chosen {HEADS[0]}"
    assert f"  {missing}" in capsys.readouterr().out.splitlines()
    told = []
    for evaluated in (run, RunDirectory(run.path / "frozen")):
        assert cli.run(["evaluate", str(evaluated.path)]) == 0
        test = evaluated.summary().test
        assert test is not None and test.choice is not None
        cost = test.choice
        assert f"head: the chosen one has {cost.describe()}" in capsys.readouterr().out
        assert cli.run(compare) == 0
        line = f"  {run.path}: 0.00; chosen {HEADS[0]} ({cost.chosen.accuracy:.2f} %), oracle"
        assert any(one.startswith(line) for one in capsys.readouterr().out.splitlines())
        told.append(cost)
        shutil.copy(whole.path / "summary.json", run.path / "summary.json")
    assert told[0] == told[1]


@pytest.mark.parametrize(("option", "kept"), [((), "averaged"), (("balanced=never",), "frozen")])
def test_where_classes_are_uneven_weights_that_forget_the_small_ones_are_not_kept(
    whole: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...], kept: str
) -> None:
    run = RunDirectory(Path(shutil.copytree(whole.path, tmp_path / "run")))
    data = data_of_run(run)
    labels = np.repeat([0, 1, 2], [280, 30, 5])
    held = np.repeat([0, 1, 2], [28, 3, 1])
    uneven = replace(
        data,
        train=LabeledImages(ImageFiles([""] * len(labels)), labels),
        holdout=LabeledImages(ImageFiles([""] * len(held)), held),
    )
    forgets, knows = np.zeros(len(held), int), held.copy()
    knows[:10] = 1  # of the large class, which alone it mistakes
    answers = iter([8.0 * np.eye(3)[one] for one in (forgets, knows, forgets)])
    monkeypatch.setattr(finetuning, "images_to_measure", lambda *_: None)
    monkeypatch.setattr(Predictor, "logits", lambda *_: next(answers))
    config = whole.read().config.model_copy(update={"stop_option": option})
    choice = choose_weights(config, uneven, run, None)
    assert (choice.chosen, choice.is_balanced) == (kept, not option)
    assert RunDirectory(run.path).read().weights_choice == choice
    assert ("held-out raw labels, every class counting the same; right of" in choice.describe()) is (not option)
    accuracy = {name: one.accuracy for name, one in choice.candidates.items()}
    assert accuracy["frozen"] == pytest.approx(87.5 if option else 100 / 3)


def test_no_clean_label_has_a_part_in_the_choice(whole: RunDirectory, tmp_path: Path) -> None:
    run = RunDirectory(Path(shutil.copytree(whole.path, tmp_path / "run")))
    settled, kept = run.read(), run.selected_checkpoint.read_bytes()
    assert settled.weights_choice is not None
    chosen = settled.weights_choice.chosen
    lies = iter([0.0 if name == chosen else 100.0 for name in settled.weights_choice.candidates])

    def liar(_: Predictor) -> Any:
        return {"test": {"acc1": next(lies), "acc5": 100.0}}

    for evaluator in (None, liar):
        choice = choose_weights(settled.config, data_of_run(run), run, evaluator)
        assert choice.chosen == chosen and run.selected_checkpoint.read_bytes() == kept
    assert next(lies, None) is None and choice.candidates[chosen].test_accuracy == 0


@pytest.mark.parametrize("after", [1, None])
def test_cut_off_anywhere_it_comes_to_the_same(
    after: int | None,
    whole: RunDirectory,
    data: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While all layers are trained, and once the chosen weights have the name of the selected ones."""
    config = settings(data, weights, tmp_path / "run")
    # The head is that of the other run, which has its own tests.
    shutil.copytree(whole.path / "frozen", tmp_path / "run" / "frozen")
    shutil.copy(whole.path / "config.json", tmp_path / "run" / "config.json")
    calibrate = stage.calibrate

    def crash(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(stage, "calibrate", crash if after is None else calibrate)
        train(config, make_epoch_evaluator if after is None else crashing_after(after))
    assert not (tmp_path / "run" / "summary.json").exists()
    run = train(config, make_epoch_evaluator)
    assert_same_run(whole, run)
    assert run.read().weights_choice == whole.read().weights_choice


def test_its_time_is_told_before_the_start_and_what_does_not_go_is_one_line(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--recipe", "finetune", "--encoder", BACKBONE, "--weights", weights, "--outpath", tmp_path / "run"]
    base = ["train", "--root", data, "--device", "cpu", *flags]
    for more, complaint in (
        (["--refit"], "--refit: does not go with --finetune"),
        (["--image-size", "64"], "--image-size: is about a network that is trained on pixels"),
        (["--stop", "noisy_houldout"], "did you mean 'noisy_holdout'"),
        (["--progressive-from", "8", "--holdout", "0"], "nothing is held out"),
    ):
        assert cli.run([str(word) for word in (*base, *more)]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert complaint in said[-1] and not any("will take about" in line for line in said)
    heedless = ["--method", "coteaching", "--weighing", "soft"]
    assert cli.run([str(word) for word in (*base, "--epochs", "1", "--seed", "1", *heedless)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert f"fine-tuning {BACKBONE} will take about" in said[1] and "this processor" in said[1]

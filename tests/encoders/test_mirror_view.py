"""Photo and mirror image as one view of an encoder of any family: which features, which names, and which runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rawlabel as rl
from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import EvaluateConfig, PredictConfig, load_training
from rawlabel.errors import ConfigError
from rawlabel.images.image_source import ImageArray
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.models.encoder import Encoder, fitted_encoder, load_encoder
from rawlabel.models.predict import predict
from rawlabel.models.transfer.encoded_views import stored_features
from rawlabel.models.transfer.encoding import Encoding
from rawlabel.training.stage import train
from tests.helpers.backbone import BACKBONE
from tests.helpers.runs import Crash, assert_same_run, crashing_after
from tests.helpers.tiny_training import data

__all__ = ["data"]
CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
MIRRORED = np.ascontiguousarray(PIXELS[:, :, ::-1])


def features_of(encoder: Encoder, pixels: np.ndarray) -> np.ndarray:
    encoding = Encoding(encoder, CPU, torch.float32)
    return encoding(torch.from_numpy(np.stack([encoding.view(one) for one in pixels]))).numpy()


@pytest.fixture(params=["efficientnet_lite", "joined", "timm", "torchvision", "open_clip"])
def named(request: pytest.FixtureRequest, weights: Path, tmp_path: Path) -> Callable[[str], Encoder]:
    """An encoder of each family, by what is added to its name."""
    torch.manual_seed(0)
    if request.param == "torchvision":
        from torchvision import models

        torch.save(models.shufflenet_v2_x0_5(weights=None).state_dict(), tmp_path / "model.pth")
        return lambda added: load_encoder(f"torchvision/shufflenet_v2_x0_5{added}", tmp_path / "model.pth")
    if request.param == "open_clip":
        open_clip = pytest.importorskip("open_clip")
        torch.save(open_clip.create_model("ViT-S-32").state_dict(), tmp_path / "clip.pth")
        return lambda added: load_encoder(f"open_clip/ViT-S-32{added}", tmp_path / "clip.pth")
    if request.param == "timm":
        return lambda added: load_encoder(f"{BACKBONE}{added}", weights)
    name = "efficientnet_lite0@64" + ("+efficientnet_lite0@32" if request.param == "joined" else "")
    return lambda added: load_encoder(name + added)


def test_features_are_the_mean_of_those_of_photo_and_mirror_image(named: Callable[[str], Encoder]) -> None:
    plain, both = named(""), named("+mirror")
    photos, mirrored, found, turned = (
        features_of(one, pixels) for one in (plain, both) for pixels in (PIXELS, MIRRORED)
    )
    differs = np.abs(photos - mirrored).max()
    assert np.abs(found - (photos + mirrored) / 2).max() < differs / 50
    assert np.abs(found - turned).max() < differs / 50
    assert both.name == plain.name + "+mirror"
    assert both.record() == plain.record().model_copy(update={"name": both.name})


def test_an_image_and_its_mirror_image_are_the_same_to_the_bit() -> None:
    encoder = load_encoder("efficientnet_lite0@64+mirror")
    np.testing.assert_array_equal(features_of(encoder, PIXELS), features_of(encoder, MIRRORED))


def test_they_are_kept_apart_from_those_of_the_photo_alone(tmp_path: Path) -> None:
    images = ImageArray(PIXELS, "array")
    found = {}
    for name in ("efficientnet_lite0@64", "efficientnet_lite0@64+mirror"):
        found[name] = stored_features(tmp_path, load_encoder(name), CPU, "fp32").features(images, "photos").numpy()
    plain, both = found.values()
    assert not np.allclose(plain, both, atol=1e-3)
    assert len([one for one in tmp_path.iterdir() if one.is_dir()]) == 2
    # What is there is found again by each.
    for name, one in found.items():
        again = stored_features(tmp_path, load_encoder(name), CPU, "fp32").features(images, "photos").numpy()
        np.testing.assert_array_equal(again, one)


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("efficientnet_lite0@fit+mirror", "efficientnet_lite0@224+mirror"),
        ("efficientnet_lite0@fit+timm/resnet18+mirror", "efficientnet_lite0@224+timm/resnet18+mirror"),
        ("efficientnet_lite0@96+mirror", "efficientnet_lite0@96+mirror"),
    ],
)
def test_views_that_fit_are_mirrored_as_well(name: str, fitting: str) -> None:
    assert fitted_encoder(name, lambda: 32) == fitting


@pytest.mark.parametrize(
    "name",
    [
        "mirror", "+mirror", "mirror+efficientnet_lite0", "efficientnet_lite0+mirror+mirror",
        "efficientnet_lite0+mirror+efficientnet_lite1", "efficientnet_lite0+mirror@288",
        "efficientnet_lite0 + mirror",
    ],
)  # fmt: skip
def test_a_mirror_that_stands_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"\+mirror is no encoder; name it once, behind the encoder") as caught:
        load_encoder(name)
    assert "\n" not in str(caught.value)


def test_what_is_wrong_with_the_encoder_before_it_is_said_as_ever() -> None:
    for name, complaint in (
        ("resnet5O", "no network 'resnet5O'; did you"),
        ("efficientnet_lite0@9", "'9' is no side"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            load_encoder(f"{name}+mirror")


def test_fine_tuning_refuses_it_before_anything_is_read() -> None:
    with pytest.raises(ConfigError, match=r"mirrored by chance already; leave \+mirror out .* --recipe transfer"):
        load_training(None, {"recipe": "finetune", "encoder": "efficientnet_lite0@fit+mirror"})


def settings(data: Path, weights: Path, out: Path) -> dict[str, Any]:
    """The recipe with an encoder that takes a blink, whose views are mirrored."""
    return {
        "recipe": "transfer", "root": data, "main": "candidate", "test": "test", "outpath": out,
        "encoder": f"{BACKBONE}+mirror", "weights": weights, "epochs": 4, "batch_size": 16, "holdout": 0.2,
        "seed": 7, "device": "cpu", "precision": "fp32", "weighing": "none", "stop_option": (),
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(data: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    given = settings(data, weights, tmp_path_factory.mktemp("mirrored") / "run")
    return train(load_training(None, given), make_epoch_evaluator)


@pytest.mark.integration
def test_a_run_remembers_that_its_views_are_mirrored(run: RunDirectory) -> None:
    found = run.read()
    assert found.encoder is not None
    assert (found.encoder.name, found.settings.encoder) == (f"{BACKBONE}+mirror", f"{BACKBONE}+mirror")
    assert "test_resnet.r160_in1k+mirror" in found.encoder.describe()


@pytest.mark.integration
def test_predictions_of_photos_are_those_that_are_evaluated(run: RunDirectory, data: Path, tmp_path: Path) -> None:
    # An evaluation is written into the run, which the other tests have as it was trained.
    path = shutil.copytree(run.path, tmp_path / "run")
    summary = evaluate(EvaluateConfig(run=path))
    files = sorted((data / "test").rglob("*.png"))
    said = {one.path: one.class_id for one in predict(PredictConfig(run=path, images=(str(data / "test"),)))}
    right = sum(said[path] == path.parent.name for path in files)
    assert summary.test is not None
    assert 100 * right / len(files) == pytest.approx(summary.test.selected.top1.accuracy)


@pytest.mark.integration
def test_cut_off_it_comes_to_the_same(run: RunDirectory, data: Path, weights: Path, tmp_path: Path) -> None:
    config = load_training(None, settings(data, weights, tmp_path / "run"))
    with pytest.raises(Crash):
        train(config, crashing_after(2))
    assert_same_run(run, train(config, make_epoch_evaluator))


@pytest.mark.integration
@pytest.mark.parametrize("format", ["safetensors", "onnx", "torchscript"])
def test_an_export_sees_both_sides(run: RunDirectory, data: Path, tmp_path: Path, format: str) -> None:
    if format == "onnx":
        pytest.importorskip("onnxruntime")
    # What is written is compared with the run's answers before it is there.
    out = rl.export_model(run.path, format, out=tmp_path / "out")
    if format == "safetensors":
        photos = sorted((data / "test").rglob("*.png"))
        ours, theirs = (
            rl.load(one, precision="fp32", device="cpu").predict(photos, top=3) for one in (run.path, out)
        )
        for one, other in zip(ours, theirs, strict=True):
            probabilities = {guess.class_id: guess.probability for guess in other}
            assert all(
                guess.probability == pytest.approx(probabilities[guess.class_id], abs=1e-3) for guess in one
            )


@pytest.mark.integration
def test_a_folder_for_timm_is_refused_in_one_line(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["export-model", str(run.path), "--format", "hub", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "test_resnet+mirror, which sees each photo's mirror image, too; --format onnx" in said
    assert "train one without +mirror" in said and not (tmp_path / "out").exists()

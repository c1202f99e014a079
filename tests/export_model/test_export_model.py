"""A model that leaves its run answers as the run does, for whoever opens it, or is not there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import rawlabel as rl
from rawlabel import cli
from rawlabel.base.families import Family, load, names
from rawlabel.models.portable import photos as run_photos
from tests.helpers.folders import files_of
from tests.helpers.tiny_training import CLASSES

pytestmark = pytest.mark.integration


def images_of(root: Path) -> list[Path]:
    return sorted((root / "test").rglob("*.png"))


def told(run: Path, images: Sequence[Path]) -> np.ndarray[Any, Any]:
    """Probabilities of the run, in the order of its classes, in float32."""
    rows = rl.load(run, precision="fp32", device="cpu").predict(images, top=3)
    return np.array([[{g.class_id: g.probability for g in row}[name] for name in CLASSES] for row in rows])


@pytest.mark.parametrize("format", ["safetensors", "onnx", "torchscript"])
def test_a_network_of_our_own_is_written_and_proven(
    own_run: Path, tmp_path: Path, format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["export-model", str(own_run), "--format", format, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "the same class as the run in 120 of 120 images (all of the run's own), in batches of 1 and 7" in said
    about = json.loads((tmp_path / "out" / "model.json").read_text())
    assert about["classes"] == list(CLASSES)
    assert about["proofs"][0]["largest_difference"] <= 0.001
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_onnx_says_classes_and_preprocessing_and_takes_any_batch(
    own_run: Path, photos: Path, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    out = rl.export_model(own_run, "onnx", out=tmp_path / "out")
    session = onnxruntime.InferenceSession(out / "model.onnx")
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == list(CLASSES)
    how = json.loads(said["preprocessing"])
    assert (how["image_size"], how["mean"]) == (16, [0.485, 0.456, 0.406])
    assert [one.shape for one in session.get_inputs()] == [["batch", 3, 16, 16]]
    for batch in (1, 2, 7, 33):
        images = np.zeros((batch, 3, 16, 16), dtype=np.float32)
        assert session.run(None, {"images": images})[0].shape == (batch, 3)


def test_eight_bits_say_what_they_cost_on_raw_labels(
    own_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    arguments = ["export-model", str(own_run), "--format", "onnx", "--int8", "--out", str(tmp_path / "out")]
    assert cli.run(arguments) == 0
    assert "held-out raw labels, float32 with" in capsys.readouterr().out
    small = json.loads((tmp_path / "out" / "model.json").read_text())["int8"]
    assert 20 <= small["images"] <= 30 and abs(small["correct"] - small["correct_float32"]) <= 3
    assert cli.run(["export-model", str(own_run), "--int8"]) == 2
    assert "--int8: goes with --format onnx" in capsys.readouterr().err


def test_a_hub_folder_of_a_network_that_timm_has_is_opened_by_timm_alone(
    timm_run: Path, photos: Path, tmp_path: Path
) -> None:
    import timm

    out = rl.export_model(timm_run, "hub", out=tmp_path / "model")
    model = timm.create_model(f"local-dir:{out}", pretrained=True).eval()
    assert model.pretrained_cfg["label_names"] == list(CLASSES)
    view = timm.data.create_transform(**timm.data.resolve_data_config(model=model))
    images = torch.stack([view(Image.open(one).convert("RGB")) for one in images_of(photos)])
    with torch.inference_mode():
        found = model(images).softmax(dim=1).numpy()
    assert np.abs(found - told(timm_run, images_of(photos))).max() < 0.1
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: timm\n")
    for part in ("Not decontaminated", "Not measured on clean labels", "120 of 120 images", "1. green"):
        assert part in card, part
    compile((out / "demo" / "app.py").read_text(), "app.py", "exec")


def test_heads_on_an_encoder_are_one_network_in_every_format(head_run: Path, photos: Path, tmp_path: Path) -> None:
    """Heads that bring each photo to one length, too, at the run's temperature."""
    import timm

    expected = told(head_run, images_of(photos))
    hub = rl.export_model(head_run, "hub", out=tmp_path / "hub")
    model = timm.create_model(f"local-dir:{hub}", pretrained=True).eval()
    view = timm.data.create_transform(**timm.data.resolve_data_config(model=model))
    images = torch.stack([view(Image.open(one).convert("RGB")) for one in images_of(photos)])
    with torch.inference_mode():
        found = model(images).softmax(dim=1).numpy()
        if (hub / "probabilities.py").is_file():
            assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95
            scope: dict[str, Any] = {}
            exec((hub / "probabilities.py").read_text(), scope)
            found = scope["probabilities"](model, images, hub).numpy()
    assert np.abs(found - expected).max() < 0.01
    file = rl.export_model(head_run, out=tmp_path / "one")
    assert np.abs(told(file, images_of(photos)) - expected).max() < 0.01
    assert_card_works(hub, images_of(photos)[0], expected[0])


def assert_card_works(hub: Path, photo: Path, expected: np.ndarray[Any, Any]) -> None:
    """What the card tells people to type gives the run's answer, and it says what timm alone would give."""
    card = (hub / "README.md").read_text()
    assert "trained on ImageNet-1k" in card and "library_name: timm\n" in card
    program = card.split("```python\n")[1].split("```")[0]
    program = program.replace('FOLDER = "."', f"FOLDER = {str(hub)!r}").replace('"photo.jpg"', repr(str(photo)))
    scope: dict[str, Any] = {}
    exec(program, scope)
    assert np.abs(scope["found"].numpy() - expected).max() < 0.01
    assert ("probabilities differed from the run's by up to" in card) == (hub / "probabilities.py").is_file()


def test_what_timm_has_not_is_refused_with_what_to_use(
    own_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["export-model", str(own_run), "--format", "hub", "--out", str(tmp_path / "new" / "out")]) == 2
    assert (
        "timm has no network like cifar_resnet8; --format onnx is opened without rawlabel, too, or train one of "
        in (capsys.readouterr().err)
    )
    assert list(tmp_path.iterdir()) == []


def swap_classes(out: Path) -> None:
    """As an exporter would that sorts the classes otherwise than the run."""
    file = out / "model.safetensors"
    with safe_open(file, "pt") as stream:
        metadata = stream.metadata()
    said = json.loads(metadata["rawlabel"])
    said["classes"] = said["classes"][::-1]
    save_file(load_file(file), file, {**metadata, "rawlabel": json.dumps(said)})


def swap_outputs(out: Path) -> None:
    """The names stay, and what they name does not."""
    state = load_file(out / "model.safetensors")
    with safe_open(out / "model.safetensors", "pt") as stream:
        metadata = stream.metadata()
    for name in [one for one in state if one.startswith("heads.0.head.")]:
        state[name] = state[name].flip(0).contiguous()
    save_file(state, out / "model.safetensors", metadata)


def put_nan(out: Path) -> None:
    state = load_file(out / "model.safetensors")
    with safe_open(out / "model.safetensors", "pt") as stream:
        metadata = stream.metadata()
    state["heads.0.head.bias"][0] = float("nan")
    save_file(state, out / "model.safetensors", metadata)


def misstate_mean(out: Path) -> None:
    with safe_open(out / "model.safetensors", "pt") as stream:
        metadata = stream.metadata()
    said = json.loads(metadata["rawlabel"])
    said["preprocessing"]["mean"] = [9.0, -9.0, 0.0]
    save_file(
        load_file(out / "model.safetensors"), out / "model.safetensors", {**metadata, "rawlabel": json.dumps(said)}
    )


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (swap_classes, "finds other classes in it, from class 0 on (red, green and not blue, green)"),
        (swap_outputs, "where the run says"),
        (put_nan, "where the run says"),
        (misstate_mean, "see another class than the run in"),
    ],
)
def test_an_export_that_answers_otherwise_is_refused_and_leaves_the_one_before(
    own_run: Path, tmp_path: Path, fault: Any, said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = rl.export_model(own_run, out=tmp_path / "out")
    before = files_of(tmp_path)
    kind = load(Family.MODEL_FORMAT, "safetensors")
    write = kind.write

    def spoilt(self: Any, model: Any, folder: Path, request: Any) -> None:
        write(self, model, folder, request)
        fault(folder)

    monkeypatch.setattr(kind, "write", spoilt)
    assert cli.run(["export-model", str(own_run), "--out", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert files_of(tmp_path) == before
    assert cli.run(["export-model", str(own_run), "--out", str(tmp_path / "elsewhere" / "deep")]) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_what_is_in_the_way_or_missing_is_said_in_one_line(
    own_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    assert cli.run(["export-model", str(own_run), "--out", str(tmp_path / "mine")]) == 2
    assert "holds something else than an exported model" in capsys.readouterr().err
    assert cli.run(["export-model", str(own_run), "--format", "onx"]) == 2
    assert "did you mean 'onnx'" in capsys.readouterr().err
    monkeypatch.setattr("rawlabel.models.model_format.find_spec", lambda name: None)
    assert cli.run(["export-model", str(own_run), "--format", "onnx"]) == 2
    assert "run `pip install 'rawlabel[onnx]'`" in capsys.readouterr().err
    moved = shutil.copytree(own_run, tmp_path / "run")
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps({**config, "root": str(tmp_path / "gone")}))
    (moved / "environment.json").unlink()
    assert cli.run(["export-model", str(moved)]) == 2
    assert "an export is tried on the run's own images" in capsys.readouterr().err
    shutil.rmtree(moved / "checkpoints")
    assert not (moved / "exports").exists()


def test_half_of_the_images_that_it_is_tried_on_were_held_out(
    own_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rawlabel.artifacts.run import Run
    from rawlabel.chain.export_model import photos_of

    found = photos_of(Run(own_run))
    assert len(found.proof_images()) == found.num_images == 120
    monkeypatch.setattr(run_photos, "PROOF_IMAGES", 40)
    chosen = found.proof_images()
    assert len(chosen) == 40
    assert sum(source is found.holdout.source for source, _ in chosen) == 20


def test_every_format_says_what_it_needs() -> None:
    assert set(names(Family.MODEL_FORMAT)) >= {"safetensors", "onnx", "hub", "torchscript"}
    for name in names(Family.MODEL_FORMAT):
        kind = load(Family.MODEL_FORMAT, name)
        assert bool(kind.packages) == bool(kind.extra)

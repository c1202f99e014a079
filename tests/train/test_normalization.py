"""Pixels are normalised as the weights expect it, and whoever loads the weights later does the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torchvision import models
from torchvision.models import GoogLeNet_Weights

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.models.checkpoint import load_weights, save_weights
from rawlabel.models.networks.building import build_network, published_normalization
from rawlabel.models.networks.normalization import IMAGENET, Normalization, Normalizer
from rawlabel.models.predictor import Predictor, build_predictor, load_predictor
from rawlabel.training.stage import train
from tests.helpers.tiny_training import make_class_folders, tiny

HALF = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NETWORK = "test_resnet.r160_in1k"
"""A tiny network of timm, whose weights expect another normalization than ImageNet's."""
VIEWS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("few")
    make_class_folders(root / "candidate", 6, 1)
    torch.manual_seed(3)
    torch.save(timm.create_model(NETWORK).state_dict(), root / "published.pth")
    return root


def settings(few: Path, out: Path, **changes: object) -> dict[str, object]:
    """A run on published weights, which lie in a file in place of the hub."""
    overlay = json.dumps({"pretrained_cfg_overlay": {"file": str(few / "published.pth")}})
    own = {"model": NETWORK, "network_config": (overlay,), "image_size": 32, "test": None, "epochs": 1}
    return {"outpath": out, "precision": "fp32", "lr": 1e-3, **own, **changes}


def expected_logits(predictor: Predictor, normalization: Normalization) -> torch.Tensor:
    """As timm's documentation normalises: the pixels' shares, less the mean, over the deviation."""
    mean, std = (torch.tensor(one)[:, None, None] for one in (normalization.mean, normalization.std))
    images = (VIEWS.permute(0, 3, 1, 2).float() / 255 - mean) / std
    with torch.inference_mode():
        return predictor.method.network.eval()(images)


@pytest.mark.integration
def test_the_normalization_of_published_weights_goes_with_the_run(few: Path, tmp_path: Path) -> None:
    run = train(tiny(few, **settings(few, tmp_path / "run", pretrained=True)))
    predictor, _, _ = load_predictor(run.selected_checkpoint, device="cpu")
    torch.testing.assert_close(predictor.classify(VIEWS), expected_logits(predictor, HALF), rtol=1e-4, atol=1e-5)
    # Weights of a run bring it to a run that asks for no published ones; so does a run that goes on.
    from_weights = settings(few, tmp_path / "other", resume=str(run.selected_checkpoint))
    for changes in (from_weights, from_weights | {"resume": str(run.path), "outpath": tmp_path / "longer"}):
        other = train(tiny(few, **changes | {"epochs": 2}))
        assert load_predictor(other.last_weights)[0].normalizer.normalization == HALF
    afresh = train(tiny(few, **settings(few, tmp_path / "afresh")))
    assert load_predictor(afresh.last_weights)[0].normalizer.normalization == IMAGENET


@pytest.mark.integration
def test_a_run_from_before_it_was_noted_goes_on_as_it_began(few: Path, tmp_path: Path) -> None:
    config = tiny(few, **settings(few, tmp_path / "run", pretrained=True, epochs=2))
    run = train(config.model_copy(update={"epochs": 1}))
    for path in (run.selected_checkpoint, run.last_weights):
        saved = load_weights(path)
        saved.pop("format")
        save_weights(path, saved.pop("method"), {k: v for k, v in saved.items() if k != "normalization"})
    assert load_predictor(run.selected_checkpoint)[0].normalizer.normalization == IMAGENET
    (run.path / "summary.json").unlink()
    (run.path / "config.json").write_text(json.dumps(config.as_json()))
    again = train(config)
    assert [entry["epoch"] for entry in again.log()] == [0, 1]
    assert load_weights(RunDirectory(again.path).last_weights)["normalization"] == json.loads(
        json.dumps(IMAGENET.as_json())
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [("test_resnet", HALF), ("timm/resnet10t", IMAGENET), ("torchvision/squeezenet1_1", IMAGENET)],
)
def test_each_librarys_weights_say_what_they_expect(name: str, expected: Normalization) -> None:
    network = build_network(name, 3)
    assert published_normalization(network, name) == expected
    # Without published weights, it is ImageNet's, as published.
    assert build_predictor(tiny(Path(), model=name, image_size=32), 4, 3).normalizer.normalization == IMAGENET


def test_what_a_network_of_torchvision_does_inside_is_done_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    published = models.googlenet(init_weights=False, aux_logits=True).state_dict()
    monkeypatch.setattr(GoogLeNet_Weights, "get_state_dict", lambda *_, **__: published)
    theirs, ours = (
        models.googlenet(weights="DEFAULT").eval(),
        build_network("googlenet", 1000, pretrained=True).eval(),
    )
    ours.fc = theirs.fc  # type: ignore[assignment]
    images = [
        Normalizer(32, torch.device("cpu"), one)(VIEWS)
        for one in (IMAGENET, published_normalization(ours, "googlenet"))
    ]
    with torch.inference_mode():
        torch.testing.assert_close(ours(images[1]), theirs(images[0]), rtol=1e-3, atol=1e-3)

"""Which recipe is meant, and that whatever else is given wins over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rawlabel.base import messages
from rawlabel.config import TrainConfig, load_training
from rawlabel.config.recipe import RECIPES, read_recipe
from rawlabel.errors import ConfigError
from rawlabel.models.method import heeds_weights


@pytest.mark.parametrize(
    ("flags", "recipe"),
    [
        ({}, "transfer"),
        ({"epochs": 5, "inject_noise": 0.4}, "transfer"),
        ({"model": "resnet18"}, "paper"),
        ({"image_size": 64}, "paper"),
        ({"resume": __file__}, "paper"),
        ({"resume": "none.pth.tar", "model": "resnet18"}, "paper"),
        ({"resume": "none.pth.tar", "recipe": "scratch"}, "scratch"),
        ({"recipe": "scratch"}, "scratch"),
        ({"recipe": "scratch", "model": "resnet34"}, "scratch"),
        ({"recipe": "paper"}, "paper"),
    ],
)
def test_flags_mean_a_recipe(flags: dict[str, Any], recipe: str) -> None:
    config = load_training(None, flags)
    assert config.recipe == recipe
    assert all(getattr(config, key) == value for key, value in flags.items())
    said = {key: value for key, value in read_recipe(recipe).items() if key not in flags}
    assert {key: config.as_json()[key] for key in said} == said


@pytest.mark.parametrize(
    ("flags", "recipe"),
    [
        ({}, "finetune"),
        ({"device": "cpu"}, "transfer"),
        ({"encoder": "efficientnet_lite0@fit"}, "finetune"),
        ({"encoder": "efficientnet_lite0@fit+mirror"}, "transfer"),
        ({"recipe": "transfer"}, "transfer"),
        ({"model": "resnet18"}, "paper"),
        ({"recipe": "finetune", "augment": "crop_flip", "progressive_from": 0}, "finetune"),
    ],
)
def test_on_a_gpu_all_layers_are_trained(flags: dict[str, Any], recipe: str) -> None:
    assert load_training(None, flags, lambda: True).recipe == recipe


@pytest.mark.parametrize(
    ("content", "recipe"),
    [
        ({"model": "resnet", "epochs": 3}, "paper"),
        ({"epochs": 3}, "paper"),
        ({"train": {"epochs": 3}}, "transfer"),
        ({"train": {"epochs": 3, "model": "resnet18"}}, "paper"),
        ({"train": {"epochs": 3, "recipe": "scratch"}}, "scratch"),
    ],
)
def test_files_mean_a_recipe(content: dict[str, Any], recipe: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(content))
    config = load_training(tmp_path / "config.json", {"lr": 0.2})
    assert (config.recipe, config.epochs, config.lr) == (recipe, 3, 0.2)


def test_what_was_published_stays_as_it_was() -> None:
    paper = load_training(None, {"recipe": "paper"})
    assert paper.as_json() | {"recipe": None} == TrainConfig().as_json()


def test_options_of_a_recipe_go_with_what_it_chose() -> None:
    assert load_training(None, {}).stop_option == ("band=1",)
    assert load_training(None, {"stop": "gwa"}).stop_option == ()
    assert load_training(None, {"stop_option": ("window=3",)}).stop_option == ("window=3",)


@pytest.mark.parametrize("name", RECIPES)
def test_the_settings_that_a_run_saves_mean_themselves(name: str, tmp_path: Path) -> None:
    config = load_training(None, {"recipe": name, "epochs": 7})
    (tmp_path / "config.json").write_text(json.dumps(config.as_json()))
    assert load_training(tmp_path / "config.json", {}) == config
    # A settings file of this project, where no recipe was named.
    (tmp_path / "config.json").write_text(json.dumps(TrainConfig(epochs=7).as_json()))
    assert load_training(tmp_path / "config.json", {}).encoder is None


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"recipe": "transfre"}, "--recipe: no such recipe; did you mean 'transfer'"),
        (
            {"recipe": "finetune", "image_size": 64},
            "--image-size: is about a network that is trained on pixels, and --recipe finetune starts from an",
        ),
        ({"recipe": "transfer", "augment": "crop"}, "--recipe transfer starts from an encoder"),
        ({"finetune": True, "recipe": "paper"}, "--finetune: goes with --encoder"),
        ({"recipe": "transfer", "model": "resnet18"}, "--model: is about a network that is trained on pixels"),
        ({"weights": "model.pth", "recipe": "paper"}, "--weights: goes with --encoder"),
        ({"weighing": "soft", "recipe": "paper"}, "--weighing: goes with --encoder"),
        (
            {"recipe": "paper", "encoder": "efficientnet_lite0"},
            "--encoder: recipe paper trains a network on pixels",
        ),
        ({"recipe": "scratch", "encoder": "efficientnet_lite0"}, "use --recipe finetune or --recipe transfer, or"),
        ({"recipe": "transfre", "encoder": "efficientnet_lite0"}, "--recipe: no such recipe"),
        ({"encoder": "efficientnet_lite0", "image_size": 64}, "use --recipe scratch without --encoder"),
        ({"resume": "runs/none"}, "--resume: runs/none: no such run or checkpoint; name a run directory"),
    ],
)
def test_what_does_not_go_together_is_one_line(flags: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_training(None, flags)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "flags", "complaint"),
    [
        (
            {"train": {"recipe": "transfer", "image_size": 64}},
            {},
            "image_size: is about a network that is trained",
        ),
        ({"train": {"augment": "crop"}}, {"recipe": "transfer"}, "augment: is about a network"),
        ({"train": {"encoder": "efficientnet_lite0", "image_size": 64}}, {}, "image_size: is about a network"),
        ({"image_size": 64, "epochs": 3}, {"encoder": "efficientnet_lite0"}, "image_size: is about a network"),
        (
            {"train": {"model_config": {"drop_rate": 0.1}}},
            {"recipe": "finetune"},
            "network_config: is about a network",
        ),
        ({"model": "resnet50", "lrdecay": 0.1}, {"recipe": "transfer"}, "model: is about a network"),
        (
            {
                "recipe": "transfer",
                "encoder": "efficientnet_lite0",
                "model": "resnet50",
                "pretrained": False,
                "augment": "crop",
                "image_size": 64,
                "resume": None,
                "start_epoch": 0,
            },
            {},
            "augment: is about a network",
        ),
    ],
)
def test_what_a_head_does_not_heed_is_refused_in_a_file_as_it_is_as_a_flag(
    content: dict[str, Any], flags: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=f"{path}: {complaint}") as caught:
        load_training(path, flags)
    assert "\n" not in str(caught.value) and "leave it out, or use --recipe scratch" in str(caught.value)


def test_what_an_encoder_heeds_that_is_fine_tuned_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"train": {"recipe": "finetune", "augment": "crop_flip", "progressive_from": 96}}))
    assert load_training(path, {}).augment == "crop_flip"


def test_the_settings_of_a_run_with_an_encoder_are_taken_back_with_those_that_it_did_not_heed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config.json"
    for recipe in ("transfer", "finetune"):
        # What a fine-tuned run saves: its views have the side of the encoder.
        saved = load_training(None, {"recipe": recipe}).model_copy(update={"image_size": 288})
        path.write_text(json.dumps(saved.as_json()))
        assert load_training(path, {}) == saved
        # One of an older version lacks what came later.
        older = {key: value for key, value in saved.as_json().items() if key != "progressive_from"}
        path.write_text(json.dumps(older))
        assert load_training(path, {}).image_size == 288
        assert load_training(path, {"epochs": 3}).epochs == 3


@pytest.mark.parametrize("name", ["results/flickr_cls100/config.json", "configs/fast_small.json"])
def test_published_settings_are_those_of_pixels(name: str) -> None:
    path = Path(__file__).parents[1] / name
    assert load_training(path, {"recipe": "paper"}).encoder is None
    assert load_training(path, {}).recipe == "paper"
    with pytest.raises(ConfigError, match=f"{path}: .*trained on pixels"):
        load_training(path, {"recipe": "transfer"})


def test_a_recipe_of_pixels_is_refused_beside_the_encoder_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"train": {"recipe": "scratch", "encoder": "efficientnet_lite0"}}))
    with pytest.raises(ConfigError, match=f"{path}: encoder: recipe scratch trains a network on pixels"):
        load_training(path, {})


def test_the_settings_of_an_older_run_with_an_encoder_by_no_recipe_are_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for recipe in ("paper", None):
        saved = TrainConfig(recipe=recipe, encoder="efficientnet_lite0", image_size=64)
        path.write_text(json.dumps(saved.as_json()))
        assert load_training(path, {}) == saved.model_copy(update={"recipe": recipe or "transfer"})


@pytest.mark.parametrize(
    ("given", "weighing"),
    [
        ({"method": "sop"}, "none"),
        ({"method": "gjs"}, "none"),
        ({"method": "coteaching", "recipe": "finetune"}, "none"),
        ({"method": "gce"}, "soft"),
        ({"method": "sop", "weighing": "soft"}, "soft"),
        ({"method": "sop", "weighing": "none"}, "none"),
        ({"method": "sop", "choose": "auto"}, "soft"),
    ],
)
def test_a_recipe_does_not_weigh_for_a_method_that_does_not_heed_it(
    given: dict[str, Any], weighing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with messages.on_stderr():
        config = load_training(None, {"recipe": "transfer", **given}, lambda: False, heeds_weights)
    assert (config.method, config.weighing) == (given["method"], weighing)
    said = capsys.readouterr().err
    is_left_out = weighing == "none" and "weighing" not in given
    assert ("does not weigh photos, so the recipe's --weighing soft is left out" in said) is is_left_out

"""Settings: defaults < file < flags, and nothing unknown passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from rawlabel import config as settings
from rawlabel.config import SECTIONS, CollectConfig, TrainConfig, load_section
from rawlabel.errors import ConfigError
from tests.helpers.published_settings import PUBLISHED


def test_later_wins(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    # Editors of some systems begin a file with a byte-order mark.
    file.write_text("\ufeff" + json.dumps({"lr": 0.2, "epochs": 7}), "utf-8")
    config = load_section(TrainConfig, file, {"lr": 0.3})
    assert (config.lr, config.epochs, config.momentum) == (0.3, 7, TrainConfig().momentum)


def test_a_tree_gives_each_verb_its_own_table(tmp_path: Path) -> None:
    file = tmp_path / "rawlabel.toml"
    file.write_text("[train]\nepochs = 9\n[collect]\nper_keyword = 20\n")
    assert load_section(TrainConfig, file).epochs == 9
    assert load_section(CollectConfig, file).per_keyword == 20


@pytest.mark.parametrize(
    ("key", "field", "value"), [("lrdecay", "decay_rate", 0.2), ("main_file", "main", "candidate")]
)
def test_published_keys_mean_the_same_settings(tmp_path: Path, key: str, field: str, value: object) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({key: value}))
    assert getattr(load_section(TrainConfig, file), field) == value
    other = 0.5 if isinstance(value, float) else "other"
    assert getattr(load_section(TrainConfig, file, {field: other}), field) == other


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.json", '{"epcohs": 3}', "a.json: epcohs: unknown setting; did you mean 'epochs'?"),
        ("a.toml", "[trian]\nepochs = 3\n", "unknown section 'trian'; did you mean 'train'?"),
        ("a.toml", "[train]\nepcohs = 3\n", "did you mean 'epochs'?"),
        ("a.json", '{"epochs": "many"}', "a.json: epochs: input should be a valid integer"),
        ("a.json", '{"candidate": "q=1"}', "a.json: candidate: input should be a list, got"),
        ("a.json", '{"epochs": 0}', "greater than or equal to 1"),
        ("a.json", '{"augment": "mirror"}', "augment: input should be 'auto'"),
        ("a.json", "[1]", "write an object with settings"),
        ("a.json", "{", "not valid JSON"),
        ("a.toml", "epochs = ", "not valid TOML"),
        ("absent.json", None, "cannot be read"),
    ],
)
def test_a_mistake_names_file_key_and_remedy(tmp_path: Path, name: str, text: str | None, named: str) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_section(TrainConfig, file)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_published_file_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(PUBLISHED))
    config = load_section(TrainConfig, file, {"root": tmp_path})
    assert (config.root, config.main, config.test, config.model) == (tmp_path, "candidate", "test", "resnet50")
    assert (config.epochs, config.decay_rate, config.decay_max_epochs, config.seed) == (120, 0.1, 100, None)


def test_a_published_key_that_would_be_another_training_is_refused_with_a_remedy(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(PUBLISHED | {"mix_cifar": True}))
    with pytest.raises(ConfigError, match=r"config\.json: mix_cifar: is no setting here; name .* with --mix"):
        load_section(TrainConfig, file)


def test_the_authors_own_files_are_all_read(paper: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((paper / "results").glob("*/config.json"))
    configs = {file.parent.name: load_section(TrainConfig, file) for file in files}
    assert len(configs) == 8
    assert {config.model for config in configs.values()} == {"resnet50"}
    resumed = configs["flickr_cls135"]
    assert (resumed.resume, resumed.start_epoch) == ("checkpoint_epoch89.pth.tar", 89)
    assert {name for name, config in configs.items() if config.evaluate and config.track_correct} == {
        "flickr_conf", "flickr_err", "imagenet_conf", "imagenet_err"
    }  # fmt: skip
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("messages_on_stderr")
def test_a_key_that_no_longer_makes_sense_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(PUBLISHED | {"distributed": True}))
    load_section(TrainConfig, file)
    said = capsys.readouterr().err
    assert said.startswith(f"rawlabel: {file}: distributed: is not used; start several processes with `torchrun")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("values", "field", "settled"),
    [
        ({}, "lr_schedule", "step"),
        ({"schedule_lr": True}, "lr_schedule", "cyclic"),
        ({"use_inverse_sqrt_lr": True, "lr_schedule": "inverse_sqrt"}, "lr_schedule", "inverse_sqrt"),
        ({"loss": "MSE"}, "loss", "l2"),
        ({"loss": "entropy"}, "loss", "cross_entropy"),
        ({"opt": "LBFGS"}, "opt", "lbfgs"),
        ({"track_weights": True}, "track_weights", "norm"),
        ({"track_weights": False}, "track_weights", None),
        ({"resume": ""}, "resume", None),
        ({"model_config": {"num_planes": 8}}, "network_config", ("num_planes=8",)),
    ],
)
def test_published_spellings_are_settled(values: dict[str, object], field: str, settled: object) -> None:
    config = TrainConfig(**values)  # type: ignore[arg-type]
    assert getattr(config, field) == settled
    assert TrainConfig(**config.as_json()) == config


@pytest.mark.parametrize("other", [{"lr_schedule": "cosine"}, {"use_inverse_sqrt_lr": True}])
def test_two_schedules_are_one_too_many(other: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"--lr-schedule: .*--schedule-lr.* leave all but one out"):
        load_section(TrainConfig, None, {"schedule_lr": True, **other})


def test_settings_are_frozen_and_documented() -> None:
    with pytest.raises(ValidationError):
        TrainConfig().lr = 1.0  # type: ignore[misc]
    for section in (getattr(settings, name) for name in SECTIONS.values()):
        for key, field in section.model_fields.items():
            assert field.description, key
            assert field.description.endswith("."), key


def test_what_is_saved_repeats_the_settings(tmp_path: Path) -> None:
    config = TrainConfig(lr=0.25, outpath=tmp_path / "run", seed=3)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config.as_json()))
    assert load_section(TrainConfig, file) == config


def test_the_fingerprint_follows_what_matters() -> None:
    base = TrainConfig()
    assert base.fingerprint() != TrainConfig(lr=0.2).fingerprint()
    free = frozenset({"workers"})
    assert base.fingerprint(exclude=free) == TrainConfig(workers=9).fingerprint(exclude=free)


def test_every_name_of_the_settings_is_found() -> None:
    assert all(getattr(settings, name) for name in settings.__all__)

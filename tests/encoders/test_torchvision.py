"""Published weights of torchvision: from a server on loopback, from the cache, and from nowhere."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from urllib.error import HTTPError

import pytest
import torch
from torchvision import models

from rawlabel.errors import ConfigError
from rawlabel.models.encoder import load_encoder
from tests.helpers.ports import free_port

NAME = "torchvision/shufflenet_v2_x0_5"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[str, bytes]:
    """What a file of weights is called, which says its hash, and holds; the cache is an empty one."""
    torch.manual_seed(4)
    stream = io.BytesIO()
    torch.save(models.shufflenet_v2_x0_5(weights=None).state_dict(), stream)
    content = stream.getvalue()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return f"shufflenet-{hashlib.sha256(content).hexdigest()[:10]}.pth", content


def publish_at(address: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = models.ShuffleNet_V2_X0_5_Weights.DEFAULT
    monkeypatch.setattr(weights.value, "url", f"{address}/{name}")


def test_without_a_network_one_line_is_all_that_is_said(
    published: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    publish_at(f"http://127.0.0.1:{free_port()}", published[0], monkeypatch)
    with pytest.raises(ConfigError, match=r"cannot be had \(URLError: .* use efficientnet_lite0, ") as caught:
        load_encoder(NAME)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("answer", [None, b"something else"])
def test_a_server_that_does_not_give_the_weights_is_told_in_one_line(
    answer: bytes | None,
    hub: dict[str, bytes],
    published: tuple[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from huggingface_hub import constants

    publish_at(constants.ENDPOINT, published[0], monkeypatch)
    if answer is not None:
        hub[f"/{published[0]}"] = answer
    with pytest.raises(ConfigError, match=r"cannot be had .* use efficientnet_lite0, ") as caught:
        load_encoder(NAME)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().out == ""
    if isinstance(caught.value.__cause__, HTTPError):
        caught.value.__cause__.close()


def test_a_download_shows_how_far_it_is_and_is_made_once(
    hub: dict[str, bytes],
    published: tuple[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from huggingface_hub import constants

    name, content = published
    publish_at(constants.ENDPOINT, name, monkeypatch)
    hub[f"/{name}"] = content
    fetched = load_encoder(NAME)
    out, err = capfd.readouterr()
    assert out == "" and "100%" in err
    assert fetched.origin == "pretrained" and fetched.num_features == 1024
    hub.clear()
    assert load_encoder(NAME).key == fetched.key
    assert capfd.readouterr() == ("", "")

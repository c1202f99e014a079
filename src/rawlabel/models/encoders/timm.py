"""Any network of timm, with the weights of its hub or those in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from rawlabel.base.progress import progress
from rawlabel.errors import ConfigError, did_you_mean
from rawlabel.models.encoder import UNKNOWN, Encoder, EncoderFamily, Training, unavailable
from rawlabel.models.encoders._trained_on import training_of_tag
from rawlabel.models.encoders._views import cutting
from rawlabel.models.encoders._weights import frozen, hash_weights, hub_errors, load_headless, read_weights

_HUB = ("hf-hub:", "hf_hub:")


class Timm(EncoderFamily):
    """Any network of timm, such as `timm/vit_small_patch14_dinov2`, `timm/convnext_tiny` or `hf-hub:NAME`.

    The weights come from timm's hub or its cache, or from a file in timm's layout (.safetensors, .pth). Features
    and views are those of timm's documentation (`create_model(..., num_classes=0)`, `resolve_model_data_config`).
    """

    @classmethod
    def claims(cls, name: str) -> bool:
        """A name that begins with timm's, or one of its hub."""
        return name.startswith(("timm/", *_HUB))

    def load(self, name: str, weights: Path | None, flag: str) -> Encoder:
        """The encoder, with its network built: only that knows its weights."""
        import timm
        from timm.data.config import resolve_model_data_config
        from timm.data.transforms_factory import create_transform

        name = name.removeprefix("timm/")
        if not name.startswith(_HUB) and not timm.is_model(name):
            raise ConfigError(f"{flag}: timm has no network '{name}'{did_you_mean(name, timm.list_models())}")
        network = _pretrained(name, flag) if weights is None else _create(name, flag)
        config: dict[str, Any] = getattr(network, "pretrained_cfg", None) or {}
        if weights is not None:
            heads = config.get("classifier") or ()
            heads = (heads,) if isinstance(heads, str) else tuple(heads)
            load_headless(network, read_weights(weights), heads, weights, name, flag)
        network = frozen(network)
        expected = resolve_model_data_config(network)
        training: Training = UNKNOWN if weights is not None else training_of_tag(str(config.get("tag") or ""))
        return Encoder(
            name,
            "pretrained" if weights is None else "file",
            hash_weights(network),
            "not recorded" if weights is not None else str(config.get("license") or "not recorded"),
            training,
            int(expected["input_size"][-1]),
            tuple(expected["mean"]),
            tuple(expected["std"]),
            json.dumps(expected, sort_keys=True, default=str),
            int(network.num_features),  # type: ignore[arg-type]
            cutting(create_transform(**expected, is_training=False).transforms),
            lambda: network,
            weights.name if weights is not None else None,
        )


def _create(name: str, flag: str, pretrained: bool = False) -> nn.Module:
    """Build the network; the hub's warnings on each attempt are left out, since one line says how it ended."""
    import timm
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        network: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0)
    except hub_errors() as error:
        raise unavailable(flag, name, error) from error
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{flag} {name}: {' '.join(str(error).split())}; choose another, or name a file with --weights"
        ) from error
    finally:
        logging.set_verbosity(before)
    return network


def _pretrained(name: str, flag: str) -> nn.Module:
    with progress(f"weights of {name}", 1) as task:
        network = _create(name, flag, pretrained=True)
        task.advance()
    return network


PLUGIN = Timm

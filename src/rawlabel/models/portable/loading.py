"""An exported safetensors model as a network again, from its file alone, and as a classifier of images."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.checked import check_record
from rawlabel.config import Precision
from rawlabel.config.declaring import MAX_MEGAPIXELS, Device
from rawlabel.config.recipe import MIRROR
from rawlabel.errors import CheckpointError, ConfigError, DataError
from rawlabel.images.decoding import Pixels, Transform
from rawlabel.models.classifier import BATCH_SIZE, Classifier
from rawlabel.models.device import choose_device, choose_precision
from rawlabel.models.encoder import load_encoder
from rawlabel.models.encoders._mirror import BothSides
from rawlabel.models.method import Batch, Method, NoOptions, StepOutput
from rawlabel.models.networks.building import build_network
from rawlabel.models.networks.normalization import Normalization, Normalizer
from rawlabel.models.portable.network import PortableNetwork
from rawlabel.models.portable.preprocessing import cut
from rawlabel.models.portable.records import FORMAT, Architecture, ModelRecord, Preprocessing
from rawlabel.models.predictor import Predictor
from rawlabel.models.transfer.head import FeatureHead

WEIGHTS = "model.safetensors"
METADATA = "rawlabel"
"""Key of the record in the metadata of a weights file."""
_AGAIN = "export the run again"


def read_export(path: Path) -> tuple[ModelRecord, dict[str, Tensor]]:
    """The record and the tensors of an exported safetensors file. Raises `CheckpointError`, and runs nothing."""
    try:
        with safe_open(path, "pt") as stream:
            text = (stream.metadata() or {}).get(METADATA)
            state = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        said = json.loads(text) if text is not None else None
    except (OSError, SafetensorError, ValueError, struct.error) as error:
        raise CheckpointError(f"{path}: is damaged or no safetensors file; {_AGAIN}") from error
    if (path.parent / "length.safetensors").is_file():
        raise CheckpointError(
            f"{path.parent}: is a folder for timm and the hub (probabilities.py says how it is used); name "
            f"the run, or "
            "an export of --format safetensors"
        )
    if not isinstance(said, dict) or "architecture" not in said:
        raise CheckpointError(
            f"{path}: is no model that rawlabel exported; name a run directory, or what `rawlabel "
            f"export-model` wrote"
        )
    try:
        record = check_record(ModelRecord, said, path, _AGAIN)
    except DataError as error:
        raise CheckpointError(str(error)) from error
    if record.format != FORMAT:
        raise CheckpointError(f"{path}: was written by another rawlabel (format {record.format}); {_AGAIN}")
    return record, state


def build(record: ModelRecord, state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The network of an export with its weights, in evaluation mode. Raises `CheckpointError`, `ConfigError`."""
    network = _empty(record.architecture, len(record.classes), record.preprocessing)
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        raise CheckpointError(f"{path}: its weights do not fit {record.architecture.name}; {_AGAIN}") from error
    return network.eval().requires_grad_(False)


def _empty(said: Architecture, num_classes: int, how: Preprocessing) -> nn.Module:
    import timm

    if said.library == "timm":
        given: Any = dict(said.options)
        twin: nn.Module = timm.create_model(said.name, num_classes=num_classes, **given)
        return twin
    if said.head is None:
        options, side = dict(said.options), how.image_size
        return PortableNetwork(
            None,
            [
                build_network(said.name, num_classes, options=options, image_size=side)
                for _ in range(said.networks)
            ],
        )
    head = said.head
    return PortableNetwork(
        _trunk(said),
        [
            FeatureHead(head.features, num_classes, head.hidden, by_deviation=head.by_deviation)
            for _ in range(said.networks)
        ],
    )


def _trunk(said: Architecture) -> nn.Module:
    """The encoder of an export, without the weights that it was trained with where timm can build it."""
    import timm

    if not said.is_timm_trunk:
        return load_encoder(said.name).network
    name = said.name.removesuffix(MIRROR)
    network: nn.Module = timm.create_model(name, num_classes=0)
    return network if name == said.name else BothSides(network)


class _Exported(Method[NoOptions]):
    """What answers in the place of a run's method."""

    def forward(self, batch: Batch) -> StepOutput:
        """Nothing: an export is not trained."""
        raise NotImplementedError("an exported model is not trained; train a run")


@dataclass(frozen=True)
class _ExportedTransform(Transform):
    """Views as the export says they are cut, by Pillow."""

    how: Preprocessing | None = None

    @property
    def stored_side(self) -> int:
        """Photos come as they are, as another program would get them."""
        return 1 << 20

    def evaluation_view(self, pixels: Pixels) -> Pixels:
        """The view [side, side, 3] of an image's pixels [height, width, 3]."""
        assert self.how is not None
        return np.array(cut(Image.fromarray(pixels), self.how), dtype=np.uint8)


def open_classifier(
    place: Path,
    *,
    device: Device | None = None,
    precision: Precision = "auto",
    none_of_these: bool = False,
    batch_size: int = BATCH_SIZE,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Classifier:
    """The classifier at `place`: that of a run directory, or an exported safetensors model (file or folder).

    Raises `DataError` for what is neither, `ConfigError` and `CheckpointError`.
    """
    refuse_no_model(place)
    file = exported_file(place)
    if file is None:
        return Classifier.load(
            place, device=device, precision=precision, none_of_these=none_of_these, batch_size=batch_size,
            max_megapixels=max_megapixels,
        )  # fmt: skip
    if none_of_these:
        raise ConfigError(f"--none-of-these: {file} does not know the training photos; name the run itself")
    record, state = read_export(file)
    said, where = record.preprocessing, choose_device(device or "auto")
    network = build(record, state, file).to(where).to(memory_format=torch.channels_last)
    augment = record.architecture.augment
    side = said.image_size
    transform = Transform(side, augment) if augment else _ExportedTransform(side, "none", said)
    predictor = Predictor(
        _Exported(lambda: network, 0, len(record.classes), NoOptions()),
        transform,
        Normalizer(side, where, Normalization(said.mean, said.std)),
        where,
        choose_precision("fp32" if precision == "auto" else precision, where),
    )
    return Classifier(
        predictor, record.classes, record.origin.epoch, file, batch_size=batch_size, max_megapixels=max_megapixels
    )


def refuse_no_model(place: Path) -> None:
    """Raise `DataError` where nothing at `place` classifies images, with the hint that fits what is there."""
    if exported_file(place) is not None or (place / "config.json").is_file():
        return
    RunDirectory.existing(place)


def exported_file(place: Path) -> Path | None:
    """The weights of an export that `place` names, a file or its folder; None where it names something else.

    Raises `DataError` for a file of another kind, and a folder of exports, with what to name.
    """
    if (place / "config.json").is_file() and not (place / WEIGHTS).is_file():
        return None
    if place.is_dir() and (place / WEIGHTS).is_file():
        return place / WEIGHTS
    if place.is_file():
        if place.suffix != ".safetensors":
            raise DataError(
                f"{place}: is a file; name a run directory, or a .safetensors file of `export-model`{_hint(place)}"
            )
        if place.parent.name == "checkpoints" and RunDirectory(place.parent.parent).log_path.exists():
            raise DataError(f"{place}: is a checkpoint inside a run; name the run, {place.parent.parent}")
        return place
    if place.is_dir() and list(place.glob("*.onnx")):
        raise DataError(
            f"{place}: is an export for ONNX, which onnxruntime runs; name the run, or a safetensors export"
        )
    return None


def _hint(place: Path) -> str:
    """What a file of another kind is good for."""
    return (
        "; image files come behind it"
        if place.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp", ".gif")
        else ""
    )

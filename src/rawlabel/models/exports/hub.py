"""A folder for the Hugging Face hub, which timm opens: weights, settings, a model card, and a page for a demo."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from rawlabel.base.files import atomic_write, disk_errors, write_json
from rawlabel.config.recipe import MIRROR
from rawlabel.errors import ConfigError
from rawlabel.models.exports import _hub_files
from rawlabel.models.model_format import (
    TOLERANCE,
    Images,
    Logits,
    ModelFormat,
    ModelRecord,
    Opened,
    PortableModel,
    WriteRequest,
)  # fmt: skip
from rawlabel.models.portable.loading import METADATA, WEIGHTS
from rawlabel.models.portable.photos import pixels_of
from rawlabel.models.portable.preprocessing import normalized
from rawlabel.models.portable.records import Preprocessing
from rawlabel.models.portable.timm_twin import LengthHead, TimmTwin, at_one_length

_CONFIG, _LENGTH, _PROGRAM = "config.json", "length.safetensors", "probabilities.py"
_PLAIN_TOLERANCE = 0.35
"""Largest difference of a probability where timm's layers leave the length of a photo's features alone: the class
is the same, and `probabilities.py` in the folder gives the probability."""


class HubModel(ModelFormat):
    """A folder for `timm.create_model("local-dir:FOLDER")` and the Hugging Face hub, with a card and a demo.

    The model card is made from the run: photos and licenses, raw labels, rule, accuracy, limits. `demo/app.py` is
    a page to drop photos on. Where the run's head brings each photo's features to one length, which no layer of
    timm does, timm alone sees the same class, and `probabilities.py` beside it gives the run's probabilities.
    """

    def write(self, model: PortableModel, out: Path, request: WriteRequest) -> None:
        """Write weights, settings and the demo; the card follows when the proof is known."""
        from safetensors.torch import save

        twin, length = _twin_of(model, request)
        record = _by_timm(model.record)
        write_json(out / _CONFIG, _config(record, twin))
        with atomic_write(out / WEIGHTS) as stream:
            metadata = (
                {"format": "pt"}
                if length is not None
                else {"format": "pt", METADATA: json.dumps(record.as_json())}
            )
            stream.write(save(dict(twin.state), metadata))
        texts = {"demo/app.py": _hub_files.APP, "demo/requirements.txt": _hub_files.REQUIREMENTS}
        title = json.dumps(", ".join(model.class_ids[:3]) + (", ..." if len(model.class_ids) > 3 else ""))
        texts["demo/app.py"] = texts["demo/app.py"].replace("TITLE", title)
        texts["demo/README.md"] = _hub_files.SPACE.format(title=title)
        if length is not None:
            tensors = {"mean": length.mean, "bias": length.bias, "length": torch.tensor(length.length)}
            with atomic_write(out / _LENGTH) as stream:
                stream.write(save(tensors))
            texts[_PROGRAM] = _hub_files.PROBABILITIES
        _write_texts(out, texts)

    def open(self, out: Path) -> Sequence[Opened]:
        """Open the folder as anybody does, with timm alone."""
        import timm
        from timm.data.config import resolve_data_config
        from timm.data.transforms_factory import create_transform

        network: Any = timm.create_model(f"local-dir:{out}", pretrained=True).eval()
        network.to(memory_format=torch.channels_last)
        classes = tuple(network.pretrained_cfg["label_names"])
        view: Any = create_transform(**resolve_data_config(model=network))

        def answer(images: Images) -> Logits:
            with torch.inference_mode():
                logits: Logits = network(torch.from_numpy(images)).numpy()
            return logits

        def preprocess(image: Image.Image) -> Images:
            one: Images = view(image)[None].numpy()
            return one

        by = f"timm {timm.__version__}"
        if not (out / _LENGTH).is_file():
            return [Opened(f"{by} by its local-dir", classes, answer, preprocess, by)]
        program = _program(out / _PROGRAM)

        def corrected(images: Images) -> Logits:
            logits: Logits = program(network, torch.from_numpy(images), out).numpy()
            return logits

        return [
            Opened(f"{by} by its local-dir and {_PROGRAM}", classes, corrected, preprocess, by, TOLERANCE),
            Opened(f"{by} alone", classes, answer, None, "", _PLAIN_TOLERANCE),
        ]

    def finish(self, model: PortableModel, out: Path, record: ModelRecord) -> None:
        """Write the model card, which tells the proof."""
        _write_texts(out, dict(model.make_card(_by_timm(record))))


def _by_timm(record: ModelRecord) -> ModelRecord:
    """The record of a folder that timm opens by the name of its network, whatever the run has behind it."""
    architecture = record.architecture.model_copy(update={"library": "timm", "head": None})
    return record.model_copy(update={"architecture": architecture})


def _twin_of(model: PortableModel, request: WriteRequest) -> tuple[TimmTwin, LengthHead | None]:
    """The network in timm's layers, and what they leave out. Raises `ConfigError` where timm has nothing like
    it."""
    if model.twin is not None:
        return model.twin, None
    images = request.photos.proof_images()
    transform = model.predictor.transform
    views = np.stack([transform.evaluation_view(one) for one in pixels_of(images, transform)])
    found = at_one_length(model.network, torch.from_numpy(normalized(views, model.record.preprocessing)))
    if found is None:
        raise ConfigError(f"--format hub: timm has no network like {_kept_out(model)}")
    return found


def _kept_out(model: PortableModel) -> str:
    """What timm cannot build of a model, and what to use instead."""
    said = model.record.architecture
    instead = "--format onnx is opened without rawlabel, too"
    if said.networks > 1:
        return f"the {said.networks} of {said.name}, whose mean answers; {instead}"
    if model.network.trunk is None:
        return f"{said.name}; {instead}, or train one of timm's, such as --model resnet18"
    if said.name.endswith(MIRROR):
        return f"{said.name}, which sees each photo's mirror image, too; {instead}, or train one without {MIRROR}"
    return f"{said.name} with this head; {instead}, or train one without --hidden on an encoder of timm's"


def _config(record: ModelRecord, twin: TimmTwin) -> dict[str, object]:
    """What timm and the hub read."""
    how: Preprocessing = record.preprocessing
    side = how.image_size
    return {
        "architecture": twin.name,
        "num_classes": len(record.classes),
        "label_names": list(record.classes),
        "label_descriptions": {one: record.labels.get(one, one) for one in record.classes},
        "model_args": dict(twin.options),
        "pretrained_cfg": {
            "input_size": [3, side, side],
            "fixed_input_size": bool(twin.options.get("img_size")),
            "interpolation": how.interpolation,
            "crop_pct": how.crop_pct,
            "crop_mode": how.crop,
            "mean": list(how.mean),
            "std": list(how.std),
            "num_classes": len(record.classes),
            "label_names": list(record.classes),
            "label_descriptions": {one: record.labels.get(one, one) for one in record.classes},
        },
    }


def _write_texts(out: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        with disk_errors(out / name):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out / name) as stream:
            stream.write(text.encode("utf-8"))


def _program(path: Path) -> Callable[..., Any]:
    """The function that the folder's own program gives people."""
    spec = importlib.util.spec_from_file_location("rawlabel_exported_probabilities", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = module.logits
    return found


PLUGIN = HubModel

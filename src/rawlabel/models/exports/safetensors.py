"""One file of weights, with classes, preprocessing and what must be built in its metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from rawlabel.base.files import atomic_write
from rawlabel.models.model_format import Images, Logits, ModelFormat, Opened, PortableModel, WriteRequest
from rawlabel.models.portable.loading import METADATA, WEIGHTS, build, read_export
from rawlabel.models.portable.preprocessing import cut, normalized


class SafetensorsModel(ModelFormat):
    """One `model.safetensors`, which nothing is run to open, with classes and preprocessing in its metadata.

    Where timm has the network, names are timm's, so that `timm.create_model` and `load_state_dict` open it; else
    the encoder is `trunk.` and timm's names, and the layers behind it are `heads.0.`, as its metadata say.
    `rawlabel predict` and `rl.load` take the file as they take a run.
    """

    def write(self, model: PortableModel, out: Path, request: WriteRequest) -> None:
        """Write the one file, as safetensors lays it out, at once or not at all."""
        from safetensors.torch import save

        state = model.twin.state if model.twin is not None else model.network.state_dict()
        record = model.record.as_json()
        metadata = {
            "format": "pt",
            METADATA: json.dumps(record),
            "classes": json.dumps(record["classes"]),
            "preprocessing": json.dumps(record["preprocessing"]),
        }
        tensors = {name: tensor.detach().contiguous() for name, tensor in state.items()}
        with atomic_write(out / WEIGHTS) as stream:
            stream.write(save(tensors, metadata))

    def open(self, out: Path) -> Sequence[Opened]:
        """Build the network that the metadata name, by timm where timm has it, and load the weights."""
        import timm

        record, state = read_export(out / WEIGHTS)
        network = build(record, state, out / WEIGHTS).to(memory_format=torch.channels_last)
        said = record.architecture

        def answer(images: Images) -> Logits:
            with torch.inference_mode():
                logits: Logits = network(torch.from_numpy(images)).numpy()
            return logits

        def preprocess(image: Image.Image) -> Images:
            view = np.asarray(cut(image, record.preprocessing), dtype=np.uint8)
            return normalized(view[None], record.preprocessing)

        is_timm = said.library == "timm" or said.is_timm_trunk
        by = f"timm {timm.__version__}" if is_timm else f"torch {torch.__version__}"
        return [Opened(f"safetensors and {by}", record.classes, answer, preprocess, "Pillow")]


PLUGIN = SafetensorsModel

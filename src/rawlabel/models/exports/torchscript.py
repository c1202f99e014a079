"""A traced network for programs that have libtorch and no Python."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from rawlabel.base.files import disk_errors
from rawlabel.models.model_format import (
    Images,
    Logits,
    ModelFormat,
    ModelRecord,
    Opened,
    PortableModel,
    WriteRequest,
)  # fmt: skip
from rawlabel.models.portable.preprocessing import cut, normalized

_FILE, _RECORD = "model.pt", "rawlabel.json"


class TorchScriptModel(ModelFormat):
    """`model.pt` for libtorch, C++ and phones: the traced network, with classes and preprocessing as
    `rawlabel.json`.

    torch calls TorchScript deprecated; where a program can choose, onnx is the format with a future.
    """

    def write(self, model: PortableModel, out: Path, request: WriteRequest) -> None:
        """Trace the network on two images, and write it with the record as an extra file."""
        side = model.record.preprocessing.image_size
        with warnings.catch_warnings(), disk_errors(out / _FILE):
            warnings.simplefilter("ignore")
            traced: Any = torch.jit.trace(model.network, torch.zeros(2, 3, side, side))  # type: ignore[no-untyped-call]
            text = json.dumps(model.record.as_json())
            torch.jit.save(traced, str(out / _FILE), _extra_files={_RECORD: text})

    def open(self, out: Path) -> Sequence[Opened]:
        """Load the file by torch alone, with the record that lies inside it."""
        files = {_RECORD: ""}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network: Any = torch.jit.load(str(out / _FILE), map_location="cpu", _extra_files=files)  # type: ignore[no-untyped-call]
        record = ModelRecord.model_validate_json(files[_RECORD])

        def answer(images: Images) -> Logits:
            with torch.inference_mode():
                logits: Logits = network(torch.from_numpy(images)).numpy()
            return logits

        def preprocess(image: Image.Image) -> Images:
            view = np.asarray(cut(image, record.preprocessing), dtype=np.uint8)
            return normalized(view[None], record.preprocessing)

        return [Opened(f"torch.jit of torch {torch.__version__}", record.classes, answer, preprocess, "Pillow")]


PLUGIN = TorchScriptModel

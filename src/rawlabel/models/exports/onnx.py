"""ONNX, for onnxruntime and whatever else runs it: any size of batch, float32, or 8-bit integers beside it."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from rawlabel.base.files import atomic_write, disk_errors
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
from rawlabel.models.portable.photos import drawn, pixels_of
from rawlabel.models.portable.preprocessing import cut, normalized

_FILE, _RECORD = "model.onnx", "rawlabel"
_CALIBRATION_IMAGES = 128
"""Training images by whose activations the ranges of 8-bit integers are chosen."""


class OnnxModel(ModelFormat):
    """`model.onnx`: `images` [batch, 3, side, side] to `logits` [batch, classes], for any batch.

    Classes and preprocessing are in its metadata, and as `model.json` beside it. With --int8 weights and
    activations are 8-bit integers, by onnxruntime's static quantization with ranges of training images; what that
    costs is said by the accuracy on the raw labels that were held out.
    """

    packages = ("onnx", "onnxscript", "onnxruntime")
    extra = "onnx"

    def write(self, model: PortableModel, out: Path, request: WriteRequest) -> None:
        """Write the float32 network, and with `int8` the quantized one in its place."""
        side = model.record.preprocessing.image_size
        with _quiet():
            program: Any = torch.onnx.export(
                model.network,
                (torch.zeros(2, 3, side, side),),
                dynamo=True,
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                verbose=False,
            )
        _write(program.model_proto, model.record, out / _FILE)
        if request.int8:
            with _quiet():
                _quantize(out / _FILE, _calibration(model, request))
            import onnx

            _write(onnx.load(out / _FILE), model.record, out / _FILE)

    def open(self, out: Path) -> Sequence[Opened]:
        """Run the file with onnxruntime on the processor."""
        import onnxruntime

        session = onnxruntime.InferenceSession(str(out / _FILE), providers=["CPUExecutionProvider"])
        said = session.get_modelmeta().custom_metadata_map
        record = ModelRecord.model_validate_json(said[_RECORD])

        def answer(images: Images) -> Logits:
            logits: Logits = session.run(["logits"], {"images": images})[0]
            return logits

        def preprocess(image: Image.Image) -> Images:
            view = np.asarray(cut(image, record.preprocessing), dtype=np.uint8)
            return normalized(view[None], record.preprocessing)

        tolerance = None if "int8" in said else TOLERANCE
        name, classes = f"onnxruntime {onnxruntime.__version__}", tuple(json.loads(said["classes"]))
        return [Opened(name, classes, answer, preprocess, "Pillow", tolerance)]


def _write(proto: Any, record: ModelRecord, path: Path) -> None:
    import onnx

    kinds = {node.op_type for node in proto.graph.node}
    own = record.as_json()
    metadata = {
        _RECORD: json.dumps(own),
        "classes": json.dumps(own["classes"]),
        "preprocessing": json.dumps(own["preprocessing"]),
        **({"int8": "static, by onnxruntime"} if "QuantizeLinear" in kinds else {}),
    }
    onnx.helper.set_model_props(proto, metadata)
    with atomic_write(path) as stream:
        stream.write(proto.SerializeToString())


def _calibration(model: PortableModel, request: WriteRequest) -> list[Images]:
    images = drawn(request.photos.train, _CALIBRATION_IMAGES)
    transform = model.predictor.transform
    views = [transform.evaluation_view(one) for one in pixels_of(images, transform)]
    return [normalized(one[None], model.record.preprocessing) for one in views]


def _quantize(path: Path, images: list[Images]) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """The images, one a batch."""

        def __init__(self) -> None:
            self._left = iter(images)

        def get_next(self) -> dict[str, Images] | None:
            """The next one, as onnxruntime takes it; None behind the last."""
            one = next(self._left, None)
            return None if one is None else {"images": one}

    prepared = path.with_name("prepared.onnx")
    try:
        with disk_errors(path):
            quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(path),
                Reader(),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                calibrate_method=CalibrationMethod.MinMax,
            )
    finally:
        prepared.unlink(missing_ok=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the exporters say of their own workings."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


PLUGIN = OnnxModel

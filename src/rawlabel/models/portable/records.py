"""What an exported model says of itself, as frozen records: in its metadata, and as `model.json` beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from rawlabel.base.checked import Record

FORMAT = 1
ABOUT = "model.json"
"""The file beside an exported model that says all of this."""


class Preprocessing(Record):
    """What is done to a photo before the network sees it, in the order of the fields."""

    color: str = "RGB, upright as the photo's EXIF orientation says"
    resize_shorter_side: int
    """To which the photo is resized at its own aspect [pixels]; with crop mode `squash`, both sides."""
    interpolation: str
    """As Pillow calls it, antialiased."""
    crop: str = "center"
    """timm's crop mode."""
    crop_pct: float
    """Share of the resized side that the crop shows."""
    image_size: int
    """Side of the crop [pixels]."""
    scale: str = "divide by 255, subtract the mean, divide by the deviation, channel by channel"
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layout: str = "float32 [batch, 3, height, width]"


class HeadRecord(Record):
    """The layers behind an encoder."""

    features: int
    hidden: int = 0
    by_deviation: bool = False
    """Whether the head brings each feature to one deviation, and not each photo's features to one length."""
    formula: str = ""
    """How logits come of features, in words."""


class Architecture(Record):
    """What must be built before the weights can be loaded."""

    library: Literal["timm", "rawlabel"]
    """`timm`: `timm.create_model(name, num_classes=...)` is all; `rawlabel`: see `docs/handover.md`."""
    name: str
    """Of the network, or of the encoder where there is a head."""
    options: Mapping[str, object] = Field(default_factory=dict)
    """Further arguments of the network's constructor."""
    is_timm_trunk: bool = False
    """Whether the encoder is `timm.create_model(name, num_classes=0)`; with `+mirror` behind that name, features
    are the mean of those of image and mirror image."""
    head: HeadRecord | None = None
    networks: int = 1
    """Networks (or heads) whose mean logits are the answer."""
    augment: str | None = None
    """How the run cut its views; None where an encoder did."""


class Origin(Record):
    """Which run it was made of."""

    run: str
    epoch: int
    """Of the weights, counted from 0; the run's rule selected it."""
    is_finished: bool
    rawlabel: str
    commit: str = ""
    data: str = ""
    """Fingerprint of the data that were trained on."""
    encoder: str = ""
    """What a reader must know of the frozen network under it; empty where there is none."""
    temperature: float = 1.0
    """By which the logits are divided already, so that their softmax is the probability that `predict` prints."""


class Proof(Record):
    """How the written files answered, read by another program, beside the run in the same arithmetic."""

    read_by: str
    """The program, with its version."""
    images: int
    is_all: bool
    """Whether these are all images that the run has."""
    batch_sizes: tuple[int, ...]
    tolerance: float | None
    """Largest difference of a probability that is let through; None where the accuracy is stated instead."""
    largest_difference: float
    same_class: int
    """Images with the same best class, by its name."""
    preprocessed_by: str = ""
    """What cut the views of the image files in the second comparison; empty where none was made."""
    preprocessed_images: int = 0
    preprocessed_same_class: int = 0
    preprocessed_mean_difference: float = 0.0
    """Mean over images of the largest difference of a probability, from views that were cut by the other
    program."""


class HoldoutAccuracy(Record):
    """Right answers on the raw labels that were held out, some of which may be wrong."""

    images: int
    correct: int
    correct_float32: int
    """Of the float32 model that it was made of."""
    same_class_as_float32: int


class OwnArithmetic(Record):
    """How much the run's answers differ in the faster arithmetic in which it predicts where a machine has it."""

    arithmetic: str
    images: int
    same_class: int
    mean_difference: float
    """Mean over images of the largest difference of a probability."""


class ModelRecord(Record):
    """All of it: `model.json`, and, without the proof, the metadata inside the model."""

    format: int = FORMAT
    classes: tuple[str, ...]
    """In the order of the logits."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    """Names of classes by id, where they are called otherwise."""
    preprocessing: Preprocessing
    architecture: Architecture
    origin: Origin
    output: str = "logits [batch, classes]; their softmax are probabilities"
    proofs: tuple[Proof, ...] = ()
    """In each way in which people open it; the best one first."""
    int8: HoldoutAccuracy | None = None
    own_arithmetic: OwnArithmetic | None = None
    """None where the run predicts in float32."""

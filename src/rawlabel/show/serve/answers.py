"""What a served model says of a photo, and the protocol of what says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from rawlabel.base.checked import Record
from rawlabel.errors import RawlabelError

Pixels = npt.NDArray[np.uint8]
"""[height, width, 3], RGB."""


class NotAPhoto(RawlabelError):
    """The bytes that somebody sent are no image that can be decoded, or too large a one."""


class GuessedClass(Record):
    """A class and its probability."""

    class_id: str
    name: str
    """What people call it."""
    probability: float
    """Of the raw label, 0 to 1, at the run's temperature where it has one."""


class Neighbour(Record):
    """A training photo that looks like the photo that was sent."""

    number: int
    """For `/training-photos/NUMBER`."""
    likeness: float
    """Cosine of the features, -1 to 1."""
    raw_label: str
    """The keyword's class, which nobody checked."""
    author: str = ""
    """Empty where nothing says who took it."""
    license: str = ""
    page: str | None = None
    """Web page of the photo."""


class Answer(Record):
    """What is said of one photo."""

    classes: tuple[GuessedClass, ...]
    """The likeliest first."""
    none_of_these: bool | None = None
    """Whether the photo is unlike every class; null where the model cannot tell."""
    nearest: tuple[Neighbour, ...] = Field(default=())
    """The training photos that look most like it; empty where they are not at hand."""
    milliseconds: float
    """Time that the network, and the search for neighbours, took."""


class Fault(Record):
    """What is answered where a photo cannot be classified."""

    error: str
    """What is wrong, and what to do."""


@dataclass(frozen=True)
class ServedModel:
    """What the page says of the model."""

    title: str
    run: str
    epoch: int
    classes: Sequence[str]
    training_photos: int
    """How many can be shown as neighbours."""
    notes: tuple[str, ...] = ()
    """What a reader must know, such as whose labels the encoder saw."""


class Answerer(Protocol):
    """What classifies photos."""

    model: ServedModel

    async def decode(self, photo: bytes) -> Pixels:
        """The pixels of the bytes of an image file, wherever it is safe to decode them. Raises `NotAPhoto`."""
        ...

    def answer(self, pixels: Pixels, top: int, nearest: int) -> Answer:
        """Classify a photo by its pixels. Called in threads, several at a time."""
        ...

    def thumbnail(self, number: int) -> bytes | None:
        """A training photo as a small JPEG; None where there is none of that number or it cannot be read."""
        ...

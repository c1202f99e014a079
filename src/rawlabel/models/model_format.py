"""Formats that a model is exported to: one file each in `exports/`; to add one, write `<name>.py` with `PLUGIN`.

A format writes a folder and opens it again as a stranger would, with another program. What that program says of
the run's own images is compared with what the run says (`rawlabel.models.portable.proof`), and an export that
answers otherwise is not kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from rawlabel.errors import ConfigError
from rawlabel.models.portable.model import Images, PortableModel
from rawlabel.models.portable.photos import RunPhotos
from rawlabel.models.portable.records import ModelRecord

__all__ = [
    "TOLERANCE", "Images", "Logits", "ModelFormat", "ModelRecord", "Opened", "PortableModel", "RunPhotos",
    "WriteRequest",
]  # fmt: skip

TOLERANCE = 0.001
"""Largest difference of a probability between a run and its export, both in float32."""
Logits = npt.NDArray[np.float32]
"""[batch, classes]."""


@dataclass(frozen=True)
class WriteRequest:
    """What was asked for besides the format."""

    photos: RunPhotos
    int8: bool = False
    """Whether weights and activations become 8-bit integers."""


@dataclass(frozen=True)
class Opened:
    """An export as another program reads it."""

    read_by: str
    """The program, with its version."""
    classes: tuple[str, ...]
    """As the files of the export name them, in the order of the logits."""
    answer: Callable[[Images], Logits]
    preprocess: Callable[[Image.Image], Images] | None = None
    """From an upright image to one [1, 3, side, side], as the files say."""
    preprocessed_by: str = ""
    tolerance: float | None = TOLERANCE
    """Largest difference of a probability that is let through; None for 8-bit integers, whose accuracy is stated
    instead."""


class ModelFormat(ABC):
    """Base of all formats."""

    packages: tuple[str, ...] = ()
    """What must be importable."""
    extra: str = ""
    """The extra of rawlabel that installs them."""

    @abstractmethod
    def write(self, model: PortableModel, out: Path, request: WriteRequest) -> None:
        """Write the files of the export into the empty folder `out`.

        Raises `ConfigError` where the format cannot hold this model, with what can, and `DiskError`.
        """

    @abstractmethod
    def open(self, out: Path) -> Sequence[Opened]:
        """Open what `write` wrote, from the files alone, in each way in which people open it; the best one
        first."""

    def finish(self, model: PortableModel, out: Path, record: ModelRecord) -> None:  # noqa: B027 - most add nothing
        """Add to the folder what tells people of the proof, which `record` holds now."""

    def refuse_missing(self, name: str) -> None:
        """Raise `ConfigError` that says what to install, where a package is missing."""
        missing = [one for one in self.packages if find_spec(one) is None]
        if missing:
            raise ConfigError(
                f"--format {name}: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not "
                f"installed; run "
                f"`pip install 'rawlabel[{self.extra}]'`"
            )

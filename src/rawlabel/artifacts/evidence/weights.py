"""What `weights_choice.json` of a run directory holds: which weights fine-tuning kept, by raw labels alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rawlabel.base.checked import Count, Measured, Record, check_record
from rawlabel.base.files import read_json

WEIGHTS_CHOICE = "weights_choice.json"
_REMEDY = "train again into another --outpath"


class WeightsScore(Record):
    """One of the weights that fine-tuning may keep; None where nothing was held out, or no test set was named."""

    accuracy: Measured | None = None
    """On held-out raw labels [percent]."""
    loss: Measured | None = None
    """Their negative log likelihood [nats], at the temperature and share of idle labels that fit best."""
    test_accuracy: Measured | None = None
    """Top-1 [percent], measured once the choice was made."""


class WeightsChoice(Record):
    """Frozen, averaged and fine-tuned weights, and which of these a run kept."""

    chosen: str
    holdout_images: Count
    is_balanced: bool = False
    """Whether every class counted the same in accuracy and loss, however few of its photos are held out."""
    candidates: Mapping[str, WeightsScore]

    @property
    def test_accuracies(self) -> dict[str, float]:
        """Top-1 [percent] by name; empty without a test set."""
        each = self.candidates.items()
        return {name: one.test_accuracy for name, one in each if one.test_accuracy is not None}

    @property
    def costs(self) -> dict[str, float]:
        """Points of test accuracy by which each is below the best one; empty without a test set."""
        told = self.test_accuracies
        return {name: max(told.values()) - accuracy for name, accuracy in told.items()}

    def describe(self) -> str:
        """One line: what was kept, of what, and why."""
        if not self.holdout_images:
            return f"weights: {self.chosen}; nothing is held out that could tell"
        each = ", ".join(f"{name} {one.accuracy:.1f} %" for name, one in self.candidates.items())
        return (
            f"weights: {self.chosen}, by the likelihood of {self.holdout_images} held-out raw labels"
            f"{', every class counting the same' if self.is_balanced else ''}; right of these: {each}"
        )


def read_weights_choice(run: Path) -> WeightsChoice | None:
    """The choice of a run directory; None where none was made. Raises `DataError` for a damaged file."""
    path = run / WEIGHTS_CHOICE
    if not path.is_file():
        return None
    return check_record(WeightsChoice, read_json(path, "the choice of weights"), path, _REMEDY)

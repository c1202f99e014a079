"""What fine-tuning wrote down about the weights it could keep: a frozen record of the run directory."""

from __future__ import annotations

from collections.abc import Mapping

from rawlabel.base.checked import Count, Measured, Record


class WeightsScore(Record):
    """One of the weights that fine-tuning may keep; None where nothing was held out, or no test set was named."""

    accuracy: Measured | None = None
    """On held-out raw labels [percent]."""
    loss: Measured | None = None
    """Their negative log likelihood [nats], at the temperature and share of idle labels that fit best."""
    test_accuracy: Measured | None = None
    """Top-1 [percent], measured once the choice was made."""


class WeightsChoice(Record):
    """`weights_choice.json`: which of frozen, averaged and fine-tuned weights a run kept, by raw labels alone."""

    chosen: str
    holdout_images: Count
    candidates: Mapping[str, WeightsScore]

    @property
    def cost(self) -> float | None:
        """Points of test accuracy that the kept weights are below the best ones; None without a test set."""
        told = {name: one.test_accuracy for name, one in self.candidates.items() if one.test_accuracy is not None}
        return max(told.values()) - told[self.chosen] if told else None

    def describe(self) -> str:
        """One line: what was kept, of what, and why."""
        if not self.holdout_images:
            return f"weights: {self.chosen}; nothing is held out that could tell"
        each = ", ".join(f"{name} {one.accuracy:.1f} %" for name, one in self.candidates.items())
        return (
            f"weights: {self.chosen}, by the likelihood of {self.holdout_images} held-out raw labels; right of "
            f"these: {each}"
        )

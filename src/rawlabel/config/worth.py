"""The settings of `rawlabel worth`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class WorthConfig(Section):
    """Say how many clean labels a set of raw labels is worth: the clean set that trains as good a classifier.

    Runs are compared by their test accuracy at the epoch that their own rule selected.
    """

    runs: tuple[Path, ...] = setting((), "Finished runs on raw labels.", positional=True)
    clean: tuple[Path, ...] = setting(
        (), "Finished run on clean labels; given for four sizes or more (--train-size), best with several seeds."
    )
    ignore: tuple[str, ...] = setting(
        (), "Setting in which the runs of a group may differ besides the seed; may be given several times."
    )
    confidence: float = setting(0.95, "Confidence of the bootstrap intervals [0 to 1].", gt=0, lt=1)
    resamples: int = setting(1000, "Bootstrap resamples.", ge=100)
    seed: int = setting(0, "Seed of the resampling.", ge=0)
    out: Path | None = setting(None, "Folder for the result as JSON, and for the figure with its numbers as CSV.")

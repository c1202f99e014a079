"""What `choice.json` of a run directory holds: which head was trained, by raw labels alone (`--choose`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from rawlabel.base.checked import Count, Measured, Record, check_record
from rawlabel.base.files import read_json

CHOICE = "choice.json"
REMEDY = "remove it and run the same command again, which chooses anew"


class MeanOfPhotos(Record):
    """A mean over photos with its standard error."""

    mean: Measured
    standard_error: Measured


class HeadScore(Record):
    """One head that was tried, and how it did on raw labels that it was not fitted to."""

    text: str
    """Its settings in words."""
    settings: Mapping[str, object] = Field(default_factory=dict)
    """Its settings of `TrainConfig`, by name."""
    accuracy: MeanOfPhotos
    """Raw labels that it says [percent]."""
    behind: MeanOfPhotos | None = None
    """How many fewer these are than the most that one says, photo by photo [percent]; None in old runs."""
    loss: MeanOfPhotos
    """Negative log likelihood of the raw labels [nats]."""
    above: MeanOfPhotos
    """By how much its loss is above the best one's, photo by photo [nats]."""


class HeadChoice(Record):
    """The heads that were compared, and the one that was chosen."""

    data: str = ""
    """Fingerprint of the photos."""
    given: tuple[str, ...] = ()
    """Heads that were named, or none for the usual ones."""
    photos: Count
    """That they were compared on."""
    folds: Count
    weighing_rounds: Count | None = None
    """Of candidates that name none; None in old runs, where these are the run's own."""
    is_balanced: bool = False
    """Whether every class counted the same in all means, however few photos it has."""
    chosen: Count
    """Position among `candidates`."""
    candidates: tuple[HeadScore, ...]

    @model_validator(mode="after")
    def _knows_the_chosen(self) -> Self:
        if self.chosen >= len(self.candidates):
            raise ValueError("chosen is no position among candidates")
        return self

    @property
    def best(self) -> HeadScore:
        """The head that was chosen among the candidates, and trained."""
        return self.candidates[self.chosen]


def read_head_choice(run: Path) -> HeadChoice | None:
    """The choice of a run directory; None where nothing was to choose. Raises `DataError` for a damaged file."""
    path = run / CHOICE
    if not path.is_file():
        return None
    return check_record(HeadChoice, read_json(path, "the choice of a head"), path, REMEDY)

"""What `probe.json` of a run directory holds: simple classifiers on frozen features, beside the run."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field

from rawlabel.artifacts.run_records import Accuracy, Place
from rawlabel.base.checked import Measured, Record, check_record
from rawlabel.base.files import read_json

PROBE = "probe.json"
_REMEDY = "remove it and run `rawlabel probe` again"


class Classifier(Record):
    """One classifier, chosen by the raw holdout; accuracies in percent."""

    strength: Measured | None = Field(
        default=None, validation_alias=AliasChoices("C", "strength"), serialization_alias="C"
    )
    """Inverse strength of a linear classifier's penalty."""
    neighbors: int | None = Field(
        default=None, validation_alias=AliasChoices("k", "neighbors"), serialization_alias="k"
    )
    raw_holdout_accuracy: Measured
    tried: tuple[tuple[int | float, float], ...] = ()
    """Each setting that was tried, with its accuracy on the raw holdout [percent]."""
    test: Accuracy | None = None
    """None where there was no test set."""


class ProbedTestSet(Record):
    """The test set that the classifiers were measured on."""

    folder: str
    place: Place = Place()
    images: int


class Probe(Record):
    """The classifiers on the features of one network with certain weights."""

    backbone: str
    origin: str
    """`own` for the run's own features; else where the weights came from."""
    weights_file: str | None = None
    weights_sha256: str = ""
    epoch: int | None = None
    """Of the run's own network."""
    features: int = 0
    """Features of an image."""
    data: str = ""
    """Fingerprint of the training data."""
    training_images: int = 0
    holdout_images: int = 0
    linear: Classifier
    nearest_neighbors: Classifier
    remark: str = ""
    """What a reader must know of the features."""
    confidence: Measured
    """Of the intervals, from 0 to 1."""
    test: ProbedTestSet | None = None


class ProbeFile(Record):
    """The whole file: one entry for each network and weights."""

    probes: tuple[Probe, ...]


def read_probes(run: Path) -> tuple[Probe, ...]:
    """The probes of a run directory; none where none was measured. Raises `DataError` for a damaged file."""
    path = run / PROBE
    if not path.is_file():
        return ()
    return check_record(ProbeFile, read_json(path, "probes of a run"), path, _REMEDY).probes

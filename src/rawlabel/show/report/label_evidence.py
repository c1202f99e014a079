"""What `rawlabel labels` found about the raw labels of the run's data."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from rawlabel.base.checked import check_record
from rawlabel.base.files import read_json
from rawlabel.judge.label_evidence import experience
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence

MOST_CLASSES = 20
MOST_CONFUSIONS = 12


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Interval(_Record):
    estimate: FiniteFloat | None
    lower: FiniteFloat | None
    upper: FiniteFloat | None


class _Share(_Record):
    estimator: str
    meaning: str
    share: _Interval
    assumptions: str
    bias: str


class _Confusion(_Record):
    given: str
    preferred: str
    share_of_given: _Interval


class _AmbiguousClass(_Record):
    # `class` is no name in Python.
    class_id: str = Field(alias="class")
    expected_damage: FiniteFloat
    signature: str
    sibling: str | None
    lost: FiniteFloat
    mass_deficit: FiniteFloat
    second_mode: FiniteFloat
    shared: FiniteFloat


class _Evidence(_Record):
    held_out_photos: int
    runs: int
    confidence: FiniteFloat
    wrong_label_share: list[_Share]
    caution: str
    confusions: list[_Confusion]
    ambiguous_classes: list[_AmbiguousClass]


@dataclass(frozen=True, slots=True)
class LabelSection:
    """The section's values; shares from 0 to 1 as in the file, classes by their names."""

    photos: int
    runs: int
    confidence: float
    """Of the intervals [percent]."""
    shares: list[tuple[str, str, str, str, str]]
    """Estimate with interval, how it fared where the truth is known, meaning, assumptions, bias."""
    experience: str
    """How all of them fared where the truth is known."""
    caution: str
    confusions: list[tuple[str, str, str]]
    """Raw label, class preferred, share with interval."""
    classes: list[tuple[str, float, str, str | None, _AmbiguousClass]]
    """Class, expected damage [percent], signature, sibling, signs; those with a signature first."""
    num_flagged: int


def read_label_evidence(collection: CollectionEvidence, run: RunEvidence) -> LabelSection | None:
    """Read `label_evidence.json` of the run; None where there is none. Raises `DataError` when it is damaged."""
    path = run.path / "label_evidence.json"
    if not path.is_file():
        return None
    evidence = check_record(
        _Evidence, read_json(path, "evidence about labels"), path, "run `rawlabel labels` again"
    )
    label = collection.label
    return LabelSection(
        evidence.held_out_photos,
        evidence.runs,
        100 * evidence.confidence,
        [_row(one) for one in evidence.wrong_label_share],
        experience.IN_ALL,
        evidence.caution,
        [
            (label(one.given), label(one.preferred), _text(one.share_of_given))
            for one in evidence.confusions[:MOST_CONFUSIONS]
        ],
        [
            (
                label(one.class_id),
                100 * one.expected_damage,
                one.signature,
                label(one.sibling) if one.sibling else None,
                one,
            )
            for one in evidence.ambiguous_classes[:MOST_CLASSES]
        ],
        sum(one.signature != "none" for one in evidence.ambiguous_classes),
    )


def _row(one: _Share) -> tuple[str, str, str, str, str]:
    fared = experience.OF_ESTIMATE.get(one.estimator, "not tried")
    return _text(one.share), fared, one.meaning, one.assumptions, one.bias


def _text(one: _Interval) -> str:
    if one.estimate is None or one.lower is None or one.upper is None:
        return "unknown"
    return f"{100 * one.estimate:.1f} % ({100 * one.lower:.1f} to {100 * one.upper:.1f} %)"

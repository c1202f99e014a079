"""Which raw labels the evidence of `rawlabel labels` doubts, in counts of photos; no share is estimated here.

No share of wrong labels stands here: where the truth is known, most intervals of such estimates missed
it (`rawlabel.judge.label_evidence.experience`). The photos themselves can be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence
from rawlabel.show.report.photos.suspects import Suspects

MOST_CLASSES = 20
MOST_PAIRS = 12
_SIGNATURES = {
    "sibling collapse": "photos go mostly to one other class",
    "diffuse loss": "photos go to many classes, or show two things",
    "none": "nothing unusual",
}


@dataclass(frozen=True, slots=True)
class LabelSection:
    """The section's values, classes by their names."""

    photos: int
    """Held out."""
    runs: int
    doubted: int
    looked_at: int
    pairs: list[tuple[str, str, int, int]]
    """Raw label, class that the photos look like, such photos, all photos with this label."""
    classes: list[tuple[str, float, str, str | None]]
    """Class, share of its held-out photos taken for others [percent], what is striking, nearest class."""
    num_flagged: int


def read_label_evidence(
    collection: CollectionEvidence, run: RunEvidence, suspects: Suspects | None
) -> LabelSection | None:
    """Read `label_evidence.json` of the run; None where there is none. Raises `DataError` when it is damaged."""
    evidence = run.label_evidence
    if evidence is None or suspects is None:
        return None
    label = collection.label
    ranked = sorted(suspects.pairs.items(), key=lambda one: (-one[1], one[0]))[:MOST_PAIRS]
    return LabelSection(
        evidence.held_out_photos,
        evidence.runs,
        suspects.doubted,
        suspects.looked_at,
        [(label(given), label(like), count, suspects.by_label[given]) for (given, like), count in ranked],
        [
            (
                label(one.class_id),
                100 * one.lost,
                _SIGNATURES.get(one.signature, one.signature),
                label(one.sibling) if one.sibling else None,
            )
            for one in evidence.ambiguous_classes[:MOST_CLASSES]
        ],
        sum(one.signature != "none" for one in evidence.ambiguous_classes),
    )

"""Groups of suspected photos inside a class: those that look like another class, and those that look like none.

A group can be judged at a glance, where single photos would take an hour: all photos of one raw label that look
like the same other class, or a cluster of photos that stray from their class together, such as those of another
thing of the same name. Beside each stands which keywords brought it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from rawlabel.artifacts.review.photo_groups import PhotoGroup, PhotoGroups
from rawlabel.judge.label_evidence.by_agreement import AgreementEvidence
from rawlabel.judge.label_evidence.held_out import Labels
from rawlabel.models.transfer.agreement import Features
from rawlabel.models.transfer.strays import LIMIT

FEWEST = 5
"""Photos of a group; fewer are looked at one by one."""
_SUSPECTED = 0.5
_MOST_CLUSTERED = 4000
"""Photos of one class that are clustered; the time grows with their square."""
_MOST_COMPARED = 500
"""Photos from which it is learned how alike two of a class usually are."""


def find_groups(
    evidence: AgreementEvidence, class_ids: Sequence[str], keywords: Mapping[str, str] | None = None
) -> PhotoGroups:
    """The groups among the suspected photos of `evidence`; `keywords` has what brought each photo, by its name."""
    scores = evidence.suspicion.score
    is_suspected = scores >= _SUSPECTED
    found = []
    for label, looks_like, rows in _rows_of_groups(evidence, is_suspected, len(class_ids)):
        ordered = rows[np.argsort(-scores[rows], kind="stable")]
        names = [evidence.photos[row] for row in ordered]
        brought = Counter(keywords[name] for name in names if keywords and name in keywords)
        found.append(
            PhotoGroup(
                label=class_ids[label],
                looks_like=None if looks_like is None else class_ids[looks_like],
                suspicion=float(scores[rows].mean()),
                photos=tuple(names),
                keywords=dict(brought.most_common()),
            )
        )
    found.sort(key=lambda one: (-len(one.photos), one.label, one.looks_like or ""))
    suspected = int(is_suspected.sum())
    return PhotoGroups(
        photos=len(scores),
        suspected=suspected,
        scattered=suspected - sum(len(one.photos) for one in found),
        groups=tuple(found),
    )


def _rows_of_groups(
    evidence: AgreementEvidence, is_suspected: np.ndarray, num_classes: int
) -> Iterator[tuple[int, int | None, Labels]]:
    """Label, the class that it looks like, and photos of each group that is large enough."""
    strays = is_suspected & (evidence.strayed >= LIMIT)
    preferred = evidence.suspicion.preferred
    for label in range(num_classes):
        of_label = evidence.labels == label
        for other in range(num_classes):
            rows = np.flatnonzero(is_suspected & ~strays & of_label & (preferred == other))
            if other != label and len(rows) >= FEWEST:
                yield label, other, rows
        rows = np.flatnonzero(strays & of_label)
        rows = rows[np.argsort(-evidence.strayed[rows], kind="stable")][:_MOST_CLUSTERED]
        if len(rows) >= FEWEST:
            usual = _usual_likeness(evidence.directions, np.flatnonzero(of_label & ~is_suspected))
            numbers = _clusters(evidence.directions[rows], usual)
            for number in np.unique(numbers):
                if (numbers == number).sum() >= FEWEST:
                    yield label, None, rows[numbers == number]


def _usual_likeness(directions: Features, rows: Labels) -> float:
    """The median cosine of two photos of a class; 0, as of any two photos, where there are no two."""
    some = rows[:: -(-len(rows) // _MOST_COMPARED) or 1]
    if len(some) < 2:
        return 0.0
    cosines = directions[some] @ directions[some].T
    return float(np.median(cosines[np.triu_indices(len(some), 1)]))


def _clusters(directions: Features, least: float) -> Labels:
    """Numbers of clusters [photos], in each of which photos are on average as alike as `least`, a cosine."""
    # A row without direction is like nothing, which cosines do not say.
    if not np.linalg.norm(directions, axis=1).all():
        return np.zeros(len(directions), dtype=np.int64)
    clustering = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - least
    )
    numbers: Labels = clustering.fit_predict(directions).astype(np.int64)
    return numbers

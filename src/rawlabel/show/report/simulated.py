"""What a simulated photo site says of its photos; never asked by training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from rawlabel.artifacts.manifest import Manifest, read_manifest
from rawlabel.artifacts.manifest_rows import ManifestRows
from rawlabel.artifacts.run import Run
from rawlabel.judge.evaluate.planted import PlantedCopies, find_planted
from rawlabel.judge.evaluate.truth import is_site_truth, photo_contents
from rawlabel.records import Verdict

TRUTH = "truth.json"
"""Where a simulated site leaves its truth in a project, as `rawlabel demo` does."""


@dataclass(frozen=True, slots=True)
class SiteTruth:
    """What the photos of a simulated site show, by that site's own account."""

    right: int
    """Kept label events whose raw label is what the photo shows."""
    total: int
    by_class: Mapping[str, tuple[int, int]]
    """Right and all of each class."""
    shows: Mapping[str, str] = field(repr=False)
    """What each photo shows, by its id: a class id, or what the site calls it."""

    @property
    def percent(self) -> float:
        """Share of the kept raw labels that are right [percent]."""
        return 100 * self.right / max(self.total, 1)


def read_truth(project: Path, manifest: Manifest, rows: ManifestRows) -> SiteTruth | None:
    """The truth of the simulated site that a project was collected from; None where it left none.

    Raises `DataError` when the file is damaged.
    """
    path = project / TRUTH
    if not path.is_file() or not is_site_truth(path):
        return None
    names = {
        name: spec.class_id for spec in manifest.classes for name in (spec.class_id, spec.name, *spec.keywords)
    }
    shows = {photo: names.get(content, content) for photo, content in photo_contents(path).items()}
    counts = dict.fromkeys(manifest.class_ids, (0, 0))
    for batch in rows.batches(["photo_id", "class_id", "verdict"]):
        kept = batch.filter(pc.equal(batch["verdict"], Verdict.KEPT.value))
        for photo, class_id in zip(kept["photo_id"].to_pylist(), kept["class_id"].to_pylist(), strict=True):
            right, total = counts[class_id]
            counts[class_id] = right + (shows.get(photo) == class_id), total + 1
    return SiteTruth(
        sum(right for right, _ in counts.values()), sum(total for _, total in counts.values()), counts, shows
    )


def read_planted(project: Path, manifest: Manifest, run: Run | None) -> PlantedCopies | None:
    """Which of the copies that a simulated site planted were found; None where it says nothing of any.

    What `run` left out counts where it was trained on this manifest. Raises `DataError` as `read_truth`.
    """
    path = project / TRUTH
    if not path.is_file() or not is_site_truth(path):
        return None
    trained_on = run.manifest_path if run is not None else None
    is_of_it = trained_on is not None and trained_on.resolve() == manifest.path.resolve()
    left_out = run.left_out_copies if run is not None and is_of_it else None
    return find_planted(read_manifest(manifest.path), path, left_out.images if left_out else ())

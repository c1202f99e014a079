"""How many raw labels were right, where a simulated photo site tells the truth; for evaluation only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rawlabel.errors import DataError
from rawlabel.files import read_json
from rawlabel.manifest import Manifest, read_manifest
from rawlabel.run_directory import RunDirectory


@dataclass(frozen=True, slots=True)
class RawLabelAccuracy:
    """Correct raw labels among the kept candidates."""

    correct: int
    total: int

    @property
    def percent(self) -> float:
        """Share of correct raw labels [percent]."""
        return 100 * self.correct / self.total


def raw_label_accuracy_of_run(run: RunDirectory, truth_file: Path) -> RawLabelAccuracy:
    """The same for the manifest that a run was trained on; raises `DataError` when it was class folders."""
    starts = read_json(run.path / "environment.json", "the starts of a run")
    origin = Path(starts[-1]["data"]["origin"])
    if not origin.is_file():
        raise DataError(f"{run.path}: was trained on class folders; --truth needs a run on a manifest")
    return raw_label_accuracy(read_manifest(origin), truth_file)


def raw_label_accuracy(manifest: Manifest, truth_file: Path) -> RawLabelAccuracy:
    """Compare the kept rows' classes with the site's truth; a class matches by its id, name or keyword.

    Raises `DataError` when the file is no truth file or lacks a photo.
    """
    photos = read_json(truth_file, "the truth of a simulated photo site").get("photos", {})
    names = {spec.class_id: {spec.class_id, spec.name, *spec.keywords} for spec in manifest.classes}
    correct = 0
    rows = manifest.kept().select(["photo_id", "class_id"]).to_pylist()
    for row in rows:
        if row["photo_id"] not in photos:
            raise DataError(f"{truth_file}: lacks photo {row['photo_id']}; take the truth of the site searched")
        correct += photos[row["photo_id"]]["content"] in names[row["class_id"]]
    return RawLabelAccuracy(correct, len(rows))

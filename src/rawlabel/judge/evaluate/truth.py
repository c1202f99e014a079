"""How many raw labels were right, where a simulated photo site tells the truth; for evaluation only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rawlabel.artifacts.manifest import Manifest, read_manifest
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.files import read_json
from rawlabel.errors import DataError


@dataclass(frozen=True, slots=True)
class RawLabelAccuracy:
    """Correct raw labels among the kept candidates."""

    correct: int
    total: int

    @property
    def percent(self) -> float:
        """Share of the raw labels that are right [percent], by a truth that training never sees."""
        return 100 * self.correct / self.total


def raw_label_accuracy_of_run(run: RunDirectory, truth_file: Path) -> RawLabelAccuracy:
    """The same for the manifest that a run was trained on; raises `DataError` when it was class folders."""
    return raw_label_accuracy(_manifest_of(run), truth_file)


def is_site_truth(truth_file: Path) -> bool:
    """Whether a file holds the truth of a simulated photo site; raises `DataError` when it is no JSON."""
    truth = read_json(truth_file, "the truth of a simulated photo site, or a class for each image's name")
    return isinstance(truth, dict) and isinstance(truth.get("photos"), dict)


def content_of_files(run: RunDirectory, truth_file: Path) -> dict[str, str]:
    """The class that each file of a run's manifest shows, by its path in the project; raises as the others do.

    What is none of the manifest's classes stays as the site calls it.
    """
    manifest = _manifest_of(run)
    photos = _read_photos(truth_file)
    names = {
        name: spec.class_id for spec in manifest.classes for name in (*spec.keywords, spec.name, spec.class_id)
    }
    shown = {}
    for row in manifest.kept().select(["path", "photo_id"]).to_pylist():
        content = _content(photos, row["photo_id"], truth_file)
        shown[row["path"]] = names.get(content, content)
    return shown


def _manifest_of(run: RunDirectory) -> Manifest:
    file = run.read().manifest_path
    if file is None:
        raise DataError(f"{run.path}: was trained on class folders; --truth needs a run on a manifest")
    return read_manifest(file)


def photo_contents(truth_file: Path) -> dict[str, str]:
    """What each photo of a simulated site shows, by its id, as the site calls it. Raises `DataError`."""
    return {photo: one["content"] for photo, one in _read_photos(truth_file).items()}


def _read_photos(truth_file: Path) -> dict[str, dict[str, str]]:
    return dict(read_json(truth_file, "the truth of a simulated photo site").get("photos", {}))


def _content(photos: dict[str, dict[str, str]], photo_id: str, truth_file: Path) -> str:
    if photo_id not in photos:
        raise DataError(f"{truth_file}: lacks photo {photo_id}; take the truth of the site searched")
    return photos[photo_id]["content"]


def raw_label_accuracy(manifest: Manifest, truth_file: Path) -> RawLabelAccuracy:
    """Compare the kept rows' classes with the site's truth; a class matches by its id, name or keyword.

    Raises `DataError` when the file is no truth file or lacks a photo.
    """
    photos = _read_photos(truth_file)
    names = {spec.class_id: {spec.class_id, spec.name, *spec.keywords} for spec in manifest.classes}
    correct = 0
    rows = manifest.kept().select(["photo_id", "class_id"]).to_pylist()
    for row in rows:
        correct += _content(photos, row["photo_id"], truth_file) in names[row["class_id"]]
    return RawLabelAccuracy(correct, len(rows))

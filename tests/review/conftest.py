"""A project with everything to look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rawlabel.artifacts.manifest import Manifest, newest_manifest
from rawlabel.artifacts.review.pairs import CERTIFICATE, LEAKS
from rawlabel.base.files import write_json
from rawlabel.config import CurateConfig
from rawlabel.gather.curate.stage import curate
from rawlabel.records import ClassSpec
from tests.helpers.report_project import HOSTILE_TITLE, Found, collect_by_hand, picture
from tests.helpers.review_server import Served, serving


@pytest.fixture
def project(birds: Path, tmp_path: Path) -> Path:
    """A copy of the project for one test alone."""
    return Path(shutil.copytree(birds, tmp_path / "birds"))


@pytest.fixture(scope="session")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos of each of two classes, of which two conflict; suspects, a group of one author, a leak."""
    folder = tmp_path_factory.mktemp("review") / "birds"
    owls = [
        Found(f"o{n}", picture(n), {"title": HOSTILE_TITLE, "author_id": "ann" if n < 4 else f"p{n}"})
        for n in range(12)
    ]
    robins = [Found(f"r{number}", picture(100 + number), {"author_id": f"q{number}"}) for number in range(12)]
    robins.append(Found("both", picture(11), {"author_id": "z"}))
    classes = [ClassSpec("owl", "barn owl", ("owl",)), ClassSpec("robin", "robin", ("robin",))]
    collect_by_hand(folder, classes, {("owl", "owl"): owls, ("robin", "robin"): robins})
    manifest = curate(CurateConfig(project=folder))
    (folder / "test.jpg").write_bytes(picture(5))
    add_evidence(manifest, folder)
    return folder


def add_evidence(manifest: Manifest, folder: Path) -> None:
    """Write what `labels` and decontamination would leave in a run: the last owls first."""
    run = folder / "runs" / "one"
    run.mkdir(parents=True)
    kept = manifest.kept().select(["path", "class_id", "photo_id", "group"]).to_pylist()
    kept.sort(key=lambda row: (row["class_id"], not row["group"].endswith("ann"), row["photo_id"]))
    rows = [
        {
            "photo": row["path"], "label": row["class_id"], "suspicion": 1 - place / 100, "label_confidence": 0.5,
            "preferred_class": "robin",
        }
        for place, row in enumerate(kept)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), run / "suspicion.parquet")
    leak = {
        "test": "test.jpg", "image": kept[5]["path"], "probe": "crop 0-90 x 2.5-100 %, flipped", "bits": 60,
        "correlation": 0.5,
    }  # fmt: skip
    pq.write_table(pa.Table.from_pylist([leak]), run / LEAKS)
    write_json(run / CERTIFICATE, [{"test": {"place": str(folder.resolve())}}])


@pytest.fixture
def served(project: Path) -> Iterator[Served]:
    """The page of the project, served."""
    manifest = newest_manifest(project)
    assert manifest is not None
    with serving(project, manifest) as page:
        yield page

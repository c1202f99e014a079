"""Time, memory and size of the report of a project of many photos.

    python -m benchmarks.report_scale WORK_FOLDER OUT_FOLDER [--events 200000 1000000] [--classes 1000]

A project as `collect`, `curate`, `train` and `labels` leave it: each label event with a title, an author, a
license and addresses, seven of ten kept, two rejected, one failed. Its files are 5,000 photos, to which all events
point, since a page shows hardly more. `rawlabel report` then runs in a process of its own, without the probe, that
needs a network; its peak memory is what Linux says of it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Part, PartState
from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.manifest import Manifest, write_manifest
from rawlabel.artifacts.project import catalogue_path, runs_path
from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.files import write_json
from rawlabel.config import CollectConfig, CurateConfig, TrainConfig
from rawlabel.records import ClassSpec, LabelEvent, Outcome, Photo, Reason, Status

PICTURES = 5_000
FATES = (*(["kept"] * 7), "same_photo", "too_small", "http_gone")
"""What becomes of ten label events, one after the other."""
HOST = "https://photos.example"
_REPORT = """
import sys
from rawlabel.cli import run
status = run(sys.argv[1:])
print(open("/proc/self/status").read())
sys.exit(status)
"""
"""What the child does; what the system says of it to its parent would count the parent's memory in."""


@dataclass(frozen=True)
class Measured:
    """One report."""

    events: int
    classes: int
    seconds: float
    peak_mb: float
    """Largest resident memory of the process [MiB]."""
    page_mb: float
    listed_pages: int
    """Pages of photos beside the report."""
    listed_mb: float


def _pictures(folder: Path) -> list[str]:
    """Write the photos; their paths in the project."""
    names = []
    for number in range(PICTURES):
        rng = np.random.default_rng(number)
        small = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
        stream = io.BytesIO()
        small.resize((160, 120), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=80)
        name = f"{hashlib.sha256(stream.getvalue()).hexdigest()}.jpg"
        names.append(f"images/{name[:2]}/{name}")
        (folder / names[-1]).parent.mkdir(parents=True, exist_ok=True)
        (folder / names[-1]).write_bytes(stream.getvalue())
    return names


def _digest(number: int) -> str:
    return hashlib.sha256(f"photo {number}".encode()).hexdigest()


def _facts(number: int) -> dict[str, str]:
    """What the site says of a photo."""
    return {
        "title": f"Photo {number} of a thing & its “neighbours”",
        "author": f"somebody {number % 9973}",
        "author_id": f"{number % 9973}@N00",
        "license_id": "4",
        "license_name": "CC BY 2.0",
        "license_url": "https://creativecommons.org/licenses/by/2.0/",
        "page_url": f"{HOST}/photos/{number % 9973}/{number}",
    }


def _specs(classes: int) -> list[ClassSpec]:
    return [ClassSpec(f"n{i:08d}", f"class {i}", (f"class {i}",)) for i in range(classes)]


def _fill_catalogue(project: Path, events: int, specs: list[ClassSpec]) -> str:
    """The facts, written as a collection writes them; returns their fingerprint."""
    each = events // len(specs)
    with Catalogue(catalogue_path(project), create=True) as catalogue:
        catalogue.plan(["flickr"], specs)
        for i, spec in enumerate(specs):
            numbers = range(i * each, (i + 1) * each)
            photos = [Photo("flickr", str(n), f"{HOST}/{n}.jpg", **_facts(n)) for n in numbers]
            found = [
                (photo, LabelEvent("flickr", photo.photo_id, spec.class_id, spec.keywords[0], rank))
                for rank, photo in enumerate(photos)
            ]
            part = Part("flickr", spec.class_id, spec.keywords[0], "", {})
            catalogue.record_page(part, found, cursor=None, total_reported=2 * each, state=PartState.DONE)
            catalogue.record_outcomes(
                Outcome("flickr", str(n), Status.FAILED, Reason.HTTP_GONE, 404)
                if FATES[n % 10] == "http_gone"
                else Outcome("flickr", str(n), Status.FETCHED, None, 200, None, _digest(n), 9000, "image/jpeg")
                for n in numbers
            )
        return catalogue.fingerprint()


def _rows(events: int, specs: list[ClassSpec], pictures: list[str]) -> Iterator[pa.Table]:
    """The manifest's table, a class at a time."""
    each = events // len(specs)
    for i, spec in enumerate(specs):
        numbers = range(i * each, (i + 1) * each)
        fates = [FATES[n % 10] for n in numbers]
        facts = [_facts(n) for n in numbers]
        digests = [None if fate == "http_gone" else _digest(n) for n, fate in zip(numbers, fates, strict=True)]
        columns: dict[str, list[object]] = {
            "source": ["flickr"] * each,
            "photo_id": [str(n) for n in numbers],
            "class_id": [spec.class_id] * each,
            "keyword": [spec.keywords[0]] * each,
            "rank": list(range(each)),
            "part": ["{}"] * each,
            "verdict": [
                "kept" if one == "kept" else "failed" if one == "http_gone" else "rejected" for one in fates
            ],
            "reason": [None if one == "kept" else one for one in fates],
            "group": [f"flickr:{one['author_id']}" for one in facts],
            "split": ["train" if one == "kept" else None for one in fates],
            "path": [
                None if one == "http_gone" else pictures[n % PICTURES]
                for n, one in zip(numbers, fates, strict=True)
            ],
            "url": [f"{HOST}/{n}.jpg" for n in numbers],
            **{name: [one[name] for one in facts] for name in facts[0]},
            **{name: list(digests) for name in ("sha256", "pixel_sha256", "stored_sha256", "perceptual_hash")},
        }
        yield pa.table(
            [pa.array(columns.get(one.name, [None] * each), one.type) for one in SCHEMA], schema=SCHEMA
        )  # fmt: skip


def make_project(project: Path, events: int, classes: int) -> None:
    """Write the whole project."""
    specs = _specs(classes)
    pictures = _pictures(project)
    fingerprint = _fill_catalogue(project, events, specs)
    write_json(project / "collect.json", CollectConfig(project=project, contact="me@example.org").as_json())
    table = pa.concat_tables(_rows(events, specs, pictures))
    settings = CurateConfig(project=project).as_json()
    manifest = write_manifest(project, table, specs, config=settings, catalogue_fingerprint=fingerprint)
    _write_run(project, manifest)


def _write_run(project: Path, manifest: Manifest) -> None:
    """A finished run that nobody evaluated, and what `labels` says of its photos: a tenth are doubted."""
    run = runs_path(project) / "first"
    write_json(run / "config.json", TrainConfig(root=project, epochs=2).as_json())
    log = [
        {"epoch": epoch, "train": {"acc1": 50.0 + epoch}, "holdout": {"acc1": 40.0}, "selected_epoch": epoch}
        for epoch in range(2)
    ]
    write_json(run / "log.json", log)
    summary = {"rule": "last_epoch", "selected_epoch": 1, "why": "it is the last", "last_epoch": 1, "seed": 1}
    write_json(run / "summary.json", summary | {"data": manifest.fingerprint})
    kept = manifest.kept()
    labels, position = kept["class_id"].to_pylist(), np.arange(kept.num_rows)
    preferred = [label if n % 10 else manifest.class_ids[n % 7] for n, label in enumerate(labels)]
    suspicion = np.where(position % 10, 0.1, 0.9 - position / (10 * len(position)))
    doubts = pa.table(
        {
            "photo": kept["path"],
            "label": labels,
            "preferred_class": preferred,
            "suspicion": suspicion,
            "basis": ["held_out"] * len(labels),
        }
    )
    pq.write_table(doubts.sort_by([("suspicion", "descending")]), run / "suspicion.parquet")
    evidence = {"held_out_photos": 1, "runs": 1, "ambiguous_classes": []}
    write_json(run / "label_evidence.json", evidence)


def measure(work: Path, events: int, classes: int, source: Path) -> Measured:
    """Make the project if it is not there, and its report, in a process of its own by the package in `source`."""
    project = work / f"events-{events}"
    if not project.exists():
        made = project.with_suffix(".part")
        make_project(made, events, classes)
        made.rename(project)
    begun = time.monotonic()
    command = [sys.executable, "-c", _REPORT, "report", str(project), "--no-probe"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(source.absolute())},
    )
    seconds = time.monotonic() - begun
    peak = next(line for line in done.stdout.splitlines() if line.startswith("VmHWM")).split()[1]
    listed = list((project / "report_photos").iterdir())
    return Measured(
        events, classes, round(seconds, 1), round(int(peak) / 1024),
        round((project / "report.html").stat().st_size / 1e6, 1), len(listed),
        round(sum(one.stat().st_size for one in listed) / 1e6, 1),
    )  # fmt: skip


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the flags of whatever is measured on these projects."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--events", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--source", type=Path, default=Path("src"), help="folder of the package, of any version")
    return parser


def commit_of(source: Path) -> str:
    """The commit of the package that is measured, which need not be the one of this script."""
    command = ["git", "-C", str(source), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--name", default="scale")
    given = parser.parse_args()
    found = [measure(given.work, events, given.classes, given.source) for events in given.events]
    environment = describe_environment()
    about = {
        "command": f"python -m benchmarks.report_scale WORK OUT --events {' '.join(map(str, given.events))}",
        "commit": commit_of(given.source), "hardware": environment.processor,
        "python": environment.python, "packages": dict(environment.packages),
    }  # fmt: skip
    write_json(given.out / f"{given.name}.json", about | {"reports": [asdict(one) for one in found]})


if __name__ == "__main__":
    main()

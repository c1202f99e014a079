"""What a pass reads of a manifest beside its pictures, and the list that it leaves for a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.manifest import read_manifest
from rawlabel.base.files import atomic_write
from rawlabel.judge.decontaminate.bursts import Shot, shot_of
from rawlabel.judge.decontaminate.decontaminating import Decontamination

REVIEW = "decontamination_review.parquet"


def manifest_file(origin: Path) -> Path | None:
    """The manifest that images were read from; None where they are of no manifest."""
    path = origin / "manifest.parquet" if origin.is_dir() else origin
    if path.suffix != ".parquet" or not path.is_file() or "verdict" not in pq.read_schema(path).names:
        return None
    return path


def shots_of(origin: Path, names: Sequence[str]) -> list[Shot | None] | None:
    """Who took each of the images called `names`, and when; None where they are of no manifest."""
    path = manifest_file(origin)
    if path is None:
        return None
    rows = read_manifest(path).kept().select(["path", "source", "author_id", "taken_at"]).to_pylist()
    known = {row["path"]: shot_of(row["source"], row["author_id"], row["taken_at"]) for row in rows}
    return [known.get(name) for name in names]


def write_review(path: Path, passes: Sequence[Decontamination]) -> None:
    """Write the pairs that a person should look at, likest first. Raises `DiskError`."""
    rows = [(one.doubt, found.describe(one)) for found in passes for one in found.review]
    rows.sort(key=lambda row: row[0])
    table = pa.table(
        {
            "test": pa.array([one.test for _, one in rows], pa.string()),
            "image": pa.array([one.image for _, one in rows], pa.string()),
            "probe": pa.array([one.probe for _, one in rows], pa.string()),
            "bits": pa.array([one.bits for _, one in rows], pa.int64()),
            "correlation": pa.array([one.correlation for _, one in rows], pa.float64()),
            "doubt": pa.array([doubt for doubt, _ in rows], pa.float64()),
        }
    )
    with atomic_write(path) as stream:
        pq.write_table(table, stream)

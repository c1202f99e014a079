"""What a pass reads of a manifest beside its pictures, and the list that it leaves for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.certificate import LEAK, NO_LEAK
from rawlabel.artifacts.manifest import read_manifest
from rawlabel.artifacts.review.answer_file import answers_path, read_answers
from rawlabel.artifacts.review.answers import Answer, Subject
from rawlabel.base.files import atomic_write
from rawlabel.judge.decontaminate.bursts import Shot, shot_of
from rawlabel.judge.decontaminate.decontaminating import Decontamination
from rawlabel.records import Reason

REVIEW = "decontamination_review.parquet"
_SAID = {Answer.DROP: LEAK, Answer.KEEP: NO_LEAK, Answer.NOT_SURE: "unsure"}


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


class Decisions(NamedTuple):
    """What people said of photos that may show test images."""

    counts: dict[str, int]
    """By what they said: pairs that are listed, and photos that are out since somebody called them leaks."""
    left: int
    """Pairs that are listed and that nobody has decided."""


def people_said(origin: Path, found: Decontamination) -> Decisions:
    """What was said in `rawlabel review`; nothing where the images are of no manifest. Raises `DataError`."""
    path, said = manifest_file(origin), Counter[str]()
    answer_of: dict[str, Answer] = {}
    if path is not None:
        manifest = read_manifest(path)
        answers = dict(read_answers(answers_path(manifest.project)).answers.of_leaks())
        columns = ["source", "photo_id", "class_id", "path", "reason"]
        for row in manifest.table.select(columns).to_pylist() if answers else ():
            answer = answers.get(Subject(row["source"], row["photo_id"], row["class_id"]))
            if answer is not None and row["path"]:
                answer_of[row["path"]] = answer
                said[LEAK] += answer is Answer.DROP and row["reason"] == Reason.REVIEWED
    left = 0
    for one in found.review:
        answer = answer_of.get(found.source.name(one.candidate))
        left += answer in (None, Answer.NOT_SURE)
        if answer is not None:
            said[_SAID[answer]] += 1
    return Decisions({name: count for name, count in sorted(said.items()) if count}, left)


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

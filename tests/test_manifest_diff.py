"""Comparing manifests: what was changed is told, all of it and nothing else."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rawlabel import cli
from rawlabel.artifacts.manifest import CLOCK_COLUMNS
from rawlabel.config import DiffConfig
from rawlabel.manifests.diff import Kind, diff, differences_between
from tests.helpers.manifest_rows import CLASSES, digest, kept_row, write_rows

ROWS = [kept_row(number) for number in range(6)] + [kept_row(number, "robin") for number in range(4, 9)]
EDITS: dict[str, tuple[dict[str, Any], Kind]] = {
    "rejected": ({"verdict": "rejected", "reason": "near_duplicate", "split": None}, Kind.VERDICT),
    "moved": ({"split": "holdout"}, Kind.SPLIT),
    "licensed": ({"license_name": "CC0"}, Kind.LICENSE),
    "unlicensed": ({"license_id": None}, Kind.LICENSE),
    "repainted": ({"pixel_sha256": digest("new"), "sha256": digest("new"), "num_bytes": 5}, Kind.PIXELS),
    "repacked": ({"sha256": digest("new"), "etag": "x"}, Kind.BYTES),
    "retitled": ({"title": "=1+1"}, Kind.OTHER),
    "refetched": (dict.fromkeys(CLOCK_COLUMNS, 7), Kind.OTHER),
}
OF_PHOTOS = {Kind.LICENSE, Kind.PIXELS, Kind.BYTES}


@pytest.mark.integration
@settings(max_examples=30)
@given(
    edits=st.lists(st.sampled_from([*EDITS, "gone", None]), min_size=len(ROWS), max_size=len(ROWS)),
    num_new=st.integers(0, 3),
)
@example(edits=["rejected"] * len(ROWS), num_new=0)
@example(edits=["rejected"] * len(ROWS), num_new=1)
@example(edits=["gone"] * 6 + [None] * 5, num_new=0)
def test_edits_are_told_all_of_them_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, edits: list[str | None], num_new: int
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    after, expected = [], Counter[Kind]()
    photos_told: set[tuple[str, Kind]] = set()
    for row, edit in zip(ROWS, edits, strict=True):
        if edit == "gone":
            expected[Kind.EVENT_REMOVED] += 1
            continue
        changes, kind = EDITS[edit] if edit else ({}, None)
        after.append(row | changes)
        if kind is None or edit == "refetched" or (kind in OF_PHOTOS and (row["photo_id"], kind) in photos_told):
            continue
        photos_told.add((row["photo_id"], kind))
        expected[kind] += 1
    after += [kept_row(number, "robin") for number in range(20, 20 + num_new)]
    expected[Kind.EVENT_ADDED] = expected[Kind.PHOTO_ADDED] = num_new
    left = {row["photo_id"] for row in after}
    # A class of which no photo is kept is left out, beside others of which some are.
    kept = {row["class_id"] for row in after if row["verdict"] == "kept"}
    expected[Kind.CLASS] = len({one.class_id for one in CLASSES} - kept) if kept else 0
    expected[Kind.PHOTO_REMOVED] = len({row["photo_id"] for row in ROWS} - left)
    one, other = write_rows(folder / "one", ROWS), write_rows(folder / "other", after)
    found = Counter(difference.kind for difference in differences_between(one, other))
    assert found == +expected
    assert (not found) == (one.fingerprint == other.fingerprint)
    # Backwards, what was added is what is removed.
    back = Counter(difference.kind for difference in differences_between(other, one))
    assert back[Kind.PHOTO_REMOVED] == found[Kind.PHOTO_ADDED]
    assert back.total() == found.total()


def test_classes_are_compared_too(tmp_path: Path) -> None:
    one = write_rows(tmp_path / "one", ROWS)
    renamed = write_rows(tmp_path / "two", ROWS, (replace(CLASSES[0], definition="a bird"), CLASSES[1]))
    turned = write_rows(tmp_path / "three", ROWS, CLASSES[::-1])
    assert [(found.kind, found.class_id) for found in differences_between(one, renamed)] == [(Kind.CLASS, "owl")]
    assert [found.before for found in differences_between(one, turned)] == ["owl robin"]


def test_every_difference_goes_to_a_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "one", ROWS)
    write_rows(tmp_path / "two", [ROWS[0] | {"photo_id": "=cmd()"}, *ROWS[1:-1], ROWS[-1] | {"split": "holdout"}])
    for name in ("out.csv", "out.json"):
        diff(DiffConfig(before=str(tmp_path / "one"), after=str(tmp_path / "two"), out=tmp_path / name))
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [row["kind"] for row in rows] == [
        "photo_added", "photo_removed", "event_added", "event_removed", "split",
    ]  # fmt: skip
    assert (rows[-1]["before"], rows[-1]["after"]) == ("split train", "split holdout")
    assert rows[0]["photo_id"] == "=cmd()"
    with (tmp_path / "out.csv").open() as stream:
        cells = list(csv.DictReader(stream))
    assert [cell["kind"] for cell in cells] == [row["kind"] for row in rows]
    assert cells[0]["photo_id"] == "'=cmd()"


def test_exit_codes_and_the_ways_to_name_a_manifest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one = write_rows(tmp_path / "p", ROWS)
    other = write_rows(tmp_path / "p", ROWS[1:])
    ways = [one.path, one.path.parent, one.fingerprint, one.fingerprint[:8]]
    for named in ways:
        arguments = ["diff", str(named), str(tmp_path / "p"), "--project", str(tmp_path / "p")]
        assert cli.run(arguments) == 1
        assert f"before {one.fingerprint[:12]}" in capsys.readouterr().out
    assert cli.run(["diff", str(one.path), str(one.path.parent)]) == 0
    assert "equal" in capsys.readouterr().out
    for named, said in (
        ("0000aaaa", "no such manifest"),
        (str(tmp_path / "absent.parquet"), "no such manifest"),
        (str(tmp_path), "has no manifest"),
    ):
        assert cli.run(["diff", named, str(other.path), "--project", str(tmp_path / "p")]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1
    assert cli.run(["diff"]) == 2

"""`rawlabel noise`: a new manifest, every change marked and told, and the old one as it was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.manifest import newest_manifest, read_manifest
from rawlabel.config import NoiseConfig
from rawlabel.manifests.noise import write_noisy_manifest
from rawlabel.manifests.reading import read_received_manifest
from rawlabel.manifests.rebuild.seeding import seed
from rawlabel.records import ClassSpec
from tests.helpers.manifest_rows import CLASSES, kept_row, write_rows

REJECTED = {"verdict": "rejected", "reason": "too_small", "split": None}
ROWS = [
    *(kept_row(number, "owl", split="holdout" if number % 5 == 0 else "train") for number in range(20)),
    *(kept_row(number, "robin", split="holdout" if number % 5 == 0 else "train") for number in range(20, 30)),
    kept_row(90, "owl", **REJECTED),
]
OTHERS = [kept_row(number, "lamp") for number in range(40, 60)] + [kept_row(number) for number in range(60, 70)]


def noise(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.run(["noise", *map(str, arguments)])
    return code, *capsys.readouterr()


def by_photo(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["photo_id"]: row for row in rows}


def test_labels_become_wrong_in_exact_number_and_each_says_what_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_rows(tmp_path, ROWS)
    content = {path: path.read_bytes() for path in first.path.parent.iterdir()}
    code, out, _ = noise(capsys, tmp_path, "--kind", "symmetric", "--rate", 0.3, "--seed", 1)
    assert code == 0
    assert (
        "owl         20        6" in out and "robin       10        3" in out and "all         30        9" in out
    )
    path = newest_manifest(tmp_path)
    assert path is not None and path != first.path
    noisy = read_received_manifest(path)
    assert noisy.parent == first.fingerprint
    before, after = by_photo(ROWS), by_photo(noisy.table.to_pylist())
    changed = {photo for photo, row in after.items() if row["injected_from"] is not None}
    assert len(changed) == 9 and "090" not in changed
    for photo, row in after.items():
        was = before[photo]
        assert (row["injected_from"] or row["class_id"]) == was["class_id"]
        assert row | {"class_id": was["class_id"], "injected_from": None} == was
        assert (photo in changed) == (row["class_id"] != was["class_id"])
    assert any(after[photo]["split"] == "holdout" for photo in changed)
    record = json.loads(path.with_name("config.json").read_text())
    assert (record["kind"], record["seed"], record["injected"]["num_changed"]) == ("symmetric", 1, 9)
    # Nothing of the manifest that it was made from has changed, and the same call says the same.
    assert content == {path: path.read_bytes() for path in first.path.parent.iterdir()}
    again, _ = write_noisy_manifest(NoiseConfig(manifest=str(first.path), rate=0.3, seed=1))
    assert again.fingerprint == noisy.fingerprint


@pytest.mark.parametrize(
    ("kind", "changed"), [("off_topic", {"owl": 8, "robin": 4}), ("mix", {"owl": 8}), ("instance_dependent", None)]
)
def test_photos_are_replaced_by_those_of_a_second_manifest(
    tmp_path: Path, kind: str, changed: dict[str, int] | None
) -> None:
    rows = ROWS if kind != "mix" else ROWS[:20]
    classes = CLASSES if kind != "mix" else CLASSES[:1]
    first = write_rows(tmp_path, rows, classes)
    second = write_rows(tmp_path, [*rows, *OTHERS], (*classes, ClassSpec("lamp", "lamp", ("lamp",))))
    np.save(tmp_path / "features.npy", np.random.default_rng(0).standard_normal((30, 4)))
    settings = NoiseConfig(
        manifest=str(first.path), kind=kind, second=None if changed is None else str(second.path),
        features=None if changed else tmp_path / "features.npy",
    )  # fmt: skip
    noisy, injection = write_noisy_manifest(settings)
    read = read_received_manifest(noisy.path)
    marked = [row for row in read.table.to_pylist() if row["injected_from"] is not None]
    assert len(marked) == injection.noisy.is_changed.sum() > 0
    if changed is None:
        return
    assert Counter(row["class_id"] for row in marked) == changed
    assert {row["injected_from"] for row in marked} == {"lamp" if kind == "off_topic" else "owl"}
    replaced = [row for row in read.table.to_pylist() if row["reason"] == "replaced"]
    assert Counter(row["class_id"] for row in replaced) == changed
    assert read.kept().num_rows == first.kept().num_rows
    # Found anew from the manifest, each photo is under the class whose keyword found it.
    with Catalogue(tmp_path / "catalogue.sqlite", create=True) as catalogue:
        seed(catalogue, read)
        events = {(one.event.photo_id, one.event.class_id) for one in catalogue.candidates()}
    expected = {(row["photo_id"], row["class_id"]) for row in rows}
    assert events == expected | {(row["photo_id"], row["injected_from"]) for row in marked}


def test_what_cannot_be_injected_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_rows(tmp_path / "first", ROWS)
    elsewhere = write_rows(tmp_path / "elsewhere", OTHERS[20:])
    (tmp_path / "words.npy").write_text("no numbers")
    twice = [*ROWS, kept_row(3, "robin", keyword="owl", **REJECTED)]
    shared = write_rows(tmp_path / "shared", twice)
    noisy, _ = write_noisy_manifest(NoiseConfig(manifest=str(first.path)))
    for arguments, message in (
        ([], "MANIFEST: name the manifest or its project"),
        ([tmp_path / "absent"], "absent"),
        ([first.path, "--kind", "symetric"], "did you mean 'symmetric'"),
        ([first.path, "--rate", "0.001"], "raise --rate"),
        ([first.path, "--rate", "0"], "--rate"),
        ([noisy.path], f"holds injected noise already; start from its parent {first.fingerprint[:12]}"),
        ([first.path, "--kind", "instance_dependent", "--features", tmp_path / "words.npy"], "is no .npy file"),
        ([first.path, "--kind", "off_topic", "--second", elsewhere.path], "lies in another project"),
        ([shared.path, "--rate", "1"], "curate with --conflicts drop"),
    ):
        code, out, err = noise(capsys, *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), arguments
        assert message in err, err


def test_a_manifest_from_before_the_column_is_read_and_keeps_its_fingerprint(tmp_path: Path) -> None:
    written = write_rows(tmp_path, ROWS)
    table = pq.read_table(written.path)
    pq.write_table(table.drop_columns(["injected_from"]), written.path)
    for read in (read_manifest(written.path), read_received_manifest(written.path)):
        assert read.fingerprint == written.fingerprint
        assert read.table.to_pylist() == written.table.to_pylist()

"""Copies that a simulated site planted are counted as found or missed by its truth, and never twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rawlabel.judge.evaluate.planted import PlantedCopies, find_planted
from tests.helpers.manifest_rows import kept_row, write_rows


def lost(number: int, reason: str) -> dict[str, object]:
    return kept_row(number, verdict="rejected", reason=reason, split=None)


def look(
    folder: Path, rows: list[dict[str, object]], truth: dict[int, dict[str, str]], left_out: tuple[str, ...] = ()
):
    shown = {f"{n:03d}": {"content": "owl", "reupload_of": None, "copy_of_test": None} for n in range(20)}
    for number, said in truth.items():
        shown[f"{number:03d}"].update(said)  # type: ignore[arg-type]
    (folder / "truth.json").write_text(json.dumps({"photos": shown}))
    return find_planted(write_rows(folder, rows), folder / "truth.json", left_out)


@pytest.mark.parametrize(
    ("of_original", "of_copy", "found", "missed"),
    [
        (kept_row(1), lost(2, "near_duplicate"), 1, 0),
        (lost(1, "exact_duplicate"), kept_row(2), 1, 0),
        (lost(1, "cross_class"), lost(2, "cross_class"), 1, 0),
        (kept_row(1), kept_row(2), 0, 1),
        # What is gone for another reason, or of another class, is no case.
        (kept_row(1), lost(2, "too_small"), 0, 0),
        (lost(1, "http_gone"), kept_row(2), 0, 0),
        (kept_row(1), kept_row(2, "robin"), 0, 0),
    ],
)
def test_a_second_upload_is_found_where_not_both_are_kept(
    tmp_path: Path, of_original: dict[str, object], of_copy: dict[str, object], found: int, missed: int
) -> None:
    planted = look(tmp_path, [of_original, of_copy, kept_row(3)], {2: {"reupload_of": "001"}})
    assert planted is not None
    assert (planted.reuploads.found, planted.reuploads.missed) == (found, missed)
    assert planted.reuploads.missed_photos == (("002",) if missed else ())


def test_leaks_are_found_in_the_manifest_or_by_the_run_and_what_is_no_leak_counts_apart(tmp_path: Path) -> None:
    rows = [kept_row(1), lost(2, "test_copy"), kept_row(3), kept_row(4), lost(5, "test_copy"), kept_row(6)]
    left_out = (f"/elsewhere/{rows[2]['path']}", f"/elsewhere/{rows[5]['path']}")
    truth = {n: {"copy_of_test": f"owl/{n}.png"} for n in (1, 2, 3)} | {6: {"reupload_of": "003"}}
    planted = look(tmp_path, rows, truth, left_out)
    assert planted is not None
    # 6 is a second upload of a leak, and so a leak as well; 5 is none.
    assert (planted.leaks.found, planted.leaks.missed, planted.leaks.missed_photos) == (3, 1, ("001",))
    assert planted.other_leaks == 1


def test_other_near_copies_are_those_of_which_the_site_knows_nothing(tmp_path: Path) -> None:
    rows = [kept_row(1), lost(2, "near_duplicate"), lost(3, "near_duplicate"), lost(4, "exact_duplicate")]
    planted = look(tmp_path, rows, {2: {"reupload_of": "001"}})
    assert isinstance(planted, PlantedCopies) and planted.other_copies == 1


def test_a_truth_that_says_nothing_of_copies_says_nothing(tmp_path: Path) -> None:
    assert look(tmp_path, [kept_row(1)], {}) is None

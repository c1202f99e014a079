"""Runs compared on the same test photos, with the numbers recomputed by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from rawlabel.artifacts.manifest import newest_manifest, read_manifest
from rawlabel.base.metrics import mcnemar_p
from rawlabel.cli import run as run_command
from tests.helpers.report_project import Page, make_project, write_run


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = tmp_path_factory.mktemp("compare") / "vehicles"
    make_project(project)
    return project


@pytest.fixture
def runs(project):
    """Two evaluated runs: the second is right on three buses more, and wrong on one tram more."""
    manifest = read_manifest(newest_manifest(project))
    first, second = (write_run(project, manifest, name=name) for name in ("first", "second"))
    rows = pq.read_table(second / "predictions.parquet").to_pylist()
    wrong = [row for row in rows if row["true_class"] == "bus" and not row["is_correct"]]
    right = [row for row in rows if row["true_class"] == "n00000002" and row["is_correct"]]
    for row in wrong[:3]:
        row.update(predicted_class="bus", is_correct=True)
    right[0].update(predicted_class="bus", is_correct=False)
    pq.write_table(pa.Table.from_pylist(rows), second / "predictions.parquet")
    config = json.loads((second / "config.json").read_text())
    (second / "config.json").write_text(json.dumps(config | {"lr": 0.1, "workers": 3}))
    return first, second


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemars_exact_test_is_a_fair_coin_on_the_photos_that_differ(gained, lost):
    p = mcnemar_p(gained, lost)
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert p == pytest.approx(expected)
    assert p == pytest.approx(mcnemar_p(lost, gained))


def compare(runs, out, capsys, *more):
    code = run_command(["compare", *map(str, runs), "--out", str(out), *more])
    return code, capsys.readouterr()


def test_page_json_and_lines_say_the_same_of_each_photo_and_class(runs, tmp_path, capsys):
    out = tmp_path / "compare.html"
    code, said = compare(runs, out, capsys)
    assert code == 0
    numbers = json.loads(out.with_suffix(".json").read_text())
    (pair,) = numbers["pairs"]
    assert (pair["only_first"], pair["only_second"], pair["both"], pair["neither"]) == (1, 3, 14, 2)
    assert pair["p"] == pair["holm_p"] == pytest.approx(binomtest(1, 4).pvalue)
    assert pair["difference"] == pytest.approx(10)
    bus, tram = sorted(numbers["classes"]["second"], key=lambda one: one["label"])
    assert (bus["first"], bus["second"], bus["trials"], bus["gained"], bus["lost"]) == (6, 9, 10, 3, 0)
    assert (tram["first"], tram["second"], tram["gained"], tram["lost"]) == (9, 8, 0, 1)
    # Two classes are tested, so Holm doubles the smaller p.
    assert bus["holm_p"] == pytest.approx(2 * binomtest(0, 3).pvalue)
    assert [one["is_gained"] for one in numbers["flips"]["second"]] == [False, True, True, True]
    assert {one["name"]: one["is_of_result"] for one in numbers["settings"]} == {"lr": True, "workers": False}
    assert "these photos do not tell first and second apart: +10.00 points" in said.out
    assert "differs: lr (0.05, 0.1)" in said.out
    page = Page(out.read_text("utf-8"))
    assert page.section("sentence").startswith("These photos do not tell first and second apart")
    assert "tram (n00000002)" in page.section("classes-1")
    assert page.tables["pairs-table"][1][1:5] == ["1", "3", "14", "2"]
    assert page.tables["settings-table"][1][:3] == ["lr", "0.05", "0.1"]
    assert len([one for one in page.all("img") if one["alt"].startswith("test photo of bus")]) == 3
    before = out.read_bytes()
    compare(runs, out, capsys)
    assert out.read_bytes() == before


def test_json_on_the_command_line_is_the_file(runs, tmp_path, capsys):
    _, said = compare(runs, tmp_path / "c.html", capsys, "--json")
    assert json.loads(said.out) == json.loads((tmp_path / "c.json").read_text())


def test_many_runs_are_all_paired_and_corrected_together(runs, project, tmp_path, capsys):
    third = write_run(project, read_manifest(newest_manifest(project)), name="third")
    compare((*runs, third), tmp_path / "c.html", capsys)
    pairs = json.loads((tmp_path / "c.json").read_text())["pairs"]
    assert [(one["first"], one["second"]) for one in pairs] == [
        ("first", "second"), ("first", "third"), ("second", "third"),
    ]  # fmt: skip
    assert all(one["holm_p"] >= one["p"] for one in pairs)


def test_what_cannot_be_compared_is_one_line(runs, project, tmp_path, capsys):
    first, second = runs
    code, said = compare([first], tmp_path / "c.html", capsys)
    assert (code, "name two evaluated run directories" in said.err) == (2, True)
    code, said = compare([first, first], tmp_path / "c.html", capsys)
    assert (code, "named twice" in said.err) == (2, True)
    table = pq.read_table(second / "predictions.parquet")
    pq.write_table(table.slice(1), second / "predictions.parquet")
    code, said = compare(runs, tmp_path / "c.html", capsys)
    assert (code, "was evaluated on other test photos" in said.err) == (2, True)
    raw = write_run(project, read_manifest(newest_manifest(project)), name="raw", evaluated=False)
    code, said = compare([first, raw], tmp_path / "c.html", capsys)
    assert (code, f"run `rawlabel evaluate {raw}` first" in said.err) == (2, True)
    assert not (tmp_path / "c.html").exists()
    assert len(said.err.strip().splitlines()) == 1


@pytest.mark.integration
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light")])
def test_the_page_has_no_violation_and_fits_the_screen(browser, runs, tmp_path, capsys, width, scheme):
    compare(runs, tmp_path / "c.html", capsys)
    with browser.page(Path(tmp_path / "c.html"), width=width, scheme=scheme) as page:
        page.run("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.violations() == []
        assert not page.is_wider_than_screen()
        assert (page.errors, page.requests) == ([], [])
        page.do(lambda one: one.locator("#pairs-table thead button").nth(1).focus())
        page.press("Enter")
        assert re.search("aria-sort", page.run("document.querySelector('#pairs-table').outerHTML"))

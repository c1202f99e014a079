"""Simple classifiers on frozen features beside the run's result."""

from __future__ import annotations

import json

import pytest

from rawlabel.cli import run as run_command
from rawlabel.config import ReportConfig
from rawlabel.errors import DataError
from rawlabel.judge.evaluate.frozen_probe import add_own_probe
from rawlabel.show.report.measuring import Measure
from rawlabel.show.report.stage import build_report
from tests.helpers.report_project import Page, write_run


def entry(run, **changes):
    """An entry of `probe.json` as the verb writes it."""
    test = {"correct": 16, "accuracy": 80.0, "interval": [56.34, 94.27]}
    own = {
        "backbone": "resnet50", "origin": "this run's own", "weights_file": None, "weights_sha256": "ab" * 32,
        "epoch": 1, "features": 2048, "confidence": 0.95, "remark": "No independent peer.",
        "linear": {"C": 0.001, "raw_holdout_accuracy": 41.5, "tried": [[0.001, 41.5]], "test": test},
        "nearest_neighbors": {"k": 20, "raw_holdout_accuracy": 40.25, "tried": [[20, 40.25]], "test": test},
        "test": {"folder": str(run.parents[1] / "test"), "images": 20},
    }  # fmt: skip
    return own | changes


PRETRAINED = {"backbone": "vit_small", "origin": "pretrained", "epoch": None, "remark": "May overlap."}


def read_page(project, run, probes):
    (run / "probe.json").write_text(json.dumps({"probes": probes}))
    return Page(build_report(ReportConfig(project=project)).read_text("utf-8"))


def test_every_probe_has_its_rows_beside_the_run(project, run):
    shown = read_page(project, run, [entry(run), entry(run, **PRETRAINED)])
    own, *rows = shown.tables["peer-table"][1:]
    assert own == ["the run", "trained, epoch 1", "36.00 %", "75.00 % (50.90 to 91.34 %)"]
    assert rows[0] == ["linear, C = 0.001", "the run's own, epoch 1", "41.50 %", "80.00 % (56.34 to 94.27 %)"]
    assert rows[3][:2] == ["nearest neighbors, k = 20", "vit_small, pretrained weights (abababab)"]
    assert len(rows) == 4
    assert "No independent peer." in shown.section("curves") and "May overlap." in shown.section("curves")
    assert "peers-missing" not in shown.texts


def test_what_does_not_compare_is_said(project, run):
    stale = entry(run, epoch=0, test={"folder": "/elsewhere", "images": 9})
    rows = read_page(project, run, [stale]).tables["peer-table"][2:]
    assert "no longer the chosen one" in rows[0][1] and "on another test set: /elsewhere" in rows[0][3]
    untested = {**entry(run)["linear"], "test": None}
    rows = read_page(project, run, [entry(run, linear=untested, test=None)]).tables["peer-table"][2:]
    assert rows[0][3] == "not measured: no test set"


@pytest.mark.parametrize(("finished", "says"), [(True, "rawlabel probe"), (False, "the training is not finished")])
def test_without_a_probe_the_page_says_how_to_get_one(project, manifest, finished, says):
    write_run(project, manifest, finished=finished)
    shown = Page(build_report(ReportConfig(project=project)).read_text("utf-8"))
    assert f"not yet measured: {says}" in shown.section("peers-missing")
    assert ("--backbone" in shown.section("peers-missing")) == finished


@pytest.mark.parametrize(("changes", "is_asked"), [({}, False), ({"epoch": 0}, True), (PRETRAINED, True)])
def test_a_probe_of_the_chosen_epoch_is_measured_where_there_is_none(project, run, changes, is_asked):
    (run / "probe.json").write_text(json.dumps({"probes": [entry(run, **changes)]}))
    asked = []

    def measure(path):
        asked.append(path)
        (path / "probe.json").write_text(json.dumps({"probes": [entry(run), entry(run, **PRETRAINED)]}))
        return ""

    shown = Page(build_report(ReportConfig(project=project), Measure(probe=measure)).read_text("utf-8"))
    assert asked == [run] * is_asked
    assert shown.tables["peer-table"][2][1] == "the run's own, epoch 1"
    assert ("peers-missing" in shown.texts) != is_asked  # then both kinds of features are there
    # What cannot be measured is said beside what was.
    (run / "probe.json").write_text(json.dumps({"probes": [entry(run, **PRETRAINED)]}))
    shown = Page(
        build_report(ReportConfig(project=project), Measure(probe=lambda _: "photos are gone")).read_text("utf-8")
    )
    assert "own features are not yet measured: photos are gone" in shown.section("peers-missing")
    assert len(shown.tables["peer-table"]) == 4


def test_the_command_says_why_it_cannot_measure_and_leaves_it_out_when_told(project, run, capsys):
    assert run_command(["report", str(project), "--no-probe"]) == 0
    shown = Page((project / "report.html").read_text("utf-8"))
    assert f"not yet measured: rawlabel probe {run}" in shown.section("peers-missing")
    assert run_command(["report", str(project)]) == 0
    shown = Page((project / "report.html").read_text("utf-8"))
    assert "selected.safetensors: " in shown.section("peers-missing")  # the run is made up
    assert capsys.readouterr().out == f"report: {project}/report.html\nnumbers: {project}/report.json\n" * 2


def test_a_probe_that_would_take_long_is_left_to_whoever_asks_for_it(run):
    starts = json.loads((run / "environment.json").read_text())
    starts[-1] |= {"training_images": 1_500_000, "holdout_images": 100_000}
    (run / "environment.json").write_text(json.dumps(starts))
    assert add_own_probe(run) == f"its 1,600,000 images take long; `rawlabel probe {run}` measures them"


def test_a_damaged_probe_is_named(project, run):
    with pytest.raises(DataError, match=r"probe\.json: probes\.0\.linear .* run `rawlabel probe` again"):
        read_page(project, run, [{**entry(run), "linear": 3}])

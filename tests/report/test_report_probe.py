"""Simple classifiers on frozen features beside the run's result."""

from __future__ import annotations

import json
import re

import pytest
from report_project import Page, write_run

from rawlabel.config import ReportConfig
from rawlabel.errors import DataError
from rawlabel.report import build_report


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


def read_page(project, run, probes):
    (run / "probe.json").write_text(json.dumps({"probes": probes}))
    return Page(build_report(ReportConfig(project=project)).read_text("utf-8"))


def test_every_probe_has_its_rows_beside_the_run(project, run):
    other = entry(run, backbone="vit_small", origin="pretrained", epoch=None, remark="May overlap.")
    shown = read_page(project, run, [entry(run), other])
    own, *rows = shown.tables["peer-table"][1:]
    assert own == ["the run", "trained, epoch 1", "36.00 %", "75.00 % (50.90 to 91.34 %)"]
    assert rows[0] == ["linear, C = 0.001", "the run's own, epoch 1", "41.50 %", "80.00 % (56.34 to 94.27 %)"]
    assert rows[3][:2] == ["nearest neighbors, k = 20", "vit_small, pretrained weights (abababab)"]
    assert len(rows) == 4
    assert "No independent peer." in shown.section("verdict") and "May overlap." in shown.section("verdict")


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
    assert re.sub(r"\s+", " ", shown.texts["peers-missing"]).startswith(f"not yet measured: {says}")


def test_a_damaged_probe_is_named(project, run):
    with pytest.raises(DataError, match=r"probe\.json: probes\.0\.linear .* run `rawlabel probe` again"):
        read_page(project, run, [{**entry(run), "linear": 3}])

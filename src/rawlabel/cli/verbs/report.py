"""`rawlabel report`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.cli.next_steps import after_reporting
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import ReportConfig

GROUP = "main path"
PLACE = 40
SUMMARY = "write one HTML page about a collection and a run"


def _report(config: ReportConfig) -> Ending:
    from rawlabel.show.report.evidence import newest_run
    from rawlabel.show.report.measuring import Measure
    from rawlabel.show.report.stage import build_report

    measure = Measure(_measure_probe if config.probe else None, _doubt_labels if config.labels else None)
    page = build_report(config, measure)
    say(f"report: {page}")
    say(f"numbers: {page.with_suffix('.json')}")
    give({"report": page, "numbers": page.with_suffix(".json")})
    return Ending(after_reporting(config.run or newest_run(config.project), config.project))


def _measure_probe(run: Path) -> str:
    # Imported when it is needed alone: a page whose probe has been measured needs no torch.
    from rawlabel.judge.evaluate.frozen_probe import add_own_probe

    return add_own_probe(run)


def _doubt_labels(run: Path) -> str:
    from rawlabel.judge.label_evidence.of_runs import add_label_evidence

    return add_label_evidence(run)


COMMAND = section_command("report", ReportConfig, _report)

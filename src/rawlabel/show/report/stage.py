"""One self-contained HTML page about a collection and a run, for people.

The page needs no network, holds its pictures as data addresses, and is the same to the last byte for the same
inputs; its script opens the photos behind a number, and without it all numbers still read. Beside it lie its
numbers as JSON and, where not all photos fit, a folder that lists the rest. Each section of the page is one module
that turns evidence into plain values and one template of the same name that lays them out.
"""

from __future__ import annotations

from pathlib import Path

from rawlabel.config import ReportConfig
from rawlabel.show.report.measuring import NOTHING_MEASURED, Measure


def build_report(config: ReportConfig, measure: Measure = NOTHING_MEASURED) -> Path:
    """Write the page about `config.project` and a run of it, its numbers beside it, and return the page's path.

    Without `config.run` the run whose log or summary changed last is shown; a project without any run gets a
    page about the collection alone. `measure` is asked for what a finished run lacks, and
    what it raises is raised. Raises `DataError` when there is no catalogue or manifest, or a file of
    the collection or run is damaged, and `DiskError`.
    """
    from pydantic_core import to_json

    from rawlabel.base.files import atomic_write
    from rawlabel.show.report.page import render_report

    out = config.out or config.project / "report.html"
    report = render_report(config, out, measure)
    report.write_rest(out.with_name(f"{out.stem}_photos"))
    with atomic_write(out.with_suffix(".json")) as stream:
        stream.write(to_json(report.numbers, indent=1, inf_nan_mode="null") + b"\n")
    with atomic_write(out) as stream:
        # A lone surrogate (possible in JSON, not in UTF-8) must not keep the page from being written.
        stream.write(report.html.encode("utf-8", errors="replace"))
    return out

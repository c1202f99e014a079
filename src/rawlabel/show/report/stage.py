"""One self-contained HTML page about a collection and a run, for people.

The page needs no network and no script, holds its pictures as data addresses, and is the same to the last
byte for the same inputs. Each section of the page is one module that turns evidence into plain values and one
template of the same name that lays them out.
"""

from __future__ import annotations

from pathlib import Path

from rawlabel.config import ReportConfig
from rawlabel.show.report.frozen_probe import MeasureProbe


def build_report(config: ReportConfig, measure_probe: MeasureProbe | None = None) -> Path:
    """Write the page about `config.project` and a run of it, and return the file's path.

    Without `config.run` the run whose log or summary changed last is shown; a project without any run gets a
    page about the collection alone. `measure_probe` is asked for the probe of a finished run that has none, and
    what it raises is raised. Raises `DataError` when there is no catalogue or manifest, or a file of
    the collection or run is damaged, and `DiskError`.
    """
    from rawlabel.base.files import atomic_write
    from rawlabel.show.report.page import render_page

    html = render_page(config, measure_probe)
    out = config.out or config.project / "report.html"
    with atomic_write(out) as stream:
        # A lone surrogate (possible in JSON, not in UTF-8) must not keep the page from being written.
        stream.write(html.encode("utf-8", errors="replace"))
    return out

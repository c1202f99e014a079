"""The settings of `rawlabel report`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class ReportConfig(Section):
    """Write one self-contained HTML page about a collection and a run."""

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    run: Path | None = setting(None, "Run directory; by default the newest run of the project.")
    out: Path | None = setting(None, "File to write; by default PROJECT/report.html.")
    photos_per_class: int = setting(12, "Photos in the montage of each class.", ge=0)
    probe: bool = setting(
        True,
        "Measure simple classifiers on the run's own features first, where that was not done (as `rawlabel probe` "
        "does); takes about as long as reading the run's images once.",
    )
    labels: bool = setting(
        True,
        "Say which raw labels are to be doubted first, where that was not done (as `rawlabel labels` does).",
    )

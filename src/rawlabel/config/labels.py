"""The settings of `rawlabel labels`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import DEVICE_HELP, Device, Section, setting


class LabelsConfig(Section):
    """Say what finished runs reveal about the raw labels: which to doubt first, and which classes are unclear.

    How many are wrong is not said: where the truth is known, few intervals of such estimates held it.

    Photos that a run held out are classified with its selected weights. Nothing here opens a test set, and no
    label is changed. Runs with other --seed (class folders) or on other splits hold out other photos, and all
    count.
    """

    runs: tuple[Path, ...] = setting((), "Finished run directories on the same classes.", positional=True)
    out: Path | None = setting(
        None, "Folder for label_evidence.json and suspicion.parquet; by default the first run's directory."
    )
    device: Device = setting("auto", DEVICE_HELP)

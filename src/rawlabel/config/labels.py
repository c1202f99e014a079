"""The settings of `rawlabel labels`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import DEVICE_HELP, Device, Section, setting


class LabelsConfig(Section):
    """Say what finished runs reveal about the raw labels: how many are wrong, which, and which classes unclear.

    How many are wrong is a guess and no measurement: where the truth is known, few of the intervals held it.

    Photos that a run held out are classified with its selected weights. Nothing here opens a test set, and no
    label is changed. Runs with other --seed (class folders) or on other splits hold out other photos, and all
    count.
    """

    runs: tuple[Path, ...] = setting((), "Finished run directories on the same classes.", positional=True)
    confidence: float = setting(0.95, "Confidence of the bootstrap intervals [0 to 1].", gt=0, lt=1)
    draws: int = setting(200, "Bootstrap samples of photos and runs.", ge=20)
    out: Path | None = setting(
        None, "Folder for label_evidence.json and suspicion.parquet; by default the first run's directory."
    )
    device: Device = setting("auto", DEVICE_HELP)

"""The settings of `rawlabel curate`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import Section, pixel_limit, setting


class CurateConfig(Section):
    """Clean a collection without touching its labels, and freeze the decisions in a manifest."""

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    min_side: int = setting(32, "Smallest accepted shorter side [pixels].", ge=1)
    max_megapixels: float = pixel_limit()
    placeholder_copies: int = setting(
        3, "An image served under at least this many photos of different known authors is a placeholder.", ge=2
    )
    cross_class: Literal["reject", "first", "keep"] = setting(
        "reject",
        "A photo found for several classes: reject all, keep it for the first class, or keep all.",
    )
    drop: tuple[Path, ...] = setting(
        (),
        "Leave out what a person wants left out: the answers of `rawlabel review` (PROJECT/review.jsonl), or a "
        "list of photo ids, SHA-256 digests or paths (text, CSV, JSON, JSON lines, Parquet); may be given several "
        "times.",
    )
    holdout: float = setting(0.1, "Share of photo groups held out from training [0 to 1].", ge=0, lt=1)
    seed: int = setting(0, "Seed of the split into training and holdout.", ge=0)
    workers: int = setting(2, "Threads that decode photos.", ge=1)

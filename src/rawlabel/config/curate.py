"""The settings of `rawlabel curate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator

from rawlabel.config.declaring import Engine, Section, cluster_address, engine_of_tasks, pixel_limit, setting

_FORMER = {"reject": "drop", "keep": "keep-both"}
"""What the policies were called while they were about equal pixels alone."""


def _policy(value: object) -> object:
    return _FORMER.get(value, value) if isinstance(value, str) else value


class CurateConfig(Section):
    """Clean a collection without touching its labels, and freeze the decisions in a manifest."""

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    min_side: int = setting(32, "Smallest accepted shorter side [pixels].", ge=1)
    max_megapixels: float = pixel_limit()
    placeholder_copies: int = setting(
        3, "An image served under at least this many photos of different known authors is a placeholder.", ge=2
    )
    conflicts: Annotated[Literal["drop", "first", "keep-both"], BeforeValidator(_policy)] = setting(
        "drop",
        "A picture found for several classes, near copies included: drop all, keep those of the class that came "
        "first, or keep one for each class.",
        also="cross_class",
        flags=("--cross-class",),
    )
    near_copies: bool = setting(
        True,
        "Keep one of the photos that show nearly the same picture, whatever their size, encoding and source.",
    )
    crops: bool = setting(
        False,
        "Also look for crops and edits that no hash survives, among neighbours in features of an encoder (made "
        "unless a training has kept them); keypoints and pixels confirm each.",
    )
    drop: tuple[Path, ...] = setting(
        (),
        "Leave out what a person wants left out: the answers of `rawlabel review` (PROJECT/review.jsonl), or a "
        "list of photo ids, SHA-256 digests or paths (text, CSV, JSON, JSON lines, Parquet); may be given several "
        "times.",
    )
    drop_most: bool = setting(
        False,
        "Take a list of --drop that says no answers, although it would leave out more than half of the photos, as "
        "a table of all of them would.",
    )
    holdout: float = setting(0.1, "Share of photo groups held out from training [0 to 1].", ge=0, lt=1)
    seed: int = setting(0, "Seed of the split into training and holdout.", ge=0)
    workers: int = setting(2, "Threads that decode photos, or processes of a Ray of this machine's own.", ge=1)
    engine: Engine = engine_of_tasks("decodes photos, makes their fingerprints and features, and compares them")
    ray_address: str | None = cluster_address()

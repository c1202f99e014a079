"""`rawlabel compare`: the page about several runs, and the same as JSON beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from jinja2 import ChoiceLoader, Environment, PackageLoader
from pydantic_core import to_json

from rawlabel.artifacts.manifest import classes_of
from rawlabel.base.files import atomic_write
from rawlabel.base.progress import progress
from rawlabel.base.untrusted_text import plain_text
from rawlabel.config import CompareConfig
from rawlabel.show.compare.pairs import Comparison, compare_runs
from rawlabel.show.report.evidence import RunEvidence
from rawlabel.show.report.page import page_environment, page_parts
from rawlabel.show.report.thumbnails import Thumbnails

MOST_PICTURES = 1_500
"""Photos on the page; at most 5,500 bytes each, a third more as text, they stay below 15 MB."""


@dataclass(frozen=True, slots=True)
class FlippedPhoto:
    """A photo that flipped, as it is shown."""

    picture: str | None
    name: str
    true: str
    first: str
    second: str
    is_gained: bool


def write_comparison(config: CompareConfig) -> tuple[Comparison, Path]:
    """Compare the runs, write the page and its JSON, and return the comparison and the page's path.

    Raises `ConfigError`, `DataError`, `DiskError`.
    """
    comparison, run = compare_runs(config.runs)
    html = (
        _environment()
        .get_template("compare.html.j2")
        .render(**page_parts(), comparison=comparison, flips=_flips(comparison, run), names=_names(run))
    )
    with atomic_write(config.out.with_suffix(".json")) as stream:
        stream.write(to_json(comparison, indent=1, inf_nan_mode="null") + b"\n")
    with atomic_write(config.out) as stream:
        stream.write(html.encode("utf-8", errors="replace"))
    return comparison, config.out


def _names(run: RunEvidence) -> dict[str, str]:
    """How classes are called on the page, by their ids, where the manifest that was trained on says."""
    path = run.manifest_path
    named = classes_of(path) if path is not None else {}
    return {key: name if name == key else f"{name} ({key})" for key, name in named.items()}


def _flips(comparison: Comparison, run: RunEvidence) -> dict[str, list[FlippedPhoto]]:
    folder = run.test_folder
    thumbnails = Thumbnails()
    share = MOST_PICTURES // max(len(comparison.flips), 1)
    shown: dict[str, list[FlippedPhoto]] = {}
    with progress("looking up photos", sum(min(len(one), share) for one in comparison.flips.values())) as task:
        for name, flips in comparison.flips.items():
            photos = shown.setdefault(name, [])
            for one in flips[:share]:
                relative = PurePosixPath(one.file)
                # The table may have been edited; no file outside the test folder belongs on the page.
                is_inside = not relative.is_absolute() and ".." not in relative.parts
                picture = thumbnails.address(folder / relative) if folder and is_inside else None
                label = plain_text(relative.name, 40)
                photos.append(FlippedPhoto(picture, label, one.true, one.first, one.second, one.is_gained))
                task.advance()
    return shown


@cache
def _environment() -> Environment:
    environment = page_environment()
    assert environment.loader is not None
    own = PackageLoader("rawlabel.show.compare")
    return environment.overlay(loader=ChoiceLoader([own, environment.loader]))

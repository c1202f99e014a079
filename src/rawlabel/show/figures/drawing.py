"""Draw all that a folder of results offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rawlabel.config import FiguresConfig
from rawlabel.errors import DataError
from rawlabel.show.figures.accuracy_curves import draw_published_curves, draw_run_curves
from rawlabel.show.figures.class_results import read_confusions
from rawlabel.show.figures.confusion import draw_destinations, draw_published_destinations
from rawlabel.show.figures.correct_positions import correct_by_class, read_correct_positions, read_test_labels
from rawlabel.show.figures.images_per_class import draw_images_per_class
from rawlabel.show.figures.output import FigureFolder, FiguresSummary
from rawlabel.show.figures.per_class_accuracy import draw_class_accuracy, draw_published_class_accuracy
from rawlabel.show.figures.published_layout import read_accuracy_log
from rawlabel.show.figures.result_folders import PUBLISHED_NAMES, RUN_FILES, ResultFolders, open_result_folders
from rawlabel.show.figures.run_search import parse_conditions
from rawlabel.show.figures.style import figure_style
from rawlabel.show.figures.text_logs import read_text_log
from rawlabel.show.figures.weight_tracks import draw_weight_tracks

_PUBLISHED: Mapping[str, Callable[[FigureFolder, ResultFolders], None]] = {
    "2": partial(draw_published_curves, number=2, num_classes=100),
    "7": partial(draw_published_curves, number=7, num_classes=135),
    "5-a": draw_published_class_accuracy,
    "5-b": draw_published_destinations,
    "8": draw_images_per_class,
}
"""What draws each figure of the paper."""


def draw_all(config: FiguresConfig) -> FiguresSummary:
    """See `rawlabel.show.figures.stage.draw_figures`."""
    folders = open_result_folders(config)
    labels = read_test_labels(config.test_labels) if config.test_labels else None
    wanted = parse_conditions(config.where)
    out = FigureFolder(config.out)
    with figure_style():
        if not wanted or config.figure:
            _draw_published(out, folders, config.figure or tuple(_PUBLISHED))
        for name, folder in folders.matching(wanted) if wanted else () if config.figure else folders.runs():
            _draw_run(out, folders, name, folder, is_asked_for=bool(wanted))
        for name, path in () if wanted or config.figure else folders.text_logs():
            _draw_text_log(out, folders, name, path, labels)
    if not out.summary.written:
        raise DataError(_nothing(config, bool(wanted)))
    return out.summary


def _draw_published(out: FigureFolder, folders: ResultFolders, figures: Sequence[str]) -> None:
    for number in figures:
        _PUBLISHED[number](out, folders)


def _draw_run(out: FigureFolder, folders: ResultFolders, name: str, folder: Path, is_asked_for: bool) -> None:
    """All that a run directory offers; `is_asked_for` where it was looked for and may hold a part alone."""
    if (folder / "log.json").is_file():
        draw_run_curves(out, name, read_accuracy_log(folder))
        draw_weight_tracks(out, name, folder)
    elif not is_asked_for:
        out.summary.skipped.append(f"Curves of {name} need {folder / 'log.json'}.")
    index = folders.class_index_path(folder) if is_asked_for else folder / "idx2cls.json"
    missing = [file for file in RUN_FILES if file != "idx2cls.json" and not (folder / file).is_file()]
    if index is None or not index.is_file():
        missing.append("idx2cls.json")
    if missing or index is None:
        out.summary.skipped.append(
            f"Per-class figures of {name} need {' and '.join(missing)} in {folder}; evaluate the run."
        )
        return
    confusions = read_confusions(folder, index)
    draw_class_accuracy(out, folders, name, confusions.results())
    draw_destinations(out, folders, name, confusions)


def _draw_text_log(
    out: FigureFolder, folders: ResultFolders, name: str, path: Path, labels: NDArray[np.int64] | None
) -> None:
    """The runs of a text log, and the classes of the right test images that are noted beside it."""
    runs = read_text_log(path)
    for number, log in enumerate(runs, start=1):
        draw_run_curves(out, name if len(runs) == 1 else f"{name}-{number}", log)
    positions = path.with_name(f"{path.stem}_corr.json")
    if not positions.is_file():
        return
    if labels is None:
        right = len(read_correct_positions(positions))
        out.summary.skipped.append(
            f"Per-class figures of {name} need the labels of the test images, for the {right:,} right ones that "
            f"{positions} names; give --test-labels."
        )
        return
    draw_class_accuracy(out, folders, name, correct_by_class(positions, labels))


def _nothing(config: FiguresConfig, is_search: bool) -> str:
    if is_search:
        asked = " and ".join(config.where)
        return f"{config.results}: nothing to draw of a run with {asked}; look into the config.json files below it"
    return (
        f"{config.results}: nothing to draw; looked for the folders {', '.join(sorted(PUBLISHED_NAMES))}, for "
        "folders with log.json or corr.json, for text logs and for a metadata folder; name another with --results"
    )

"""Figure 5-b: where the test images of the worst classes go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from rawlabel.base.metrics import clopper_pearson, top_confusions
from rawlabel.show.figures.class_results import Confusions, read_confusions
from rawlabel.show.figures.output import Cell, FigureFolder
from rawlabel.show.figures.result_folders import ResultFolders
from rawlabel.show.figures.style import CLEAN_COLOR, COLUMN_WIDTH, NEUTRAL_COLOR, RAW_COLOR, new_figure, shorten

_NUM_CLASSES = 20
_NUM_DESTINATIONS = 10
_MODELS = {"flickr": "raw labels", "imagenet": "clean labels"}
_NUM_NAMED = 3
"""Destinations with a colour and a name; the further ones are told together, and each in the CSV."""
_ERROR_COLORS = (RAW_COLOR, "#F2A65A", "#FBDDBD")
"""Of the named destinations. One hue that gets lighter, so that they differ in grey and for any colour vision."""
_HATCH = "/////"
_PANELS = (1.45, 3.1)
"""Widths of the bars and of the names beside them."""
_ROW = 0.165
"""Height of a class [inches]."""
_LONGEST_NAME = 18
_DIGIT = 0.05
"""Width of a digit of the small font [inches]."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """Part of one class's bar. `destination` is None for all the wrong classes that have no segment."""

    kind: str
    destination: str | None
    count: int
    trials: int


def draw_published_destinations(out: FigureFolder, folders: ResultFolders) -> None:
    """Draw Figure 5-b of each of the paper's two models, and their mean accuracies as a small table."""
    rows: list[list[Cell]] = []
    for model, label in _MODELS.items():
        folder = folders.results / f"{model}_conf"
        index_path = folders.class_index_path(folder)
        path = folder / "confmat.npy"
        missing = [] if path.is_file() else [str(path)]
        if index_path is None:
            missing.append(f"idx2cls.json in {folders.metadata or 'a metadata folder (--metadata)'}")
        if missing or index_path is None:
            out.summary.skipped.append(f"Figure 5-b of {model} needs {' and '.join(missing)}.")
            continue
        confusions = read_confusions(folder, index_path)
        title = f"Figure 5-b: what the worst classes are taken for, {label}"
        _draw(out, folders, f"figure_5b_{model}", title, confusions)
        tested = confusions.results().tested()
        rows.append([model, len(tested.class_ids), int(tested.trials.sum()), f"{tested.accuracy.mean():.2f}"])
        out.summary.headline.append(f"Figure 5-b, {label}: {_describe(confusions, folders)}.")
    if rows:
        out.write_csv("figure_5b_summary", ("model", "classes", "test_images", "mean_class_accuracy"), rows)


def draw_destinations(out: FigureFolder, folders: ResultFolders, name: str, confusions: Confusions) -> None:
    """Draw `confusion_<name>` of one evaluated run."""
    _draw(out, folders, f"confusion_{name}", f"What the worst classes are taken for, {name}", confusions)
    out.summary.headline.append(f"Confusions of {name}: {_describe(confusions, folders)}.")


def _worst_classes(confusions: Confusions) -> NDArray[np.int64]:
    """Return the indices of the classes with the lowest accuracy, the worst first."""
    trials = confusions.matrix.sum(axis=1)
    tested = np.flatnonzero(trials)
    accuracy = confusions.matrix.diagonal()[tested] / trials[tested]
    worst: NDArray[np.int64] = tested[np.argsort(accuracy, kind="stable")][:_NUM_CLASSES]
    return worst


def _segments(confusions: Confusions, index: int) -> list[_Segment]:
    """Return the bar of one class: correct images, the top destinations, and the rest; empty parts left out."""
    row = confusions.matrix[index]
    trials = int(row.sum())
    errors = row.copy()
    errors[index] = 0
    order = [int(one) for one in np.argsort(-errors, kind="stable")[:_NUM_DESTINATIONS]]
    parts = [_Segment("correct", confusions.class_ids[index], int(row[index]), trials)]
    parts += [_Segment("error", confusions.class_ids[one], int(errors[one]), trials) for one in order]
    parts.append(_Segment("other errors", None, trials - sum(part.count for part in parts), trials))
    return [part for part in parts if part.count > 0]


def _draw(out: FigureFolder, folders: ResultFolders, name: str, title: str, confusions: Confusions) -> None:
    indices = _worst_classes(confusions)
    height_of_rows = _ROW * len(indices)
    figure = new_figure(COLUMN_WIDTH, 0.9 + height_of_rows)
    bars, names = figure.subplots(1, 2, sharey=True, width_ratios=_PANELS)
    labels: list[str] = []
    rows: list[list[Cell]] = []
    for height, index in enumerate(indices):
        class_id = confusions.class_ids[index]
        segments = _segments(confusions, int(index))
        parts = _shown(segments)
        _plot_bar(bars, height, parts)
        _write_names(names, height, parts, folders)
        labels.append(shorten(folders.name(class_id), _LONGEST_NAME))
        rows += _numbers(class_id, segments, folders)
    bars.set_yticks(range(len(labels)), labels, fontsize=6.5)
    bars.tick_params(axis="y", length=0, pad=2)
    bars.set(xlim=(0, 100), ylim=(len(labels) - 0.4, -0.6))
    bars.set_xlabel("share of test images [%]")
    names.set_xlim(0, 1)
    names.set_axis_off()
    _write_head(bars, names, height_of_rows)
    shown = f"{len(indices)} of {len(confusions.class_ids)} classes"
    figure.suptitle(f"{title} ({shown})", fontsize=8.5)
    out.save(figure, name)
    header = ("class", "name", "kind", "destination", "destination_name", "count", "trials", "share")
    out.write_csv(name, (*header, "lower", "upper"), rows)


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a drawn bar: `place` 0 is correct, 1 to 3 the named errors, 4 all others together."""

    place: int
    segment: _Segment
    num_classes: int = 1


def _shown(segments: list[_Segment]) -> list[_Part]:
    """The pieces of one bar: correct images, the most frequent errors, and all others as one."""
    parts = [_Part(0, one) for one in segments if one.kind == "correct"]
    errors = [one for one in segments if one.kind != "correct"]
    # "Other errors" comes last and has no destination, so it is among the first three where there are few.
    named = [one for one in errors[:_NUM_NAMED] if one.destination is not None]
    parts += [_Part(place, one) for place, one in enumerate(named, start=1)]
    rest = errors[len(named) :]
    if rest:
        count = sum(one.count for one in rest)
        parts.append(_Part(_NUM_NAMED + 1, _Segment("other errors", None, count, rest[0].trials), len(rest)))
    return parts


def _look(place: int) -> dict[str, Any]:
    """How a piece at `place` is filled."""
    if place == 0:
        return {"facecolor": CLEAN_COLOR, "edgecolor": "white"}
    if place <= _NUM_NAMED:
        return {"facecolor": _ERROR_COLORS[place - 1], "edgecolor": "white"}
    return {"facecolor": "white", "edgecolor": NEUTRAL_COLOR, "hatch": _HATCH}


def _plot_bar(axes: Axes, height: int, parts: list[_Part]) -> None:
    left = 0.0
    for part in parts:
        share = 100 * part.segment.count / part.segment.trials
        axes.barh(height, share, left=left, height=0.78, linewidth=0.5, **_look(part.place))
        text = str(part.segment.count)
        if part.place == 0 and share / 100 * _PANELS[0] > _DIGIT * len(text):
            middle = left + share / 2
            axes.text(middle, height, text, fontsize=5.5, color="white", ha="center", va="center_baseline")
        left += share


def _write_names(axes: Axes, height: int, parts: list[_Part], folders: ResultFolders) -> None:
    """One column a place, each with how many images went there and, of the named ones, where that is."""
    for part in parts:
        if part.place == 0:
            continue
        text = str(part.segment.count)
        if part.segment.destination is not None:
            room = _LONGEST_NAME + 2 - max(2, len(text))
            text += f" {shorten(folders.name(part.segment.destination), room)}"
        axes.text(_column(part.place), height, text, fontsize=6, va="center_baseline")


def _column(place: int) -> float:
    """Where the column of a place begins, as a share of the panel's width; the last one holds numbers alone."""
    return (place - 1) * 0.305


def _write_head(bars: Axes, names: Axes, height: float) -> None:
    """Above the bars and the columns, what their fillings mean. `height` is that of the rows [inches]."""
    words = ("correct", "most frequent", "second", "third", "others")
    foot, side = 1 + 0.05 / height, 0.06 / height
    for place, word in enumerate(words):
        axes, x, width = (bars, 0.0, 0.055) if place == 0 else (names, _column(place), 0.026)
        axes.add_patch(Rectangle((x, foot), width, side, transform=axes.transAxes, clip_on=False, **_look(place)))
        axes.text(x + 1.5 * width, foot, word, transform=axes.transAxes, fontsize=6, va="bottom")


def _numbers(class_id: str, segments: list[_Segment], folders: ResultFolders) -> list[list[Cell]]:
    """Return one row of numbers a segment, with the exact interval of its share (all in percent)."""
    rows: list[list[Cell]] = []
    for segment in segments:
        lower, upper = clopper_pearson(segment.count, segment.trials)
        name = None if segment.destination is None else folders.name(segment.destination)
        counts = (segment.count, segment.trials)
        shares = (100 * segment.count / segment.trials, float(100 * lower), float(100 * upper))
        rows.append([class_id, folders.name(class_id), segment.kind, segment.destination, name, *counts, *shares])
    return rows


def _describe(confusions: Confusions, folders: ResultFolders) -> str:
    tested = confusions.results().tested()
    text = f"mean class accuracy {tested.accuracy.mean():.2f}"
    for worst in top_confusions(confusions.matrix, 1):
        true, predicted = (folders.name(confusions.class_ids[one]) for one in (worst.true, worst.predicted))
        text += f"; most frequent error {true} → {predicted}, {worst.errors} of {worst.trials}"
    return text

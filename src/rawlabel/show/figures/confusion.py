"""Figure 5-b: where the test images of the worst classes go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from rawlabel.base.metrics import clopper_pearson, top_confusions
from rawlabel.show.figures.class_results import Confusions, read_confusions
from rawlabel.show.figures.output import Cell, FigureFolder
from rawlabel.show.figures.result_folders import ResultFolders
from rawlabel.show.figures.style import CORRECT_COLOR, LIGHT_COLOR, new_figure, shorten

_NUM_CLASSES = 20
_NUM_DESTINATIONS = 10
_MODELS = {"flickr": "raw labels", "imagenet": "clean labels"}
_WIDTH = 13.0
_CHARACTERS_PER_BAR = 200
"""Characters of the small font that fit in a whole bar."""


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
    figure = new_figure(_WIDTH, 1.6 + 0.3 * len(indices))
    axes = figure.subplots()
    labels: list[str] = []
    rows: list[list[Cell]] = []
    for height, index in enumerate(indices):
        class_id = confusions.class_ids[index]
        segments = _segments(confusions, int(index))
        _plot_bar(axes, height, segments, folders)
        labels.append(shorten(folders.name(class_id)))
        rows += _numbers(class_id, segments, folders)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the class's test images [%]")
    axes.set_title(f"{title} ({len(indices)} of {len(confusions.class_ids)} classes)", loc="left", pad=24)
    handles = [
        Patch(color=CORRECT_COLOR, label="correct"),
        Patch(color=_rank_color(0), label="most frequent error"),
        Patch(color=_rank_color(_NUM_DESTINATIONS - 1), label=f"less frequent, down to the {_NUM_DESTINATIONS}th"),
        Patch(color=LIGHT_COLOR, label="all other errors"),
    ]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)
    out.save(figure, name)
    header = ("class", "name", "kind", "destination", "destination_name", "count", "trials", "share")
    out.write_csv(name, (*header, "lower", "upper"), rows)


def _rank_color(rank: int) -> tuple[float, float, float, float]:
    """Colour of the `rank`-th most frequent error: the darker, the more frequent."""
    red, green, blue, alpha = colormaps["Oranges"](0.75 - 0.6 * rank / (_NUM_DESTINATIONS - 1))
    return red, green, blue, alpha


def _plot_bar(axes: Axes, height: int, segments: list[_Segment], folders: ResultFolders) -> None:
    left, rank = 0.0, 0
    for segment in segments:
        share = 100 * segment.count / segment.trials
        color: str | tuple[float, float, float, float] = LIGHT_COLOR
        text = str(segment.count)
        if segment.kind == "correct":
            color = CORRECT_COLOR
        elif segment.destination is not None:
            color = _rank_color(rank)
            rank += 1
            room = int(share / 100 * _CHARACTERS_PER_BAR) - len(text) - 1
            if room >= 4:
                text = f"{shorten(folders.name(segment.destination), room)} {text}"
        axes.barh(height, share, left=left, height=0.8, color=color, edgecolor="white", linewidth=0.8)
        axes.text(left + share / 2, height, text, ha="center", va="center_baseline", fontsize=6)
        left += share


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

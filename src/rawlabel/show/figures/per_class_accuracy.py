"""Figure 5-a: test accuracy of each class with exact intervals, for the paper's two models and for own runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rawlabel.show.figures.class_results import ClassResults, Confusions, read_class_results, read_confusions
from rawlabel.show.figures.output import Cell, FigureFolder
from rawlabel.show.figures.paired_accuracy import draw_paired
from rawlabel.show.figures.result_folders import ResultFolders
from rawlabel.show.figures.style import (
    CLEAN_COLOR,
    COLUMN_WIDTH,
    INTERVAL_LABEL,
    LIGHT_COLOR,
    RAW_COLOR,
    class_row_axes,
    class_rows_figure,
    finish_class_rows,
    label_class_rows,
    new_figure,
    split_into_columns,
)

_HEADER = ("model", "rank", "class", "name", "correct", "trials", "accuracy", "lower", "upper")
_MOST_NAMED_CLASSES = 210
"""Own runs with more classes get a band without names, since the rows would no longer fit a page."""


@dataclass(frozen=True, slots=True)
class _Model:
    name: str
    label: str
    color: str
    results: ClassResults


def draw_published_class_accuracy(out: FigureFolder, folders: ResultFolders) -> None:
    """Draw Figure 5-a as published (each model sorted on its own) and paired (class by class)."""
    missing = folders.missing("flickr_err/corr.json", "imagenet_err/corr.json")
    if missing:
        out.summary.skipped.append(f"Figure 5-a needs {' and '.join(missing)} in {folders.results}.")
        return
    # Both models saw one test set, so where only one folder states the images of each class, it speaks for both.
    confusions = [_published_confusions(folders, model) for model in ("flickr", "imagenet")]
    raw_results, clean_results = (
        read_class_results(
            folders.results / f"{model}_err" / "corr.json", own or next(filter(None, confusions), None)
        )
        for model, own in zip(("flickr", "imagenet"), confusions, strict=True)
    )
    raw = _Model("flickr", "raw labels", RAW_COLOR, raw_results.tested())
    clean = _Model("imagenet", "clean labels", CLEAN_COLOR, clean_results.tested())
    _draw_band(out, folders, "figure_5a", "Figure 5-a: test accuracy of each class", (raw, clean))
    if raw.results.trials_by_class() == clean.results.trials_by_class():
        draw_paired(out, folders, raw.results, clean.results)
    else:
        out.summary.skipped.append(
            "The paired Figure 5-a needs the same classes and test images in flickr_err and imagenet_err."
        )


def draw_class_accuracy(out: FigureFolder, folders: ResultFolders, name: str, results: ClassResults) -> None:
    """Draw `per_class_<name>` of one evaluated run."""
    tested = results.tested()
    untested = sorted(set(results.class_ids) - set(tested.class_ids))
    if untested:
        out.summary.skipped.append(
            f"Per-class figures of {name} leave out classes without a test image: {', '.join(untested)}."
        )
    model = _Model(name, "accuracy", RAW_COLOR, tested)
    title = f"Test accuracy of each class, {name}"
    if len(tested.class_ids) > _MOST_NAMED_CLASSES:
        _draw_band(out, folders, f"per_class_{name}", title, (model,))
    else:
        _draw_rows(out, folders, f"per_class_{name}", title, model)
    worst = int(np.argmin(tested.accuracy))
    out.summary.headline.append(
        f"Per-class accuracy of {name}: mean {tested.accuracy.mean():.2f} over {len(tested.class_ids)} classes, "
        f"lowest {tested.accuracy[worst]:.2f} ({folders.name(tested.class_ids[worst])})."
    )


def _published_confusions(folders: ResultFolders, model: str) -> Confusions | None:
    """Read `<model>_conf`; None where it, or the class index, is absent."""
    folder = folders.results / f"{model}_conf"
    index_path = folders.class_index_path(folder)
    if index_path is None or not (folder / "confmat.npy").is_file():
        return None
    return read_confusions(folder, index_path)


def _draw_band(out: FigureFolder, folders: ResultFolders, name: str, title: str, models: Sequence[_Model]) -> None:
    """Draw accuracy over rank with a band of intervals, each model's classes in an order of their own."""
    figure = new_figure(COLUMN_WIDTH, 3.3)
    axes = figure.subplots()
    rows: list[list[Cell]] = []
    for model in models:
        results = model.results.take(np.argsort(model.results.accuracy, kind="stable"))
        lower, upper = results.interval()
        ranks = range(1, len(results.class_ids) + 1)
        label = f"{model.label} (mean {results.accuracy.mean():.2f} %)"
        axes.plot(ranks, results.accuracy, color=model.color, linewidth=1.6, label=label)
        axes.fill_between(ranks, lower, upper, color=model.color, alpha=0.2, linewidth=0, label=INTERVAL_LABEL)
        rows += _numbers(model.name, results, folders)
    axes.set_title(title)
    axes.set_xlabel("rank of the class, from the lowest accuracy")
    if len(models) > 1:
        axes.set_xlabel(
            "rank of the class, from the model's own lowest accuracy\n"
            "(each model's classes are sorted on their own: one rank is not one class)"
        )
    axes.set_ylabel("test top-1 accuracy [%]")
    axes.set_ylim(0, 101)
    axes.set_xlim(0.5, 0.5 + max(len(model.results.class_ids) for model in models))
    axes.grid()
    axes.legend(loc="lower right", fontsize=7)
    out.save(figure, name)
    out.write_csv(name, _HEADER, rows)


def _draw_rows(out: FigureFolder, folders: ResultFolders, name: str, title: str, model: _Model) -> None:
    """Draw one named row a class, best class first."""
    results = model.results.take(np.argsort(-model.results.accuracy, kind="stable"))
    lower, upper = results.interval()
    columns = split_into_columns(len(results.class_ids))
    figure = class_rows_figure(columns)
    for axes, rows in zip(class_row_axes(figure, columns), columns, strict=True):
        part, heights = slice(rows.start, rows.stop), range(len(rows))
        axes.hlines(heights, lower[part], upper[part], color=LIGHT_COLOR, linewidth=2.2, label=INTERVAL_LABEL)
        axes.plot(results.accuracy[part], heights, "o", color=model.color, markersize=2.8, label=model.label)
        label_class_rows(axes, [folders.name(one) for one in results.class_ids[part]], len(columns[0]))
        axes.set_xlim(-1, 103)
    note = f"mean over {len(results.class_ids)} classes: {results.accuracy.mean():.2f} %"
    finish_class_rows(figure, title, "test top-1 accuracy [%]", note)
    out.save(figure, name)
    out.write_csv(name, _HEADER, _numbers(model.name, results, folders))


def _numbers(model: str, results: ClassResults, folders: ResultFolders) -> list[list[Cell]]:
    """Return one row of numbers a class; the rank follows the order of `results`, from 1."""
    measured = zip(
        results.class_ids,
        results.correct.tolist(),
        results.trials.tolist(),
        results.accuracy.tolist(),
        *(limit.tolist() for limit in results.interval()),
        strict=True,
    )
    return [
        [model, rank, class_id, folders.name(class_id), *values]
        for rank, (class_id, *values) in enumerate(measured, start=1)
    ]

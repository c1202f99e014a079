"""Figure 8: candidates per class, sorted, with the excluded classes marked."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from rawlabel.show.figures.output import FigureFolder
from rawlabel.show.figures.published_layout import CandidateCounts
from rawlabel.show.figures.result_folders import ResultFolders
from rawlabel.show.figures.style import (
    CLEAN_COLOR,
    RAW_COLOR,
    class_row_axes,
    class_rows_figure,
    finish_class_rows,
    label_class_rows,
    split_into_columns,
)

_ROWS = 45
"""Most classes in a column."""
_HATCH = "/////"


def draw_images_per_class(out: FigureFolder, folders: ResultFolders) -> None:
    """Draw Figure 8 from the metadata's candidate counts."""
    candidates = folders.candidates
    if candidates is None:
        place = folders.metadata or "a metadata folder (--metadata)"
        out.summary.skipped.append(f"Figure 8 needs num_imgs_per_class.txt in {place}.")
        return
    if candidates.excluded is None:
        out.summary.skipped.append(
            f"The excluded classes of Figure 8 need num_imgs_per_class_excluded.txt in {folders.metadata}."
        )
    order = np.argsort(-candidates.counts, kind="stable")
    excluded = candidates.excluded or frozenset()
    class_ids = [candidates.class_ids[position] for position in order]
    counts = candidates.counts[order]
    marks = [class_id in excluded for class_id in class_ids]
    columns = split_into_columns(len(counts), _ROWS)
    figure = class_rows_figure(columns)
    for axes, rows in zip(class_row_axes(figure, columns), columns, strict=True):
        _plot_rows(axes, counts[rows.start : rows.stop], marks[rows.start : rows.stop])
        label_class_rows(axes, [folders.name(one) for one in class_ids[rows.start : rows.stop]], len(columns[0]))
        axes.set_xlim(0, 1.04 * counts.max())
        axes.grid(visible=False, axis="y")
    finish_class_rows(figure, f"Figure 8: {counts.sum():,} candidate images of {len(counts)} classes", "images")
    if candidates.excluded is not None:
        kept = Patch(color=CLEAN_COLOR, label=f"kept ({len(counts) - sum(marks)} classes)")
        left_out = Patch(facecolor=RAW_COLOR, hatch=_HATCH, edgecolor="white", linewidth=0)
        left_out.set_label(f"excluded ({sum(marks)} classes)")
        figure.legend(handles=[kept, left_out], loc="outside lower center", ncols=2)
    out.save(figure, "figure_8")
    known = candidates.excluded is not None
    out.write_csv(
        "figure_8",
        ("position", "class", "name", "candidates", "excluded"),
        [
            (position, class_id, folders.name(class_id), int(count), mark if known else None)
            for position, (class_id, count, mark) in enumerate(zip(class_ids, counts, marks, strict=True))
        ],
    )
    _write_summary(out, candidates)


def _plot_rows(axes: Axes, counts: NDArray[np.int64], marks: list[bool]) -> None:
    colors = [RAW_COLOR if mark else CLEAN_COLOR for mark in marks]
    hatches = [_HATCH if mark else "" for mark in marks]
    axes.barh(range(len(counts)), counts, height=0.78, color=colors, hatch=hatches, edgecolor="white", linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _write_summary(out: FigureFolder, candidates: CandidateCounts) -> None:
    counts = candidates.counts
    headline = f"Figure 8: {counts.sum():,} candidates of {len(counts)} classes"
    header = ("classes", "total", "minimum", "median", "maximum", "excluded_classes", "excluded_total")
    row = [len(counts), int(counts.sum()), int(counts.min()), float(np.median(counts)), int(counts.max())]
    if candidates.excluded is None:
        out.write_csv("figure_8_summary", header, [(*row, None, None)])
    else:
        pairs = zip(candidates.class_ids, counts.tolist(), strict=True)
        total = sum(count for class_id, count in pairs if class_id in candidates.excluded)
        out.write_csv("figure_8_summary", header, [(*row, len(candidates.excluded), total)])
        headline += f", {len(candidates.excluded)} of them excluded with {total:,} candidates"
    out.summary.headline.append(f"{headline}.")

"""Figure 8: candidates per class, sorted, with the excluded classes marked."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Patch

from rawlabel.show.figures.output import FigureFolder
from rawlabel.show.figures.published_layout import CandidateCounts
from rawlabel.show.figures.result_folders import ResultFolders
from rawlabel.show.figures.style import CLEAN_COLOR, RAW_COLOR, new_figure, shorten


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
    figure = new_figure(max(6, 1.2 + 0.125 * len(class_ids)), 5.2)
    axes = figure.subplots()
    colors = [RAW_COLOR if mark else CLEAN_COLOR for mark in marks]
    hatches = ["////" if mark else "" for mark in marks]
    axes.bar(range(len(counts)), counts, width=0.8, color=colors, hatch=hatches, edgecolor="white", linewidth=0)
    names = [shorten(folders.name(class_id)) for class_id in class_ids]
    axes.set_xticks(range(len(counts)), names, rotation=90, fontsize=6.5)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.8, len(counts) - 0.2)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylabel("candidate images")
    axes.grid(axis="y")
    axes.set_title(f"Figure 8: {counts.sum():,} candidate images of {len(counts)} classes")
    if candidates.excluded is not None:
        kept = Patch(color=CLEAN_COLOR, label=f"kept ({len(counts) - sum(marks)} classes)")
        left_out = Patch(facecolor=RAW_COLOR, hatch="////", edgecolor="white", linewidth=0)
        left_out.set_label(f"excluded ({sum(marks)} classes)")
        axes.legend(handles=[kept, left_out], loc="upper right")
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

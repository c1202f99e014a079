"""Draw all that a folder of results offers."""

from __future__ import annotations

from rawlabel.config import FiguresConfig
from rawlabel.errors import DataError
from rawlabel.show.figures.accuracy_curves import draw_published_curves, draw_run_curves
from rawlabel.show.figures.class_results import read_confusions
from rawlabel.show.figures.confusion import draw_destinations, draw_published_destinations
from rawlabel.show.figures.images_per_class import draw_images_per_class
from rawlabel.show.figures.output import FigureFolder, FiguresSummary
from rawlabel.show.figures.per_class_accuracy import draw_class_accuracy, draw_published_class_accuracy
from rawlabel.show.figures.result_folders import PUBLISHED_NAMES, RUN_FILES, open_result_folders
from rawlabel.show.figures.style import figure_style


def draw_all(config: FiguresConfig) -> FiguresSummary:
    """See `rawlabel.show.figures.stage.draw_figures`."""
    folders = open_result_folders(config)
    out = FigureFolder(config.out)
    with figure_style():
        draw_published_curves(out, folders, 2, 100)
        draw_published_curves(out, folders, 7, 135)
        draw_published_class_accuracy(out, folders)
        draw_published_destinations(out, folders)
        draw_images_per_class(out, folders)
        for name, folder in folders.runs():
            if (folder / "log.json").is_file():
                draw_run_curves(out, name, folder)
            else:
                out.summary.skipped.append(f"Curves of {name} need {folder / 'log.json'}.")
            missing = [file for file in RUN_FILES if not (folder / file).is_file()]
            if missing:
                out.summary.skipped.append(
                    f"Per-class figures of {name} need {' and '.join(missing)} in {folder}; evaluate the run."
                )
                continue
            confusions = read_confusions(folder, folder / "idx2cls.json")
            draw_class_accuracy(out, folders, name, confusions.results())
            draw_destinations(out, folders, name, confusions)
    if not out.summary.written:
        raise DataError(
            f"{config.results}: nothing to draw; looked for the folders {', '.join(sorted(PUBLISHED_NAMES))}, for "
            "folders with log.json or corr.json, and for a metadata folder; name another with --results"
        )
    return out.summary

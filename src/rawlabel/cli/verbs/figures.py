"""`rawlabel figures`."""

from __future__ import annotations

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import FiguresConfig

GROUP = "research"
PLACE = 40
SUMMARY = "draw the paper's figures from result folders"


def _figures(config: FiguresConfig) -> Ending:
    from rawlabel.show.figures.stage import draw_figures

    summary = draw_figures(config)
    for line in (*summary.headline, *(f"left out: {line}" for line in summary.skipped)):
        say(line)
    say(f"{len(summary.written)} files in {config.out}")
    give(summary)
    return Ending(("compare-rules", "RUN"))


COMMAND = section_command("figures", FiguresConfig, _figures)

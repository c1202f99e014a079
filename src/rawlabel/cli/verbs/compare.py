"""`rawlabel compare`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.cli.next_steps import after_evaluating
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import CompareConfig

GROUP = "model"
PLACE = 25
SUMMARY = "compare evaluated runs photo by photo, as a page and as JSON"

_MOST_CLASSES = 5


def _compare(config: CompareConfig) -> Ending:
    from rawlabel.show.compare.stage import write_comparison

    comparison, page = write_comparison(config)
    width = max(len(run.name) for run in comparison.runs)
    for run in comparison.runs:
        lower, upper = run.accuracy.interval
        say(f"{run.name:<{width}}  {run.accuracy.accuracy:6.2f} % [{lower:.2f}, {upper:.2f}], epoch {run.epoch}")
    for pair in comparison.pairs:
        say(pair.describe())
        say(f"  right alone: {pair.only_first} by {pair.first}, {pair.only_second} by {pair.second}")
    for name, changes in comparison.classes.items():
        moved = sorted(changes, key=lambda one: -abs(one.difference))[:_MOST_CLASSES]
        said = ", ".join(f"{one.label} {one.difference:+.1f}" for one in moved if one.difference)
        say(f"classes, {comparison.runs[0].name} to {name} [points]: {said or 'none changes'}")
    for one in comparison.settings:
        if one.is_of_result:
            say(f"differs: {one.name} ({', '.join(one.values)})")
    for warning in comparison.warnings:
        say(f"note: {warning}")
    say(f"page: {page}")
    say(f"numbers: {page.with_suffix('.json')}")
    give(comparison)
    best = max(comparison.runs, key=lambda run: run.accuracy.correct)
    return Ending(after_evaluating(Path(best.path)))


COMMAND = section_command("compare", CompareConfig, _compare)

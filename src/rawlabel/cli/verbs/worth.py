"""`rawlabel worth`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import WorthConfig

if TYPE_CHECKING:
    from rawlabel.judge.evaluate.worth import Equivalent

GROUP = "research"
PLACE = 30
SUMMARY = "say how many clean labels a set of raw labels is worth, from finished runs"


def _worth(config: WorthConfig) -> Ending:
    from rawlabel.judge.evaluate.worth import BOUND_REMARK, as_json, measure_worth

    worth = measure_worth(config)
    curve = worth.curve
    say(
        f"clean labels: accuracy = {curve.limit:.2f} - {curve.scale:.4g} n^-{curve.rate:.3g} %, through runs on "
        f"{', '.join(map(str, worth.clean))} images"
    )
    if curve.is_limit_its_bound:
        say(BOUND_REMARK)
    for one in worth.equivalents:
        say(f"{one.name}: {_result(one, config.confidence)}")
    if config.out is not None:
        from rawlabel.show.figures.worth import draw_worth

        draw_worth(worth, config.out)
        say(f"written: {config.out}")
    give(as_json(worth, config))
    return Ending(("compare-rules", *config.runs))


def _result(one: Equivalent, confidence: float) -> str:
    if one.interval is None:
        interval = "no interval: train on each size with several seeds"
    else:
        interval = f"{100 * confidence:g} % interval {_count(one.interval[0])} to {_count(one.interval[1])}"
    per_label = f"{one.per_label:.2f}" if one.num_clean < float("inf") else "more than any"
    note = f"; {one.linear_in_log:.0f} by a line in log n" if one.linear_in_log is not None else ""
    note += f"; {one.note}" if one.note else ""
    return (
        f"{one.num_raw} raw labels are worth {_count(one.num_clean)} clean ones ({interval}; {per_label} for each "
        f"raw label; {len(one.accuracies)} run{'s' if len(one.accuracies) > 1 else ''}){note}"
    )


def _count(value: float) -> str:
    return f"{value:.0f}" if value < 1e9 else "any number of"


COMMAND = section_command("worth", WorthConfig, _worth)

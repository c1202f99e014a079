"""`rawlabel compare-rules`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import CompareRulesConfig

if TYPE_CHECKING:
    from rawlabel.judge.evaluate.rule_regret import RuleRegret, RunGroup

GROUP = "research"
PLACE = 20
SUMMARY = "say how far each stopping rule stays below the best epoch, on finished runs"


def _compare_rules(config: CompareRulesConfig) -> Ending:
    from rawlabel.judge.evaluate.rule_regret import compare_rules, worst_means

    groups = compare_rules(config)
    width = max(len(one.rule) for one in groups[0].rules)
    for group in groups:
        for line in _table(group, config.confidence, width):
            say(line)
    if len(groups) > 1:
        say(f"largest mean regret over the {len(groups)} groups:")
        for rule, mean, name in worst_means(groups):
            say(f"  {rule:<{width}} {mean:8.2f}  ({name})")
    if config.out:
        say(f"written: {config.out}")
    give([_document(group) for group in groups])
    return Ending(("worth", *config.runs, "--clean", "RUN"))


def _document(group: RunGroup) -> Mapping[str, object]:
    from rawlabel.judge.evaluate.choice_costs import heads_row, weights_row

    runs = [{"run": run.path, "oracle_epoch": run.oracle_epoch} for run in group.runs]
    weights, heads = group.weights, group.heads
    choices = {"weights": weights and weights_row(weights), "heads": heads and heads_row(heads)}
    told = {key: value for key, value in choices.items() if value is not None}
    return {"group": group.name, "runs": runs, "rules": group.rules, **told}


def _table(group: RunGroup, confidence: float, width: int) -> Iterator[str]:
    oracles = ", ".join(f"{run.oracle_accuracy:.2f} % ({run.oracle})" for run in group.runs)
    what, below = ("epoch", "") if group.weights is None else ("epoch or weights", " below the best epoch")
    yield f"{group.name}: {len(group.runs)} run{'s' if len(group.runs) > 1 else ''}"
    yield f"  oracle, the best {what} on the test set, which nobody could have chosen: {oracles}"
    yield f"  {'rule':<{width}} mean regret [points{below}], {100 * confidence:g} % interval; largest; epochs"
    for one in group.rules:
        yield f"  {one.rule:<{width}} {_result(one)}"
    if (weights := group.weights) is not None:
        always = ", ".join(f"always {name} {cost:.2f}" for name, cost in weights.always.items())
        regret = f"{weights.mean_regret:8.2f} ± {_half(weights.regret_half_width)}"
        yield f"  weights kept by raw labels: {', '.join(weights.chosen)}"
        yield f"  {'below the oracle':<{width}} {regret}"
        yield f"  {'what that cost':<{width}} {weights.mean:8.2f} ± {_half(weights.half_width)}; {always}"
    if (heads := group.heads) is not None:
        yield "  heads chosen by raw labels: points below the oracle head on the test set, all fitted anew"
        yield from (f"  {run.run}: {run.describe()}" for run in heads.runs)
        if heads.mean is not None:
            yield f"  {'what that cost':<{width}} {heads.mean:8.2f} ± {_half(heads.half_width)}"


def _result(one: RuleRegret) -> str:
    if one.mean is None:
        return f"left out: the log has no {' and no '.join(one.missing)}"
    return f"{one.mean:8.2f} ± {_half(one.half_width)}; {max(one.regrets):.2f}; {', '.join(map(str, one.epochs))}"


def _half(width: float | None) -> str:
    return f"{width:.2f}" if width is not None else "? (one run)"


COMMAND = section_command("compare-rules", CompareRulesConfig, _compare_rules)

"""Which epoch each stopping rule would have chosen on this run; the rules read raw-label signals alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rawlabel.base import families
from rawlabel.show.report.evidence import RunEvidence
from rawlabel.training.stopping_rule import StoppingRule


@dataclass(frozen=True, slots=True)
class RuleChoice:
    """What one rule chooses with its default options, or which signals of the log it lacks."""

    rule: str
    epoch: int | None
    why: str
    test: float | None
    """Test accuracy of that epoch [percent], which the rule did not see; None where it was not logged."""
    is_the_runs: bool
    """Whether it is the rule that the run went by."""


def rule_choices(run: RunEvidence) -> list[RuleChoice]:
    """Ask every rule there is, by name; its choice is a function of the log, so nothing is trained."""
    records = [one.record() for one in run.epochs]
    own = run.summary.rule if run.is_finished else run.config.stop
    choices = []
    for name in families.names(families.Family.STOPPING_RULE) if records else ():
        kind: type[StoppingRule[Any]] = families.load(families.Family.STOPPING_RULE, name)
        rule = kind()
        needed = [one for one in rule.signals if one not in rule.spare_signals]
        missing = [one for one in needed if all(getattr(record, one) is None for record in records)]
        if missing:
            lacks = f"the log has no {' and no '.join(missing)}".replace("_", " ")
            choices.append(RuleChoice(name, None, lacks, None, name == own))
            continue
        chosen = rule.select(records)
        # The run's own options may differ from the defaults, and what it chose is a fact.
        epoch = run.selected_epoch if name == own and run.selected_epoch is not None else chosen.epoch
        why = run.summary.why_selected() if name == own and run.is_finished else chosen.why
        choices.append(RuleChoice(name, epoch, why, run.test_accuracies.get(epoch), name == own))
    return sorted(choices, key=lambda one: (not one.is_the_runs, one.epoch is None, one.rule))

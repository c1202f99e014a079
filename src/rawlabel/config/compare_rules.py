"""The settings of `rawlabel compare-rules`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class CompareRulesConfig(Section):
    """Say how far each stopping rule stays below the best epoch on the test set (the oracle), on finished runs.

    Runs that differ in their seed alone make a group. The rules see the raw-label signals of log.json, and the
    logged test accuracies come in afterwards. Below stands what choosing the head cost, where `rawlabel evaluate`
    measured it, and choosing the weights of a fine-tuned run.
    """

    runs: tuple[Path, ...] = setting((), "Run directories with a logged test accuracy.", positional=True)
    rule: tuple[str, ...] = setting(
        (),
        "Rule to compare, as NAME or NAME:KEY=VALUE,KEY=VALUE; may be given several times; by default every rule "
        "with its defaults.",
    )
    ignore: tuple[str, ...] = setting(
        (),
        "Setting in which the runs of a group may differ besides the seed, such as root; may be given several "
        "times.",
    )
    confidence: float = setting(0.95, "Confidence of the intervals over seeds [0 to 1].", gt=0, lt=1)
    out: Path | None = setting(None, "File to write the comparison to as well: .json, or .csv without the runs.")

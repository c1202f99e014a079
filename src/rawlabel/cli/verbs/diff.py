"""`rawlabel diff`."""

from __future__ import annotations

from collections import Counter

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import DiffConfig

GROUP = "upkeep"
PLACE = 20
SUMMARY = "compare two manifests"


def _diff(config: DiffConfig) -> Ending:
    from rawlabel.manifests.diff import Kind, diff

    before, after, differences = diff(config)
    counts = Counter(one.kind for one in differences)
    give({"before": before.fingerprint, "after": after.fingerprint, "counts": counts, "differences": differences})
    ending = Ending(("train", "--root", config.project), exit_code=int(bool(differences)))
    if not differences:
        say(f"the manifests are equal ({before.fingerprint[:12]}, {before.table.num_rows} label events)")
        return ending
    for name, manifest in (("before", before), ("after", after)):
        say(
            f"{name:<7}{manifest.fingerprint[:12]}  {manifest.table.num_rows} label events, "
            f"{manifest.kept().num_rows} kept"
        )
    if after.parent == before.fingerprint:
        say("the second was made from the first")
    for kind in Kind:
        if counts[kind]:
            say(f"{counts[kind]:>6} {kind.describe()}")
    if config.out is None:
        say("--out FILE lists each of them")
    return ending


COMMAND = section_command("diff", DiffConfig, _diff)

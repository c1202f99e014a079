"""`rawlabel curate`."""

from __future__ import annotations

from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import CurateConfig
from rawlabel.records import Reason, Split

GROUP = "main path"
PLACE = 20
SUMMARY = "clean a collection without touching its labels"


def _curate(config: CurateConfig) -> Ending:
    from rawlabel.gather.curate.stage import curate

    manifest = curate(config)
    counts = next(row for row in manifest.funnel() if row["class_id"] == "all")
    say(
        f"found {counts['found']} = kept {counts.get('kept', 0)} + rejected {counts.get('rejected', 0)} "
        f"+ failed {counts.get('failed', 0)}"
    )
    for verdict in ("rejected", "failed"):
        for reason in Reason:
            if counts.get(f"{verdict}:{reason}"):
                say(f"  {counts[f'{verdict}:{reason}']:>6} {verdict}: {reason.describe()}")
    say(f"held out for the stopping rule: {manifest.kept(Split.HOLDOUT).num_rows}")
    say(f"manifest: {manifest.path}")
    for warning in manifest.warnings():
        messages.note(warning)
    give({"manifest": manifest.path, "fingerprint": manifest.fingerprint, "funnel": manifest.funnel()})
    return Ending(("train", "--root", config.project) if counts.get("kept") else ("report", config.project))


COMMAND = section_command("curate", CurateConfig, _curate)

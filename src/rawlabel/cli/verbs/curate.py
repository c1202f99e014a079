"""`rawlabel curate`."""

from __future__ import annotations

from collections.abc import Sequence

from rawlabel.artifacts.class_overlap import pairs_to_tell, read_class_overlap
from rawlabel.artifacts.funnel import Loss
from rawlabel.artifacts.review.reviewed import Reviewed
from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import CurateConfig
from rawlabel.records import Reason, Split, Verdict

GROUP = "main path"
PLACE = 20
SUMMARY = "clean a collection without touching its labels"


def _curate(config: CurateConfig) -> Ending:
    from rawlabel.gather.curate.stage import curate

    manifest = curate(config, _make_features)
    counts = manifest.funnel.total
    say(f"found {counts.found} = kept {counts.kept} + rejected {counts.rejected} + failed {counts.failed}")
    for verdict in (Verdict.REJECTED, Verdict.FAILED):
        for loss in (Loss(verdict, reason) for reason in Reason):
            if loss in counts.losses:
                say(f"  {counts.losses[loss]:>6} {verdict}: {loss.describe()}")
    if manifest.reviewed.entries:
        _say_reviewed(manifest.reviewed)
    say(f"held out for the stopping rule: {manifest.kept(Split.HOLDOUT).num_rows}")
    overlap = read_class_overlap(manifest.path) or ()
    for one in pairs_to_tell(overlap):
        say(one.describe())
    say(f"manifest: {manifest.path}")
    for warning in manifest.warnings():
        messages.note(warning)
    give(
        {
            "manifest": manifest.path,
            "fingerprint": manifest.fingerprint,
            "funnel": manifest.funnel.as_json(),
            "reviewed": manifest.reviewed.model_dump(),
            "class_overlap": [one.as_json() for one in overlap],
        }
    )
    return Ending(("train", "--root", config.project) if counts.kept else ("report", config.project))


def _make_features(config: CurateConfig, names: Sequence[str]) -> None:
    # Encoders take seconds to be imported, and nothing else here needs them.
    from rawlabel.models.transfer.for_curating import make_features

    make_features(config, names)


def _say_reviewed(reviewed: Reviewed) -> None:
    say(reviewed.describe())
    say(
        f"  {reviewed.entries:,} answers = {reviewed.dropped:,} to drop + {reviewed.already_out:,} to drop what "
        f"is left out anyway + {reviewed.kept:,} to keep + {reviewed.not_sure:,} not sure + "
        f"{reviewed.unmatched:,} about nothing that was collected"
    )


COMMAND = section_command("curate", CurateConfig, _curate)

"""`rawlabel prune`."""

from __future__ import annotations

from rawlabel.artifacts.project import export_path
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import PruneConfig
from rawlabel.records import Reason

GROUP = "upkeep"
PLACE = 30
SUMMARY = "ask the photo sites again and leave out what was taken down"


def _prune(config: PruneConfig) -> Ending:
    from rawlabel.manifests.prune.stage import prune

    pruned = prune(config)
    missing = pruned.asked.not_answered.total()
    say(
        f"asked about {pruned.asked.num_photos} photos: {pruned.asked.num_photos - missing} answers, "
        f"{missing} not answered (they stay)"
    )
    for source, message in pruned.asked.errors.items():
        say(f"  {source}: not asked to the end: {message}")
    for reason in Reason:
        if pruned.left_out[reason]:
            say(f"  {pruned.left_out[reason]:>6} left out: {reason.describe()}")
    if pruned.num_relicensed:
        say(f"  {pruned.num_relicensed:>6} have another license and stay")
    give(
        {
            "asked": pruned.asked.num_photos,
            "not_answered": pruned.asked.not_answered,
            "errors": pruned.asked.errors,
            "left_out": pruned.left_out,
            "relicensed": pruned.num_relicensed,
            "deleted": pruned.num_deleted,
            "manifest": pruned.manifest.path if pruned.manifest else None,
        }
    )
    if config.dry_run:
        say("dry run: nothing was recorded, written or deleted")
        return Ending(("prune", config.project))
    say(f"files deleted: {pruned.num_deleted}")
    if pruned.num_deleted and export_path(config.project).exists():
        say(f"{export_path(config.project)}: still holds them; run `rawlabel export` again")
    if pruned.manifest is None:
        say("the newest manifest stays as it is")
    else:
        say(f"manifest: {pruned.manifest.path}")
    return Ending(("train", "--root", config.project))


COMMAND = section_command("prune", PruneConfig, _prune)

"""`rawlabel rebuild`."""

from __future__ import annotations

from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import RebuildConfig
from rawlabel.records import Reason

GROUP = "data"
PLACE = 60
SUMMARY = "re-create a data set from its manifest and say what has changed"


def _rebuild(config: RebuildConfig) -> Ending:
    from rawlabel.manifests.rebuild.comparison import Likeness
    from rawlabel.manifests.rebuild.stage import rebuild

    rebuilt = rebuild(config)
    report = rebuilt.report
    say(f"{report.num_photos} photos promised:")
    for one in Likeness:
        if report.counts[one]:
            share = 100 * report.counts[one] / report.num_photos
            say(f"  {report.counts[one]:>7} {share:5.1f} %  {one.describe()}")
    for reason in Reason:
        if report.reasons[reason]:
            say(f"  {report.reasons[reason]:>16}  {reason.describe()}")
    width = max((len(class_id) for class_id in report.by_class), default=0)
    say(f"{'class':<{width}}" + "".join(f"{one.value:>12}" for one in Likeness))
    for class_id, counts in sorted(report.by_class.items()):
        say(f"{class_id:<{width}}" + "".join(f"{counts[one]:>12}" for one in Likeness))
    say(f"report: {rebuilt.report_path}")
    say(f"manifest: {rebuilt.manifest.path}")
    for warning in rebuilt.manifest.warnings():
        messages.note(warning)
    give({"manifest": rebuilt.manifest.path, **report.as_json(rebuilt.manifest)})
    if rebuilt.manifest.kept().num_rows:
        return Ending(("train", "--root", config.project))
    messages.warn(f"{config.manifest}: none of its photos could be had; the reasons are above")
    return Ending(("diff", config.manifest, rebuilt.manifest.path), exit_code=1)


COMMAND = section_command("rebuild", RebuildConfig, _rebuild)

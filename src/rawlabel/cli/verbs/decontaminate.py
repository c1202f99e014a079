"""`rawlabel decontaminate`."""

from __future__ import annotations

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import DecontaminateConfig

GROUP = "data"
PLACE = 45
SUMMARY = "leave out photos that are copies of test images, and certify it"

_TIERS = {
    "equal": "equal in all pixels to a test image",
    "copy": "copies of a test image: resized, encoded anew, cropped or mirrored",
    "star": "copies of one that is left out",
    "burst": "taken by the same owner within two minutes of one that is left out",
}
_SHOWN = 10


def _decontaminate(config: DecontaminateConfig) -> Ending:
    from rawlabel.judge.decontaminate.listing import REVIEW
    from rawlabel.judge.decontaminate.stage import LIST, decontaminate_stage

    made = decontaminate_stage(config)
    certificate = made.certificate
    say(f"{certificate.candidates.images} candidates, {certificate.test.images} test images")
    for side, name in ((certificate.candidates, "candidates"), (certificate.test, "test images")):
        if side.unreadable:
            say(f"  {side.unreadable:>6} {name} could not be read, and were not compared")
    say(f"  {len(certificate.removed):>6} left out")
    for tier, count in certificate.tiers().items():
        say(f"  {count:>6} {_TIERS.get(tier, tier)}")
    say(f"  {certificate.for_review:>6} pairs to look at: {made.folder / REVIEW}")
    say(f"canaries: {certificate.canaries.describe()}")
    for missed in certificate.canaries.missed[:_SHOWN]:
        say(f"  missed: {missed}")
    say(f"certificate: {made.folder / 'decontamination.json'}")
    if made.manifest is None:
        say(f"list: {made.folder / LIST}")
    elif made.is_new:
        say(f"manifest: {made.manifest.path}, made from {(made.manifest.parent or '')[:12]}, which stays as it is")
    else:
        say("the manifest stays as it is")
    give({
        "certificate": certificate.as_json(), "folder": made.folder,
        "manifest": made.manifest.path if made.manifest else None,
    })  # fmt: skip
    if made.manifest is not None:
        return Ending(("train", "--main", made.manifest.path))
    return Ending(("train", "--main", config.data, "--test", config.test))


COMMAND = section_command("decontaminate", DecontaminateConfig, _decontaminate)

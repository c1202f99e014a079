"""`rawlabel labels`."""

from __future__ import annotations

from rawlabel.cli.next_steps import after_doubting
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import LabelsConfig
from rawlabel.judge.label_evidence.evidence_records import AmbiguousClass

GROUP = "model"
PLACE = 40
SUMMARY = "say what finished runs reveal about the raw labels: which to doubt, and which classes are unclear"

_MOST_CONFUSIONS, _MOST_CLASSES, _MOST_GROUPS = 10, 10, 10


def _labels(config: LabelsConfig) -> Ending:
    from rawlabel.artifacts.review.photo_groups import FILE, PhotoGroups
    from rawlabel.judge.label_evidence.of_runs import gather_evidence

    evidence = gather_evidence(config)
    runs = evidence["runs"]
    say(f"{evidence['held_out_photos']} photos held out by {runs} run{'s' if runs > 1 else ''}")
    say(evidence["caution"])
    say("mistakes to look at, those that the confident joint puts first and then the most frequent:")
    for pair in evidence["confusions"][:_MOST_CONFUSIONS]:
        say(f"  {pair['photos']} of {pair['of']} photos labeled '{pair['given']}' look like '{pair['preferred']}'")
    say("classes by expected damage (a score from 0 to 100, of which the order counts):")
    is_known = evidence["shared_photos_known"]
    for sign in evidence["ambiguous_classes"][:_MOST_CLASSES]:
        say(f"  {100 * sign['expected_damage']:3.0f}  {sign['class']}: {_why(sign, is_known)}")
    for together in evidence["found_together"]:
        say(f"  {together['says']}")
    out = config.out or config.runs[0]
    groups = PhotoGroups.read(out)
    if groups is not None:
        say(
            f"{groups.suspected} of {groups.photos} photos are in the upper half of the scale of suspicion, which "
            "is an order and no count of wrong labels; groups to look at first:"
        )
        for group in groups.groups[:_MOST_GROUPS]:
            say(f"  {group.describe()}")
        say(f"  {groups.scattered} more in no group")
    written = ["label_evidence.json", "suspicion.parquet", *([FILE] if groups else [])]
    say(f"written: {out}/{', '.join(written)}; no label changed")
    give(evidence)
    return Ending(after_doubting(config.runs[0]))


def _why(one: AmbiguousClass, is_shared_known: bool) -> str:
    """The signs of a class; what its searches share with others is known of a manifest alone."""
    sibling = f", {100 * one['to_sibling']:.0f} % to '{one['sibling']}'" if one["sibling"] else ""
    shared = f"; {100 * one['shared']:.0f} % found for another class, too" if is_shared_known else ""
    return (
        f"{one['signature']}; {100 * one['lost']:.0f} % taken for others{sibling}; "
        f"{100 * one['second_mode']:.0f} % in a second mode of the features{shared}"
    )


COMMAND = section_command("labels", LabelsConfig, _labels)

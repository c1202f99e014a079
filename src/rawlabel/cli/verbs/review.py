"""`rawlabel review`."""

from __future__ import annotations

from dataclasses import asdict

from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say, wants_json
from rawlabel.config import ReviewConfig

GROUP = "data"
PLACE = 45
SUMMARY = "look at the photos on a local page, and say which to leave out"


def _review(config: ReviewConfig) -> Ending:
    from rawlabel.show.review.stage import review

    def announce(address: str) -> None:
        # The document that --json asks for comes at the end, and the address is wanted now.
        (messages.inform if wants_json() else say)(f"look at the photos here: {address}")
        say("every answer is kept at once; Ctrl-C ends")

    done = review(config, announce)
    counts = done.progress
    say(
        f"{counts.looked_at:,} photos looked at so far: {counts.dropped:,} to drop, {counts.kept:,} to keep, "
        f"{counts.not_sure:,} not sure, in {done.answers}"
    )
    give({"answers": done.answers, **asdict(counts)})
    if not counts.looked_at:
        return Ending(("review", config.project))
    return Ending(("curate", config.project, "--drop", done.answers))


COMMAND = section_command("review", ReviewConfig, _review)

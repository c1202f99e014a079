"""`rawlabel formats`: the formats that photos and models are exported to, and those that training reads."""

from __future__ import annotations

from rawlabel.base.families import Family, describe, names
from rawlabel.cli.options import listing_command
from rawlabel.cli.output import Ending, give, say

GROUP = "data"
PLACE = 90
SUMMARY = "list the formats that `export` and `export-model` write and `train` reads"


def _formats() -> Ending:
    written = {name: describe(Family.FORMAT, name) for name in names(Family.FORMAT)}
    read = {name: describe(Family.INPUT, name) for name in names(Family.INPUT)}
    for name, text in written.items():
        say(f"{name}: {text}")
    say("\nRead as --main, --test, --sub and --mix:")
    for name, text in read.items():
        say(f"{name}: {text}")
    models = {name: describe(Family.MODEL_FORMAT, name) for name in names(Family.MODEL_FORMAT)}
    say("\nWritten of a run's model by `export-model`:")
    for name, text in models.items():
        say(f"{name}: {text}")
    give({"written": written, "read": read, "models": models})
    return Ending(("export", "project", "--format", next(iter(written))))


COMMAND = listing_command(
    "formats", "List the formats that `rawlabel export` writes, and those that `rawlabel train` reads.", _formats
)

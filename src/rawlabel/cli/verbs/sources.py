"""`rawlabel sources`: the photo sites that can be searched."""

from __future__ import annotations

from typing import Any

from rawlabel.cli.options import listing_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.plugins import Family, describe, load, names

GROUP = "data"
PLACE = 80
SUMMARY = "list the photo sites"


def _sources() -> Ending:
    found = {name: load(Family.SOURCE, name) for name in names(Family.SOURCE)}
    for name, source in found.items():
        say(f"{name}: {describe(Family.SOURCE, name)}")
        say(f"  address  {source.base_url or 'this machine (--input)'}")
        keys = " and ".join(source.key_variables)
        say(f"  key      {keys if source.needs_key else f'{keys} (optional)' if keys else 'none needed'}")
        say(f"  terms    {source.terms}")
        if source.label_notice:
            say(f"  warning  {source.label_notice}")
    give(
        {name: {"description": describe(Family.SOURCE, name), **_facts(source)} for name, source in found.items()}
    )
    return Ending(("collect", "classes.txt", "--source", "commons"))


def _facts(source: Any) -> dict[str, object]:
    kept = ("base_url", "key_variables", "needs_key", "terms", "label_notice")
    return {key: getattr(source, key) for key in kept}


COMMAND = listing_command("sources", "List the photo sites, their addresses and what their terms ask.", _sources)

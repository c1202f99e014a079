"""`rawlabel sources`: the photo sites that can be searched."""

from __future__ import annotations

from typing import Any

from rawlabel.base.families import Family, describe, load, names
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import SourcesConfig

GROUP = "data"
PLACE = 80
SUMMARY = "list the photo sites"


def _sources(config: SourcesConfig) -> Ending:
    wanted = list(config.source or names(Family.SOURCE))
    is_good = _check(wanted, config) if config.check else _list(wanted)
    return Ending(("collect", "classes.txt", "--source", wanted[0]), exit_code=0 if is_good else 1)


def _list(wanted: list[str]) -> bool:
    document = {}
    for name in wanted:
        source = load(Family.SOURCE, name)
        document[name] = {"description": describe(Family.SOURCE, name), **_facts(source)}
        say(f"{name}: {describe(Family.SOURCE, name)}")
        say(f"  address  {source.base_url or 'this machine (--input)'}")
        keys = " and ".join(source.key_variables)
        say(f"  key      {keys if source.needs_key else f'{keys} (optional)' if keys else 'none needed'}")
        say(f"  terms    {source.terms}")
        if source.label_notice:
            say(f"  warning  {source.label_notice}")
    give(document)
    return True


def _facts(source: Any) -> dict[str, object]:
    kept = ("base_url", "key_variables", "needs_key", "terms", "label_notice")
    return {key: getattr(source, key) for key in kept}


def _check(wanted: list[str], config: SourcesConfig) -> bool:
    """One line a source; whether each of them answers as its client expects."""
    from rawlabel.gather.collect.self_check import check_sources

    checked = check_sources(wanted, config)
    for one in checked:
        say(f"{one.source}: {one.words}")
    give([{"source": one.source, "is_good": one.is_good, "words": one.words} for one in checked])
    return all(one.is_good for one in checked)


COMMAND = section_command("sources", SourcesConfig, _sources)

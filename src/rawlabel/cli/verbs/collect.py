"""`rawlabel collect`."""

from __future__ import annotations

from rawlabel.artifacts.project import catalogue_path
from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import CollectConfig
from rawlabel.gather.collect.summary import problem_of
from rawlabel.records import Reason

GROUP = "main path"
PLACE = 10
SUMMARY = "search photo sites by keyword and download what they return"


def _collect(config: CollectConfig) -> Ending:
    from rawlabel.artifacts.catalogue.catalogue import Catalogue
    from rawlabel.gather.collect.session import requested_sources
    from rawlabel.gather.collect.stage import collect
    from rawlabel.gather.collect.summary import failure_lines, incomplete_lines

    counts = collect(config)
    not_fetched = {reason: counts[reason] for reason in Reason if counts.get(reason)}
    say(
        f"found {counts['label_events']} label events of {counts['photos']} photos; fetched {counts['fetched']}, "
        f"not fetched {sum(not_fetched.values())}, pending {counts['pending']}"
    )
    for reason, count in not_fetched.items():
        say(f"  {count:>6} {reason.describe()}")
    with Catalogue(catalogue_path(config.project)) as catalogue:
        for line in [*failure_lines(catalogue, counts["fetched"]), *incomplete_lines(catalogue)]:
            say(line)
    say(f"catalogue: {catalogue_path(config.project)}")
    for name, source in requested_sources(config).items():
        for notice in source.notices(config):
            messages.note(f"{name}: {notice}")
    give({"catalogue": catalogue_path(config.project), "counts": counts})
    return _judge(config, counts)


def _judge(config: CollectConfig, counts: dict[str, int]) -> Ending:
    """With exit code 1 when there is nothing to go on with, which is said."""
    again = ((config.classes,) if config.classes else ()) + ("--project", config.project)
    problem = problem_of(counts, search_only=config.search_only)
    if problem:
        messages.warn(f"{config.project}: {problem}")
        return Ending(("plan", *again), exit_code=1)
    return Ending(("collect", *again) if config.search_only else ("curate", config.project))


COMMAND = section_command("collect", CollectConfig, _collect)

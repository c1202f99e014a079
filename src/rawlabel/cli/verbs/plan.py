"""`rawlabel plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import PlanConfig

if TYPE_CHECKING:
    from rawlabel.gather.collect.plan import CollectionPlan

GROUP = "data"
PLACE = 20
SUMMARY = "say what a collection will cost, and what is doubtful in the class list"
_COLUMNS = "{:<24.24} {:>4} {:>12} {:>10} {:>8} {:>7} {:>9} {:>8}"
_UNKNOWN = "?"


def _plan(config: PlanConfig) -> Ending:
    from rawlabel.base.files import write_json
    from rawlabel.gather.collect.plan import plan
    from rawlabel.gather.collect.session import requested_sources

    for name, kind in requested_sources(config).items():
        if kind.wants_contact and not config.contact and not config.offline:
            messages.note(f"{name}: {'; '.join(kind.notices(config))}")
    made = plan(config)
    for name, reason in made.not_asked.items():
        messages.note(f"{name} was not asked to the end, so its numbers are open: {reason}")
    if config.out is not None:
        write_json(config.out, made.as_json())
    for line in [*_table(made), "", *_totals(made), *_warnings(made)]:
        say(line)
    give(made.as_json())
    return Ending(("collect", *((config.classes,) if config.classes else ()), "--project", config.project))


def _table(made: CollectionPlan) -> list[str]:
    lines = [_COLUMNS.format("class", "keys", "reported", "photos", "calls", "slices", "truncated", "GB")]
    for one in made.classes:
        slices = sum(keyword.slices for keyword in one.keywords)
        truncated = sum(keyword.is_truncated for keyword in one.keywords)
        size = _UNKNOWN if one.gigabytes is None else f"{one.gigabytes:.2f}"
        numbers = [_shown(one.reported), _shown(one.photos), f"{one.calls:,}", slices, truncated or "", size]
        lines.append(_COLUMNS.format(one.name, len(one.keywords), *numbers))
    return lines


def _totals(made: CollectionPlan) -> list[str]:
    keywords = [keyword for one in made.classes for keyword in one.keywords]
    photos, sizes = [one.photos for one in made.classes], [one.gigabytes for one in made.classes]
    known_photos = [number for number in photos if number is not None]
    known_sizes = [number for number in sizes if number is not None]
    is_known = len(known_photos) == len(photos)
    found = f"{sum(known_photos):,} photos, {sum(known_sizes):.1f} GB" if is_known else "photos not yet known"
    asked, calls = sum(one.asked for one in keywords), sum(one.calls for one in keywords)
    limit = "" if is_known else "at most "
    hours = ", ".join(f"{source} {_duration(hours)}" for source, hours in made.quota_hours.items())
    return [
        f"{len(made.classes)} classes, {len(keywords)} searches: {found}; {limit}{calls:,} calls, of which "
        f"{asked:,} are made; {sum(one.slices for one in keywords if one.slices > 1):,} slices, "
        f"{sum(one.is_truncated for one in keywords)} truncated searches",
        f"quota for the calls still to make: {hours}",
    ]


def _warnings(made: CollectionPlan) -> list[str]:
    lines = ["", f"{len(made.warnings)} warnings about the class list"]
    kind = None
    for warning in made.warnings:
        if warning.kind is not kind:
            kind = warning.kind
            lines.append(f"{kind.describe()}:")
        lines.append(f"  {warning.message}")
    return lines


def _shown(number: int | None) -> str:
    return _UNKNOWN if number is None else f"{number:,}"


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


COMMAND = section_command("plan", PlanConfig, _plan)

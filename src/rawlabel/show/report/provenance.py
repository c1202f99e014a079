"""Where every number comes from: settings, versions, fingerprints, licenses and the commands to repeat it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rawlabel.base.untrusted_text import plain_text
from rawlabel.config import EvaluateConfig, ReportConfig, Section
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence

# An address of a person does not belong on a page that is passed on.
_PRIVATE = frozenset({"contact"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a stage, and whether it differs from its default."""

    name: str
    value: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class LicenseRow:
    """A license and the kept photos under it."""

    name: str
    url: str | None
    kept: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """All tables of the section."""

    settings: list[tuple[str, list[Setting]]]
    environment: list[tuple[str, str]]
    fingerprints: list[tuple[str, str]]
    licenses: list[LicenseRow]
    commands: list[str]


def trace(collection: CollectionEvidence, run: RunEvidence | None, config: ReportConfig) -> Provenance:
    """Gather what is needed to repeat and to credit the work."""
    stages: list[tuple[str, Section | None]] = [("collect", collection.collect), *collection.decided]
    stages += [("train", run.config)] if run else []
    commands = [command_line(verb, section) for verb, section in stages if section]
    if run and run.measurement:
        logged = run.config.test is not None and Path(run.measurement.folder) in (
            run.config.root / run.config.test,
            run.settings.root / run.config.test,
            Path(run.config.test),  # an address, such as hub:NAME
        )
        test = None if logged else Path(run.measurement.folder)
        settings = EvaluateConfig(run=run.path, test=test, confidence=run.measurement.confidence)
        commands.append(command_line("evaluate", settings))
    commands.append(
        command_line("report", config.model_copy(update={"run": run.path if run else None, "out": None}))
    )
    return Provenance(
        [(verb, _settings(section)) for verb, section in stages if section],
        _flatten(run.last_start.as_json()) if run else [],
        _fingerprints(collection, run),
        _licenses(collection),
        commands,
    )


def command_line(verb: str, section: Section) -> str:
    """The command that gives `section` again: its arguments, and a flag for each setting that was changed."""
    arguments: list[str] = []
    flags: list[str] = []
    # Some defaults depend on other settings, so they are asked of a section in which nothing was changed.
    unchanged = type(section)()
    for name in section.in_order():
        extra = type(section).model_fields[name].json_schema_extra
        value, default = getattr(section, name), getattr(unchanged, name)
        if value is None or name in _PRIVATE:
            continue
        if isinstance(extra, dict) and extra.get("positional"):
            arguments += map(str, value) if isinstance(value, tuple) else [str(value)]
        elif isinstance(value, bool) and value != default:
            flags.append(f"--{'' if value else 'no-'}{name.replace('_', '-')}")
        elif value != default:
            for one in value if isinstance(value, tuple) else (value,):
                flags += [f"--{name.replace('_', '-')}", str(one)]
    return shlex.join(["rawlabel", verb, *arguments, *flags])


def _settings(section: Section) -> list[Setting]:
    rows, unchanged = [], type(section)()
    for name in section.in_order():
        value = getattr(section, name)
        shown = "none" if value is None else str(value)
        if name in _PRIVATE and value is not None:
            shown = "given, not shown here"
        rows.append(Setting(name, shown, value != getattr(unchanged, name)))
    return rows


def _flatten(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}".replace("_", " "), str(value)))
    return rows


def _fingerprints(collection: CollectionEvidence, run: RunEvidence | None) -> list[tuple[str, str]]:
    rows = [
        ("manifest", collection.manifest.fingerprint),
        ("catalogue, when curated", collection.curated_fingerprint or "not recorded"),
        ("catalogue, now", collection.catalogue_fingerprint),
    ]
    if run:
        rows.append(("training data of the run", run.data_fingerprint or "not recorded"))
    return rows


def _licenses(collection: CollectionEvidence) -> list[LicenseRow]:
    """Kept photos by license; a photo that is kept for two classes counts once."""
    kept: Counter[tuple[str, str | None]] = Counter()
    for (name, url, license_id), count in collection.counted.licenses.items():
        kept[plain_text(name or license_id) or "not stated", collection.web(url)] += count
    rows = [LicenseRow(name, url, count) for (name, url), count in kept.items()]
    return sorted(rows, key=lambda row: (-row.kept, row.name, row.url or ""))

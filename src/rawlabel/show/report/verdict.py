"""The answer first: how much was kept, which epoch was chosen, how good it is, and where it was made."""

from __future__ import annotations

from dataclasses import dataclass

from rawlabel.artifacts.run_records import EpochAccuracy, Start
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence


@dataclass(frozen=True, slots=True)
class ShownAccuracy:
    """Test accuracy at one epoch, or why there is none."""

    name: str
    """`selected`, `last` or `oracle`."""
    title: str
    measured: EpochAccuracy | None
    missing: str


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Seed, code, hardware and dates of a run, for people; "not recorded" where the run does not say."""

    seed: str
    commit: str
    hardware: str
    started: str
    num_starts: int


_TITLES = {
    "selected": "Test accuracy at the chosen epoch",
    "last": "Test accuracy at the last epoch",
    "oracle": "Test accuracy at the oracle epoch",
}


def shown_accuracies(run: RunEvidence | None) -> list[ShownAccuracy]:
    """The three test accuracies of the page, each measured or explained."""
    measurement = run.measurement if run else None
    accuracies = []
    for name, title in _TITLES.items():
        measured = getattr(measurement, name) if measurement else None
        accuracies.append(ShownAccuracy(name, title, measured, "" if measured else _why_missing(run, name)))
    return accuracies


def run_facts(run: RunEvidence) -> RunFacts:
    """Read the facts off the first and the last start of the run."""
    starts = run.starts
    first, last = (starts[0], starts[-1]) if starts else (Start(), Start())
    seed = run.summary.seed if run.is_finished and run.summary.seed is not None else run.config.seed
    return RunFacts(
        "not recorded" if seed is None else str(seed),
        last.commit or "not recorded",
        _hardware(last),
        first.started_at or "not recorded",
        len(starts),
    )


def notices(collection: CollectionEvidence, run: RunEvidence | None) -> list[str]:
    """What a reader must know before reading on: inputs that do not belong together or are unfinished."""
    found = [f"Warning: {one}." for one in collection.manifest.warnings()]
    if collection.curated_fingerprint != collection.catalogue_fingerprint:
        found.append(
            "The catalogue has changed since the curation shown here; run `rawlabel curate` for a new manifest."
        )
    if collection.manifest.reviewed.looked_at:
        said = collection.manifest.reviewed.describe()
        found.append(f"{said[0].upper()}{said[1:]}, so this set is not without any person's work.")
    if run is None:
        found.append("There is no training run yet; run `rawlabel train`. This page shows the collection alone.")
        return found
    if run.data_fingerprint and run.data_fingerprint != collection.manifest.fingerprint:
        found.append("The run was trained on other data than the manifest shown here.")
    if run.encoder is not None:
        found.append(run.encoder.describe())
    if not run.is_finished:
        found.append(
            f"The training is not finished: {len(run.epochs)} of {run.config.epochs} epochs are logged; "
            "the same `rawlabel train` command goes on."
        )
    return found


def _why_missing(run: RunEvidence | None, name: str) -> str:
    if run is None:
        return "there is no training run yet"
    if not run.is_finished:
        return "the training is not finished"
    if name == "oracle" and run.measurement is not None:
        return "it needs a test accuracy of every epoch on the same test set; train with --test"
    return f"run `rawlabel evaluate {run.path}`" + ("" if run.config.test else " with --test FOLDER")


def _hardware(start: Start) -> str:
    parts = [one for one in (start.processor, start.device, start.precision) if one]
    if start.threads:
        parts.append(f"{start.threads} threads")
    return ", ".join(parts) or "not recorded"

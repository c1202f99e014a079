"""The answer first: how much was kept, which epoch was chosen, how good it is, and where it was made."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rawlabel.artifacts.projects import SIMULATED
from rawlabel.artifacts.run_records import ChoiceCost, EpochAccuracy, Start
from rawlabel.show.report.class_accuracy import ClassAccuracies, ClassAccuracy
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence
from rawlabel.show.report.photos.suspects import Suspects
from rawlabel.show.report.shared_photos import SharedPhotos

FEW = 0.5
"""A class with fewer kept photos than this share of the median class's has few."""
MANY_DOUBTS = 0.05
"""From this share of a class's labels on, the doubted ones are the first thing to look at."""


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
    "oracle": "Test accuracy at the best epoch",
}


def shown_accuracies(run: RunEvidence | None) -> list[ShownAccuracy]:
    """The three test accuracies of the page, each measured or explained."""
    measurement = run.measurement if run else None
    accuracies = []
    for name, title in _TITLES.items():
        measured = getattr(measurement, name) if measurement else None
        if measured is not None and measured.weights:
            title = "Test accuracy of the best weights"
        accuracies.append(ShownAccuracy(name, title, measured, "" if measured else _why_missing(run, name)))
    return accuracies


@dataclass(frozen=True, slots=True)
class HeadChoiceCost:
    """What choosing the head by raw labels cost on the test photos, in one sentence; None what is not measured."""

    cost: ChoiceCost | None
    says: str


def head_choice_cost(run: RunEvidence | None) -> HeadChoiceCost | None:
    """What is known of it, or how to measure it; None for a run that chose no head."""
    if run is None or (choice := run.head_choice) is None:
        return None
    # The page has the accuracies of one test set, so what is beside them must be of that one, too.
    own = run.measurement
    costs = [one.choice for _, one in run.choice_evaluations if own is None or one.folder == own.folder]
    cost = costs[0] if costs else None
    chosen = f"of {len(choice.candidates)} heads, raw labels chose {choice.best.text}"
    if cost is None:
        missing = f"`{_evaluation(run)}` measures it" if run.is_finished else "the training is not finished"
        return HeadChoiceCost(None, f"{chosen}; what that cost is not yet measured; {missing}")
    return HeadChoiceCost(cost, f"{chosen}, which has {cost.describe()}, which nobody could have chosen")


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
    if collection.is_simulated:
        found.append(_simulated(collection))
    if collection.curated_fingerprint != collection.catalogue_fingerprint:
        found.append(
            "The catalogue has changed since the curation shown here; run `rawlabel curate` for a new manifest."
        )
    if collection.manifest.reviewed.looked_at:
        said = collection.manifest.reviewed.describe()
        found.append(f"{said[0].upper()}{said[1:]}, so this set is not without any person's work.")
    if run is None:
        found.append(
            "There is no training run yet; `rawlabel train` makes one. This page shows the collection alone."
        )
        return found
    if run.data_fingerprint and not run.is_trained_on(collection.manifest.fingerprint):
        found.append("The run was trained on other data than the manifest shown here.")
    if run.encoder is not None:
        found.append(run.encoder.describe())
    if not run.is_finished:
        found.append(
            f"The training is not finished: {len(run.epochs)} of {run.config.epochs} epochs are logged; "
            "the same `rawlabel train` command goes on."
        )
    return found


def _simulated(collection: CollectionEvidence) -> str:
    if (truth := collection.truth) is None:
        return SIMULATED
    return (
        f"{SIMULATED} By that site's own account {truth.right:,} of "
        f"{truth.total:,} kept raw labels are right ({truth.percent:.1f} %); training never saw it."
    )


def _why_missing(run: RunEvidence | None, name: str) -> str:
    if run is None:
        return "there is no training run yet"
    if not run.is_finished:
        return "the training is not finished"
    if name == "oracle" and run.measurement is not None:
        return "it needs a test accuracy of every epoch on the same test set; train with --test"
    return f"run `{_evaluation(run)}`"


def _hardware(start: Start) -> str:
    parts = [one for one in (start.processor, start.device, start.precision) if one]
    if start.threads:
        parts.append(f"{start.threads} threads")
    return ", ".join(parts) or "not recorded"


@dataclass(frozen=True, slots=True)
class Sentence:
    """The page in one sentence, in parts: how right, what is worst, and what is likeliest to help."""

    how_right: str
    worst: str
    remedy: str


def verdict_sentence(
    collection: CollectionEvidence,
    run: RunEvidence | None,
    classes: ClassAccuracies | None,
    shared: SharedPhotos,
    suspects: Suspects | None,
) -> Sentence:
    """Say the most important in one sentence; what has not been measured is said, with how to measure it."""
    funnel = collection.manifest.funnel.total
    if run is None or run.measurement is None or classes is None:
        kept = f"{funnel.kept:,} of {funnel.found:,} search results were kept"
        return Sentence(kept + _not_learned(collection, ", and {} has none"), *_not_measured(collection, run))
    top1 = run.measurement.selected.top1
    lower, upper = top1.interval
    right = (
        f"The classifier names {top1.accuracy:.1f}\N{NO-BREAK SPACE}% of {run.measurement.images:,} test photos "
        f"rightly ({lower:.1f} to {upper:.1f}\N{NO-BREAK SPACE}%)"
    )
    unknown = _not_learned(collection, "it does not know {}, of which no photo was kept; ")
    worst = classes.rows[-1]
    if worst.correct == worst.trials:
        return Sentence(right, f"{unknown}no class has an error", "test it on more photos before trusting that")
    name, count = worst.taken_for[0] if worst.taken_for else ("", 0)
    taken = f", taken for {name} {count} time{'s' if count > 1 else ''}" if name else ""
    said = f"{unknown}it is worst at {worst.label} ({worst.correct:,} of {worst.trials:,} right{taken})"
    return Sentence(right, said, _remedy(collection, worst, name, shared, suspects))


def _not_learned(collection: CollectionEvidence, said: str) -> str:
    """Name the classes of which no photo was kept, where there are some."""
    names = [collection.label(one.class_id) for one in collection.manifest.left_out]
    more = f" and {len(names) - 3} more classes" if len(names) > 3 else ""
    return said.format(", ".join(names[:3]) + more) if names else ""


def _not_measured(collection: CollectionEvidence, run: RunEvidence | None) -> tuple[str, str]:
    """What is known of a classifier that no test set has measured, and what to do."""
    if run is None:
        what = "no classifier was trained on them yet"
        return what, f"train one with `rawlabel train --root {collection.project}`"
    if not run.is_finished:
        return (
            f"the training has not ended ({len(run.epochs)} of {run.config.epochs} epochs)",
            "the same `rawlabel train` command goes on from there",
        )
    return (
        f"how often the classifier is right has not been measured{_agreement(run)}",
        f"to measure it, run `{_evaluation(run)}`"
        + ("" if run.config.test else " with photos that somebody checked"),
    )


def _agreement(run: RunEvidence) -> str:
    """How many held-out raw labels it gives, which is no accuracy; empty where nothing was held out."""
    chosen = next((one.holdout.acc1 for one in run.epochs if one.epoch == run.selected_epoch), None)
    count = run.last_start.holdout_images
    if chosen is None or not count:
        return ""
    share = f"{chosen:.1f}\N{NO-BREAK SPACE}%"
    return f" (it gives {share} of {count:,} held-out photos their raw label, some of which are wrong)"


def _evaluation(run: RunEvidence) -> str:
    return shlex.join(["rawlabel", "evaluate", str(run.path), *([] if run.config.test else ["--test", "FOLDER"])])


def _remedy(
    collection: CollectionEvidence,
    worst: ClassAccuracy,
    taken_for: str,
    shared: SharedPhotos,
    suspects: Suspects | None,
) -> str:
    """The likeliest of a few remedies, by what the evidence shows of the worst class; none of them was tried."""
    ids = {collection.label(one): one for one in collection.manifest.class_ids}
    own, other = ids.get(worst.label), ids.get(taken_for)
    for pair in shared.pairs:
        if {pair.first, pair.second} == {worst.label, taken_for} and own and other:
            found = min(_found(collection, own), _found(collection, other))
            if pair.shared >= MANY_DOUBTS * found:
                return (
                    f"both searches return the same photos ({pair.shared:,}), so narrower keywords, or one class "
                    "for both, is the likeliest remedy"
                )
    if suspects and own and other:
        count, total = suspects.pairs.get((other, own), 0), suspects.by_label.get(other, 0)
        if count >= max(MANY_DOUBTS * total, 3):
            return (
                f"{count:,} of {total:,} photos labeled {taken_for} look like {worst.label}, so looking at these "
                "and dropping the wrong ones (`rawlabel review`) is the likeliest remedy"
            )
    kept: Sequence[int] = sorted(row.kept for row in collection.manifest.funnel.classes)
    if own and kept and _kept(collection, own) < FEW * kept[len(kept) // 2]:
        return f"it has {_kept(collection, own):,} photos only, so more keywords for it are the likeliest remedy"
    if suspects and own:
        doubts = sum(count for (given, _), count in suspects.pairs.items() if given == own)
        total = suspects.by_label.get(own, 0)
        if doubts >= max(MANY_DOUBTS * total, 3):
            return (
                f"{doubts:,} of {total:,} photos labeled {worst.label} look like something else, so looking at "
                "these (`rawlabel review`) is the likeliest remedy"
            )
    return (
        "its labels look no worse than others, so more photos of it, or a stronger encoder, are likeliest to help"
    )


def _found(collection: CollectionEvidence, class_id: str) -> int:
    return next(one.found for one in collection.manifest.funnel.classes if one.class_id == class_id)


def _kept(collection: CollectionEvidence, class_id: str) -> int:
    return next(one.kept for one in collection.manifest.funnel.classes if one.class_id == class_id)

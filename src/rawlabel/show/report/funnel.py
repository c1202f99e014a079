"""From found to kept: what was lost, where and why, in all, by class and by keyword."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rawlabel.artifacts.catalogue.rows import QueryState
from rawlabel.errors import DataError
from rawlabel.records import Reason, Verdict
from rawlabel.show.report.evidence import CollectionEvidence

_NEVER_FETCHED = {reason.value for reason in Reason if reason.is_choice}


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of the picture: `start` and `width` are in percent of all that was found."""

    label: str
    count: int
    start: float
    width: float
    kind: str
    """`stage` for what is left, `failed` or `rejected` for a loss, `kept` for the end."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A reason for which candidates were lost: a column of the table."""

    verdict: str
    reason: str
    text: str

    @property
    def key(self) -> str:
        """Its name in the counts of a funnel row, "rejected:near_duplicate"."""
        return f"{self.verdict}:{self.reason}"

    @property
    def is_fetched(self) -> bool:
        """Whether the bytes were there and then rejected."""
        return self.verdict == Verdict.REJECTED and self.reason not in _NEVER_FETCHED


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Counts of one class; `losses` has one count for each loss of the funnel, in its order."""

    label: str
    found: int
    failed: int
    rejected: int
    kept: int
    losses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeywordRow:
    """One search: what the site said it has, what it returned, and what was kept of that."""

    source: str
    label: str
    keyword: str
    reported: int | None
    found: int
    kept: int
    completeness: str
    """Found over reported, in percent; empty when the site reports nothing."""
    results: str
    """How the search ended, in words."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """All counts of the section; `total` and each class add up as found = kept + rejected + failed."""

    steps: list[Step]
    losses: list[Loss]
    classes: list[ClassRow]
    total: ClassRow
    keywords: list[KeywordRow]
    most_found: int
    """Candidates of the largest class, the full width of the bars in the table."""


def make_funnel(collection: CollectionEvidence) -> Funnel:
    """Count the decisions of the manifest; raises `DataError` when they do not add up."""
    counts = collection.manifest.funnel()
    total_counts = counts[-1]
    losses = _losses(total_counts)
    rows = [_class_row(one, collection.label(one["class_id"]), losses) for one in counts[:-1]]
    total = _class_row(total_counts, "all classes", losses)
    sums = [sum(getattr(row, name) for row in rows) for name in ("found", "kept", "rejected", "failed")]
    if total.found != total.kept + total.rejected + total.failed or sums[0] != total.found:
        raise DataError(
            f"{collection.manifest.path}: the counts of its decisions do not add up; run `rawlabel curate` again"
        )
    most = max((row.found for row in rows), default=0)
    return Funnel(_steps(total, losses), losses, rows, total, _keyword_rows(collection), most)


def describe_reason(reason: str | None) -> str:
    """The phrase for a reason; one of a later version goes by its name."""
    if not reason:
        return "no reason noted"
    return Reason(reason).describe() if reason in set(Reason) else reason


def _losses(counts: dict[str, Any]) -> list[Loss]:
    """The reasons that occur, in the order in which they are checked."""
    order = [reason.value for reason in Reason]
    found = []
    for verdict in (Verdict.FAILED.value, Verdict.REJECTED.value):
        reasons = [key.partition(":")[2] for key in counts if key.startswith(f"{verdict}:")]
        reasons.sort(key=lambda one: (order.index(one) if one in order else len(order), one))
        found += [Loss(verdict, reason, describe_reason(reason)) for reason in reasons]
    return found


def _class_row(counts: dict[str, Any], label: str, losses: list[Loss]) -> ClassRow:
    failed, rejected, kept = (int(counts.get(verdict, 0)) for verdict in ("failed", "rejected", "kept"))
    lost = tuple(int(counts.get(loss.key, 0)) for loss in losses)
    return ClassRow(label, int(counts.get("found", 0)), failed, rejected, kept, lost)


def _steps(total: ClassRow, losses: list[Loss]) -> list[Step]:
    """A waterfall: each loss hangs at the end of what was left before it."""
    whole, left = max(total.found, 1), total.found
    steps = [Step("found by search", total.found, 0, 100 * total.found / whole, "stage")]
    for is_fetched in (False, True):
        for loss, count in zip(losses, total.losses, strict=True):
            if loss.is_fetched == is_fetched:
                left -= count
                steps.append(Step(loss.text, count, 100 * left / whole, 100 * count / whole, loss.verdict))
        if not is_fetched:
            steps.append(Step("fetched", left, 0, 100 * left / whole, "stage"))
    return [*steps, Step("kept", total.kept, 0, 100 * total.kept / whole, "kept")]


def _results_text(query: QueryState) -> str:
    if query.truncated:
        return "more than the site hands out"
    if query.missing:
        return f"incomplete: {query.missing:,} that the site states were not listed"
    if query.exhausted:
        return "all taken"
    return "cut at the wanted number" if query.num_events else "none taken"


def _keyword_rows(collection: CollectionEvidence) -> list[KeywordRow]:
    names = ["source", "class_id", "keyword"]
    table = collection.manifest.kept().group_by(names).aggregate([([], "count_all")])
    kept = {tuple(row[name] for name in names): row["count_all"] for row in table.to_pylist()}
    return [
        KeywordRow(
            one.source,
            collection.label(one.class_id),
            one.keyword,
            one.total_reported,
            one.num_events,
            kept.get((one.source, one.class_id, one.keyword), 0),
            "" if one.completeness is None else f"{one.completeness:.1%}",
            _results_text(one),
        )
        for one in collection.queries
    ]

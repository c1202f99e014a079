"""From found to kept: what was lost, where and why, in all, by class and by keyword."""

from __future__ import annotations

from dataclasses import dataclass

from rawlabel.artifacts.catalogue.rows import QueryState
from rawlabel.artifacts.funnel import FunnelRow, Loss
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
    group: str = ""
    """Which photos stand behind it, as their tiles say; empty for all."""


@dataclass(frozen=True, slots=True)
class LossColumn:
    """A reason for which candidates were lost: a column of the table."""

    loss: Loss
    text: str

    @property
    def verdict(self) -> str:
        """`failed` or `rejected`, the verdict under which these photos are counted."""
        return str(self.loss.verdict)

    @property
    def reason(self) -> str:
        """Short name of the reason, from the closed list, as manifests have it."""
        return self.loss.reason

    @property
    def group(self) -> str:
        """What the tiles of these photos say of themselves."""
        return f"{self.loss.verdict}: {self.loss.reason.replace('_', ' ')}"

    @property
    def is_fetched(self) -> bool:
        """Whether the bytes were there and then rejected."""
        return self.loss.verdict is Verdict.REJECTED and self.loss.reason not in _NEVER_FETCHED


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
class FunnelSection:
    """All counts of the section; `total` and each class add up as found = kept + rejected + failed."""

    steps: list[Step]
    losses: list[LossColumn]
    classes: list[ClassRow]
    total: ClassRow
    keywords: list[KeywordRow]
    most_found: int
    """Candidates of the largest class, the full width of the bars in the table."""


def make_funnel(collection: CollectionEvidence) -> FunnelSection:
    """Count the decisions of the manifest; raises `DataError` when they do not add up."""
    funnel = collection.manifest.funnel
    losses = _columns(funnel.total)
    rows = [_class_row(one, collection.label(one.class_id), losses) for one in funnel.classes]
    total = _class_row(funnel.total, "all classes", losses)
    most = max((row.found for row in rows), default=0)
    return FunnelSection(_steps(total, losses), losses, rows, total, _keyword_rows(collection), most)


def _columns(total: FunnelRow) -> list[LossColumn]:
    """The reasons that occur, in the order in which they are checked."""
    order = [reason.value for reason in Reason]
    found = []
    for verdict in (Verdict.FAILED, Verdict.REJECTED):
        losses = [loss for loss in total.losses if loss.verdict is verdict]
        losses.sort(key=lambda one: (order.index(one.reason) if one.reason in order else len(order), one.reason))
        found += [LossColumn(loss, loss.describe()) for loss in losses]
    return found


def _class_row(counts: FunnelRow, label: str, losses: list[LossColumn]) -> ClassRow:
    lost = tuple(counts.losses.get(one.loss, 0) for one in losses)
    return ClassRow(label, counts.found, counts.failed, counts.rejected, counts.kept, lost)


def _steps(total: ClassRow, losses: list[LossColumn]) -> list[Step]:
    """A waterfall: each loss hangs at the end of what was left before it."""
    whole, left = max(total.found, 1), total.found
    steps = [Step("found by search", total.found, 0, 100 * total.found / whole, "stage")]
    for is_fetched in (False, True):
        for loss, count in zip(losses, total.losses, strict=True):
            if loss.is_fetched == is_fetched:
                left -= count
                steps.append(
                    Step(loss.text, count, 100 * left / whole, 100 * count / whole, loss.verdict, loss.group)
                )
        if not is_fetched:
            steps.append(Step("fetched", left, 0, 100 * left / whole, "stage", "fetched"))
    return [*steps, Step("kept", total.kept, 0, 100 * total.kept / whole, "kept", "kept")]


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

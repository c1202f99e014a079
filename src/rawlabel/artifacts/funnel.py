"""The funnel: how many label events were found, and what became of them, by class and in all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from rawlabel.records import Reason, Verdict

ALL = "all"
"""What the row of all classes is called in `funnel.json`."""


class Loss(NamedTuple):
    """Why label events are not kept."""

    verdict: Verdict
    reason: str
    """From the closed list of reasons; a later version may know more."""

    def describe(self) -> str:
        """The reason in a phrase; one that is not known here goes by its name."""
        return Reason(self.reason).describe() if self.reason in set(Reason) else self.reason


@dataclass(frozen=True)
class FunnelRow:
    """Counts of label events of one class, or of all; found = kept + rejected + failed."""

    class_id: str
    found: int
    verdicts: Mapping[Verdict, int]
    losses: Mapping[Loss, int]
    """Those that occur."""

    @property
    def kept(self) -> int:
        """Label events that are trained on or held out."""
        return self.verdicts.get(Verdict.KEPT, 0)

    @property
    def rejected(self) -> int:
        """Label events that were left out by choice, or by what their pictures show."""
        return self.verdicts.get(Verdict.REJECTED, 0)

    @property
    def failed(self) -> int:
        """Label events whose bytes could not be had."""
        return self.verdicts.get(Verdict.FAILED, 0)

    def as_json(self) -> dict[str, str | int]:
        """As `funnel.json` has it: a verdict by its name, a reason as `verdict:reason`, sorted."""
        counts = {"found": self.found} | {str(one): count for one, count in self.verdicts.items()}
        counts |= {f"{loss.verdict}:{loss.reason}": count for loss, count in self.losses.items()}
        return {"class_id": self.class_id, **dict(sorted(counts.items()))}


@dataclass(frozen=True)
class Funnel:
    """The counts of a manifest."""

    classes: tuple[FunnelRow, ...]
    """In the order of the classes, those that are left out at the end."""
    total: FunnelRow

    @classmethod
    def of(cls, table: pa.Table, class_ids: Sequence[str]) -> Funnel:
        """Count the rows of a manifest's table; `class_ids` are all that it speaks of.

        Raises `ValueError` for a row of no such class, or with no such verdict: nothing adds up then.
        """
        columns = ["class_id", "verdict", "reason"]
        counted = table.group_by(columns).aggregate([([], "count_all")])
        verdicts: dict[str, dict[Verdict, int]] = {class_id: {} for class_id in (*class_ids, ALL)}
        losses: dict[str, dict[Loss, int]] = defaultdict(dict)
        for class_id, verdict, reason, count in zip(
            *(counted[name].to_pylist() for name in (*columns, "count_all")), strict=True
        ):
            if class_id not in class_ids:
                raise ValueError(f"no class {class_id!r}")
            for name in (class_id, ALL):
                known = verdicts[name]
                known[Verdict(verdict)] = known.get(Verdict(verdict), 0) + count
                if reason:
                    loss = Loss(Verdict(verdict), reason)
                    losses[name][loss] = losses[name].get(loss, 0) + count
        rows = [FunnelRow(name, sum(known.values()), known, losses[name]) for name, known in verdicts.items()]
        return cls(tuple(rows[:-1]), rows[-1])

    def as_json(self) -> list[dict[str, str | int]]:
        """What `funnel.json` holds: a row a class, and one of all."""
        return [row.as_json() for row in (*self.classes, self.total)]

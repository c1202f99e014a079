"""Whether one address is refused, or its host refuses everything; then a later run asks again.

HTTP 403 is what some hosts answer for a photo that is gone, and others for whoever has asked too often. An address
that is refused while its host serves others is refused for good. Where a host refuses so many in a row that it is
left alone, none of them is; not until it has done so in several runs, and served nothing in between.

What was served breaks up a row of refusals only if it was asked for after them, and then however late it is heard
of: photos are decoded in between, and those granted before a block are heard of when it has long begun.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.gather.collect.http.host_state import REFUSED_IN_A_ROW
from rawlabel.records import Outcome, Reason

RUNS_TO_GIVE_UP, REFUSALS_TO_GIVE_UP = 2, 2 * REFUSED_IN_A_ROW
"""A host that refused everything in so many runs, and so many requests in all, is not asked again."""


@dataclass(slots=True)
class _Refusal:
    answered_at: float
    outcome: Outcome
    is_taken_back: bool = False
    """Whether it was recorded as one that passes."""


class Refusals:
    """Hears of every outcome, and says what to record: this one, and earlier ones that look otherwise now."""

    def __init__(self) -> None:
        self._in_a_row: defaultdict[str, list[_Refusal]] = defaultdict(list)
        """What each host refused and when it did, since the last photo that was asked for and served."""
        self._refused: Counter[str] = Counter()
        self._served: dict[str, float] = {}
        """When the last photo was asked for that each host served, or answered otherwise than with a refusal."""

    def judged(self, outcome: Outcome, url: str | None, exchange: Exchange | None) -> list[Outcome]:
        """What to record now that this one is known; a later outcome of a photo takes the place of an earlier."""
        if outcome.http_status is None or url is None or exchange is None:
            return [outcome]
        host = _host(url)
        streak = self._in_a_row[host]
        if outcome.reason is not Reason.FORBIDDEN:
            self._served[host] = max(exchange.asked_at, self._served.get(host, 0.0))
            broken = [one for one in streak if one.answered_at < exchange.asked_at]
            streak[:] = [one for one in streak if one.answered_at >= exchange.asked_at]
            return [*(one.outcome for one in broken if one.is_taken_back), outcome]
        self._refused[host] += 1
        if exchange.answered_at < self._served.get(host, 0.0):
            return [outcome]
        # Requests are counted once, with the first outcome.
        streak.append(_Refusal(exchange.answered_at, replace(outcome, attempts=0)))
        if len(streak) < REFUSED_IN_A_ROW:
            return [outcome]
        final = [one for one in streak if not one.is_taken_back]
        for one in final:
            one.is_taken_back = True
        return [*(_passing(one.outcome) for one in final[:-1]), _passing(outcome)]

    def hosts_that_serve(self) -> frozenset[str]:
        """Those that answered something else than a refusal."""
        return frozenset(self._served)

    def refused_by_host(self) -> dict[str, int]:
        """How much was refused by each host that was left alone for it and served nothing."""
        return {
            host: count
            for host, count in self._refused.items()
            if count >= REFUSED_IN_A_ROW and host not in self._served
        }


def _passing(outcome: Outcome) -> Outcome:
    return replace(outcome, reason=Reason.HTTP_ERROR, detail=f"{outcome.detail}, as its host does all")


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""

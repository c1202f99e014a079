"""What the answer to one request means: the fault, what the host's limits hear of it, and whether to ask again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rawlabel.gather.collect.http.headers import in_words, retry_after_seconds
from rawlabel.gather.collect.http.host_state import LONGEST_WAIT, Answer, HostPaused
from rawlabel.records import Reason

_PASSING_STATUSES = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Exchange:
    """When a host was asked and when it had answered [seconds since the epoch].

    The machines of a cluster agree on it as well as their clocks do.
    """

    asked_at: float
    answered_at: float


@dataclass(frozen=True, slots=True)
class Hop:
    """What one request came to."""

    status: int | None = None
    failure: Reason | None = None
    detail: str = ""
    answer: Answer | None = None
    """What the host's limits hear of it."""
    retry_after: float | None = None
    again_after: float | None = None
    """Seconds after which asking again in this run may help; None where it does not."""
    location: str | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_sent: bool = True
    """Whether anything was asked; not of a host that is left alone."""
    exchange: Exchange | None = None


def refused(hop: Hop) -> Hop:
    """What a status other than those of success means."""
    status = hop.status or 0
    if status in (404, 410):
        return replace(hop, failure=Reason.HTTP_GONE, detail="is gone")
    if status < 400:
        return replace(hop, failure=Reason.HTTP_ERROR, detail=f"answers HTTP {status}, which nothing asked for")
    if status < 500 and status not in _PASSING_STATUSES:
        detail = f"refuses with HTTP {status}"
        return replace(hop, failure=Reason.FORBIDDEN, detail=detail, answer=Answer.REFUSED)
    after = retry_after_seconds(hop.headers.get("Retry-After")) or 0.0
    detail = f"answers HTTP {status}"
    if after > LONGEST_WAIT:
        detail += f" and asks for a pause of {in_words(after)}"
    again_after = after if after <= LONGEST_WAIT else None
    hop = replace(hop, failure=Reason.HTTP_ERROR, detail=detail, again_after=again_after)
    if status == 429:
        # The whole host pauses, and this address with it.
        again_after = None if again_after is None else 0.0
        hop = replace(hop, failure=Reason.THROTTLED, answer=Answer.THROTTLED, again_after=again_after)
        return replace(hop, retry_after=after or None)
    return replace(hop, answer=Answer.STRAINED, retry_after=after or None) if status == 503 else hop


def left_for_later(pause: HostPaused) -> Hop:
    """What becomes of a photo whose host is left alone. It fails for this run, and says why and for how long."""
    if pause.answer is Answer.REFUSED:
        detail = "is not asked any more, since its host refuses every address"
        return Hop(failure=Reason.HTTP_ERROR, detail=detail, is_sent=False)
    reason = Reason.THROTTLED if pause.answer is Answer.THROTTLED else Reason.HTTP_ERROR
    return Hop(
        failure=reason,
        detail=f"is left for a later run, since its host asks for a pause of {in_words(pause.seconds)}",
        is_sent=False,
    )


def silent(reason: Reason, detail: str) -> Hop:
    """A hop to which no answer came at all (a timeout, a broken connection), which may be asked again at once."""
    return Hop(None, reason, detail, Answer.SILENT, again_after=0.0)

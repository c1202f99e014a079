"""Limits on requests: never more than allowed in any span of time, and no longer refused than needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rawlabel_photo_site.web.throttle import Throttle


@given(
    # Eighths of seconds, whose sums are exact.
    pauses=st.lists(st.integers(0, 24).map(lambda eighths: eighths / 8), max_size=60),
    limit=st.integers(1, 5),
    seconds=st.integers(4, 32).map(lambda eighths: eighths / 8),
    obeys=st.booleans(),
)
def test_any_span_has_at_most_the_limit_and_the_wait_is_as_long_as_needed(
    pauses: list[float], limit: int, seconds: float, obeys: bool
) -> None:
    now = 0.0
    throttle = Throttle(limit, seconds, clock=lambda: now)
    admitted: list[float] = []
    for pause in pauses:
        now += pause
        wait = throttle.wait("me")
        recent = sum(moment > now - seconds for moment in admitted)
        assert (wait > 0) == (recent == limit)
        assert throttle.wait("somebody else") == 0
        if wait > 0 and obeys:
            now += wait
            assert throttle.wait("me") == 0
            wait = 0
        if wait == 0:
            throttle.admit("me")
            admitted.append(now)
            assert throttle.used("me") <= limit

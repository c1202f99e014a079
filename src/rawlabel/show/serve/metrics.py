"""Counts of a running server in the text format that Prometheus reads."""

from __future__ import annotations

from collections import Counter

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges [seconds]."""


class Metrics:
    """What happened since the start.

    The format: https://prometheus.io/docs/instrumenting/exposition_formats/
    """

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._refused: Counter[str] = Counter()
        self._buckets = [0] * len(_BUCKETS)
        self._seconds, self._answered = 0.0, 0
        self.waiting = 0
        """Photos that are being read or classified."""

    def request(self, route: str, status: int) -> None:
        """Count a request by its route, never by what somebody wrote as a path, and its status."""
        self._requests[route, status] += 1

    def refuse(self, reason: str) -> None:
        """Count a photo that was not classified, by a word for the reason."""
        self._refused[reason] += 1

    def answer(self, seconds: float) -> None:
        """Count a photo that was classified, and the time that took [seconds]."""
        self._seconds += seconds
        self._answered += 1
        for place, edge in enumerate(_BUCKETS):
            self._buckets[place] += seconds <= edge

    def text(self) -> str:
        """All counts and times in the text format of Prometheus, a line each."""
        lines = [
            "# HELP rawlabel_requests_total Requests by route and status.",
            "# TYPE rawlabel_requests_total counter",
        ]
        lines += [
            f'rawlabel_requests_total{{route="{route}",status="{status}"}} {count}'
            for (route, status), count in sorted(self._requests.items())
        ]
        lines += [
            "# HELP rawlabel_refused_total Photos that were not classified.",
            "# TYPE rawlabel_refused_total counter",
        ]
        lines += [
            f'rawlabel_refused_total{{reason="{one}"}} {count}' for one, count in sorted(self._refused.items())
        ]
        lines += ["# HELP rawlabel_waiting Photos at work now.", "# TYPE rawlabel_waiting gauge"]
        lines += [f"rawlabel_waiting {self.waiting}"]
        lines += [
            "# HELP rawlabel_answer_seconds Time to classify a photo.",
            "# TYPE rawlabel_answer_seconds histogram",
        ]
        lines += [
            f'rawlabel_answer_seconds_bucket{{le="{edge:g}"}} {count}'
            for edge, count in zip(_BUCKETS, self._buckets, strict=True)
        ]
        lines += [f'rawlabel_answer_seconds_bucket{{le="+Inf"}} {self._answered}']
        lines += [
            f"rawlabel_answer_seconds_sum {self._seconds:.6f}",
            f"rawlabel_answer_seconds_count {self._answered}",
        ]
        return "\n".join(lines) + "\n"

"""Time and memory of the review page of a project of many photos.

    python -m benchmarks.review_scale WORK_FOLDER OUT_FOLDER [--events 200000 1000000] [--classes 1000]

The projects are those of `benchmarks.report_scale`. `rawlabel review` runs in a process of its own and is asked
over HTTP for what the page asks for, one request after the other; its peak memory is what Linux says of it. What
an earlier pass left of answers, index and small pictures is deleted first.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._tables import origin
from benchmarks.report_scale import commit_of, make_project, parser_of

from rawlabel.artifacts.review.answer_file import answers_path
from rawlabel.base.files import write_json
from rawlabel.show.review.stage import FOLDER

CLASSES_LOOKED_AT, QUEUES, ANSWERS = 20, 60, 200
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S+/")
_ROWS = {
    "first page of a class": "first_page", "middle page of a class": "middle_page",
    "last page of a class": "last_page", "list of classes": "classes", "next suspects": "suspects",
    "thumbnail, made": "thumbnail_made", "thumbnail, kept": "thumbnail_kept", "answer recorded": "answer",
    "answer taken back": "undo",
}  # fmt: skip


@dataclass(frozen=True)
class Start:
    """One start of the server."""

    seconds: float
    """From the start of the process until the page and its first questions are answered."""
    cpu_seconds: float
    """Of the process until then, which other work on the machine hardly changes."""
    peak_mb: float
    """Largest resident memory of the process until it was ended [MiB]."""

    def said(self) -> str:
        """Its seconds, and those of CPU in brackets."""
        return f"{self.seconds:.1f} ({self.cpu_seconds:.1f})"


@dataclass
class Timed:
    """The page of one process: its client, and the seconds of its requests by what they asked for."""

    process: subprocess.Popen[str]
    address: str
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def fetch(self, what: str, path: str, body: object = None) -> bytes:
        """The bytes that lie at a path; a `body` makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})  # noqa: S310
        begun = time.perf_counter()
        with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310 (its own server)
            read: bytes = answer.read()
        self.seconds.setdefault(what, []).append(time.perf_counter() - begun)
        return read

    def ask(self, what: str, path: str, body: object = None) -> Any:
        """The JSON that lies at a path."""
        return json.loads(self.fetch(what, path, body))

    def cpu_seconds(self) -> float:
        """What the process has computed so far."""
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return round((int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK"), 1)

    def peak_mb(self) -> float:
        """What Linux says of the process so far [MiB]."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return round(int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024)


@dataclass(frozen=True)
class Measured:
    """The page of one project."""

    events: int
    classes: int
    first: Start
    second: Start
    """With the index made, and the answers of the first sitting."""
    index_mb: float
    answers: int
    medians: Mapping[str, float]
    """Seconds of a request by what it asks for."""
    longest: Mapping[str, float]
    load: Sequence[float]
    """Of the machine, before and after."""


@contextmanager
def _serving(project: Path, source: Path) -> Iterator[Timed]:
    """Run the page until the block is left; raises where it does not end by SIGTERM as it should."""
    command = [sys.executable, "-u", "-m", "rawlabel", "review", str(project)]
    environment = os.environ | {"PYTHONPATH": str(source.absolute())}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            found = next(filter(None, map(_ADDRESS.search, process.stdout)))
            yield Timed(process, found[0])
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def _open_page(page: Timed) -> list[dict[str, Any]]:
    """What the browser asks for first; the first suspects."""
    for path in ("", "static/app.js", "static/app.css", "api/about"):
        page.fetch("opening", path)
    found: list[dict[str, Any]] = page.ask("opening", "api/queue/suspects?after=0")["questions"]
    return found


def _look_through_classes(page: Timed) -> list[int]:
    """Page through some classes from beginning to end; the rows of their photos."""
    names, rows = [one["class_id"] for one in page.ask("classes", "api/classes")], list[int]()
    for name in names[:: max(1, len(names) // CLASSES_LOOKED_AT)]:
        pages = range(-(-page.ask("size", f"api/class?name={name}")["total"] // 48))
        after = None
        for number in pages:
            what = {0: "first_page", pages[-1]: "last_page", len(pages) // 2: "middle_page"}.get(number, "page")
            grid = page.ask(what, f"api/class?name={name}" + (f"&after={after}" if after is not None else ""))
            after, rows = grid["after"], rows + [one["row"] for one in grid["photos"]]
        assert after is None, "the last page has none behind it"
    return rows


def _use(page: Timed) -> None:
    """A sitting: classes, suspects from the first to the last, thumbnails, answers, the last few taken back."""
    rows = _look_through_classes(page)
    page.ask("classes", "api/classes")
    total = page.ask("size", "api/queue/suspects?after=0")["total"]
    for number in range(QUEUES):
        page.ask("suspects", f"api/queue/suspects?after={number * total // QUEUES}")
    for what in ("thumbnail_made", "thumbnail_kept"):
        for row in rows[:: len(rows) // 200]:
            page.fetch(what, f"pictures/{row}/small")
    for number in range(ANSWERS):
        question = page.ask("suspects", "api/queue/suspects?after=0")["questions"][0]
        answers = {str(question["photos"][0]["row"]): "drop" if number % 2 else "keep"}
        page.ask("answer", "api/answers", {"id": secrets.token_hex(12), "view": "suspects", "answers": answers})
    for _ in range(ANSWERS // 10):
        page.ask("undo", "api/undo", {"id": secrets.token_hex(12)})


def measure(work: Path, events: int, classes: int, source: Path) -> Measured:
    """Make the project if it is not there, and look at it twice by the package in `source`."""
    project = work / f"events-{events}"
    if not project.exists():
        make_project(made := project.with_suffix(".part"), events, classes)
        made.rename(project)
    shutil.rmtree(project / FOLDER, ignore_errors=True)
    answers_path(project).unlink(missing_ok=True)
    load = os.getloadavg()[0]
    starts = []
    for is_second in (False, True):
        begun = time.monotonic()
        with _serving(project, source) as page:
            _open_page(page)
            seconds, computed = round(time.monotonic() - begun, 1), page.cpu_seconds()
            if not is_second:
                _use(page)
                taken = page.seconds
            starts.append(Start(seconds, computed, page.peak_mb()))
    return Measured(
        events, classes, starts[0], starts[1],
        round(sum(one.stat().st_size for one in (project / FOLDER).glob("index-*")) / 1e6),
        ANSWERS - ANSWERS // 10,
        {name: round(statistics.median(taken[name]), 4) for name in _ROWS.values()},
        {name: round(max(taken[name]), 4) for name in _ROWS.values()},
        [round(load, 1), round(os.getloadavg()[0], 1)],
    )  # fmt: skip


def page_of(about: Mapping[str, Any], found: Sequence[Measured]) -> str:
    """The table as Markdown."""
    rows = {
        "first start, the index made [s] (of CPU)": [one.first.said() for one in found],
        "second start [s] (of CPU)": [one.second.said() for one in found],
        "peak memory, first sitting [MiB]": [f"{one.first.peak_mb:,.0f}" for one in found],
        "peak memory, second start [MiB]": [f"{one.second.peak_mb:,.0f}" for one in found],
        "index on the disk [MB]": [f"{one.index_mb:,.0f}" for one in found],
        **{
            f"{said} [ms]": [f"{1e3 * one.medians[name]:.0f} ({1e3 * one.longest[name]:.0f})" for one in found]
            for said, name in _ROWS.items()
        },
    }
    loads = " and ".join(f"{min(one.load):g} to {max(one.load):g}" for one in found)
    return "\n".join(
        [
            "# The review page of many photos",
            "",
            "`rawlabel review PROJECT` on projects of `benchmarks/report_scale.py`: nine of ten label "
            f"events have a photo, seven are kept and in the list of suspects; {found[0].classes:,} "
            "classes, no pairs and no groups; 5,000 photos of 160 x 120 pixels, to which all events point. "
            "A start is timed until the page, what it is made of and its first questions are there; requests come "
            "one after the other, median (longest). "
            f"The second start knows {found[0].answers} answers. Peak memory is Linux's figure for the process.",
            "",
            "| label events | " + " | ".join(f"{one.events:,}" for one in found) + " |",
            "|---|" + "--:|" * len(found),
            *(f"| {name} | " + " | ".join(values) + " |" for name, values in rows.items()),
            "",
            f"The machine was busy with other work (a load of {loads}), so times are upper "
            "bounds, and those of two columns compare roughly.",
            "",
            f"Commit {about['commit'][:12]}, {about['processor']}, {os.cpu_count()} cores; `{about['command']}`.",
            "",
        ]
    )


def main() -> None:
    given = parser_of(__doc__).parse_args()
    found = [measure(given.work, events, given.classes, given.source) for events in given.events]
    about = origin(f"python -m benchmarks.review_scale WORK OUT --events {' '.join(map(str, given.events))}")
    about["commit"] = commit_of(given.source)
    write_json(given.out / "scale.json", about | {"pages": [asdict(one) for one in found]})
    (given.out / "scale.md").write_text(page_of(about, found), "utf-8")


if __name__ == "__main__":
    main()

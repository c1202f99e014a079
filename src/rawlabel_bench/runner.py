"""Takes the readings of a case: all contestants in turn, forth and back, with a warm-up off the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rawlabel.base import processes
from rawlabel.config import BenchConfig
from rawlabel_bench.load_guard import LoadGuard
from rawlabel_bench.measuring import Probe, Reading
from rawlabel_bench.process import ContestantProcess, Started
from rawlabel_bench.workload import Case, Workload


@dataclass
class Measured:
    """All that one probe of one contestant gave."""

    warm_up: Reading
    readings: list[Reading] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    """Cores that other processes used during each reading."""


@dataclass
class CaseResult:
    """What was measured of a case."""

    case: Case
    workload: Workload
    started: dict[str, Started] = field(default_factory=dict)
    measured: dict[Probe, dict[str, Measured]] = field(default_factory=dict)
    was_cut_short: bool = False
    """Whether time ran out before all repeats were made."""


def run_case(
    workload: Workload, config: BenchConfig, repeats: int, guard: LoadGuard, is_late: Callable[[], bool],
    say: Callable[[str], None],
) -> CaseResult:  # fmt: skip
    """Measure every probe of the case of `workload` for each of its contestants."""
    case = workload.case
    result = CaseResult(case, workload)
    with _processes(workload) as processes:
        result.started = {name: process.started for name, process in processes.items()}
        for probe in case.probes:
            say(f"{case.name}: {probe}, {len(processes)} contestants")
            measured: dict[str, Measured] = {}
            result.measured[probe] = measured
            for name, process in processes.items():
                measured[name] = Measured(process.measure(probe))
            for repeat in range(repeats):
                if repeat and is_late():
                    result.was_cut_short = True
                    break
                # Forth and back, so that a machine that slowly changes its speed favors none.
                order = list(processes) if repeat % 2 == 0 else list(reversed(processes))
                for name in order:
                    guard.wait_for_quiet()
                    guard.begin()
                    measured[name].readings.append(processes[name].measure(probe))
                    measured[name].others.append(guard.others())
    return result


def watch_memory(workload: Workload, say: Callable[[str], None]) -> tuple[list[int], list[float]]:
    """Resident memory after each epoch of rawlabel's training [bytes], and the seconds each epoch took."""
    say(f"memory over {workload.epochs} epochs")
    process = ContestantProcess("ours", workload)
    try:
        readings = [process.measure(Probe.EPOCH) for _ in range(workload.epochs)]
    finally:
        process.close()
    return [one.memory_bytes for one in readings], [one.seconds for one in readings]


def make_workload(case: Case, root: Path, scratch: Path, config: BenchConfig, epochs: int) -> Workload:
    """The workload of `case` with this machine's threads and workers.

    `scratch` is a folder that may be written to.
    """
    return Workload(
        case, root, scratch, epochs, num_threads(config), num_workers(config), config.device, config.seed
    )


def num_threads(config: BenchConfig) -> int:
    """Threads of torch: one for tiny networks, which more would only slow down, else one a core."""
    return config.threads or (1 if config.preset == "tiny" else processes.cores())


def num_workers(config: BenchConfig) -> int:
    """Processes or threads that load images, for each contestant."""
    return config.workers or num_threads(config)


@contextmanager
def _processes(workload: Workload) -> Iterator[dict[str, ContestantProcess]]:
    """A process for each contestant of the case; all end with the block."""
    processes: dict[str, ContestantProcess] = {}
    try:
        for name in workload.case.contestants:
            scratch = workload.scratch / f"{workload.case.name}-{name}"
            scratch.mkdir(parents=True, exist_ok=True)
            own = Workload(**{**vars(workload), "scratch": scratch})
            processes[name] = ContestantProcess(name, own)
        yield processes
    finally:
        for process in processes.values():
            process.close()


class Deadline:
    """Whether the time for measuring is used up."""

    def __init__(self, minutes: float) -> None:
        self._ends = time.monotonic() + 60 * minutes

    def __call__(self) -> bool:
        """Whether it is."""
        return time.monotonic() > self._ends

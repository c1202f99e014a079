"""A contestant in a process of its own, asked for one reading at a time over a pipe.

Each has its own process because thread pools, loader workers, the memory allocator and torch's settings belong to
a process: one contestant's cannot disturb another's, and processor time and memory are told apart. The processes
live through a case, so that readings can be taken in turns without paying for imports and warm-up each time; while
one works, the others wait for a message. They are forked from a server that has imported the libraries and started
no thread, which makes a contestant's start a matter of milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from rawlabel.base.spawning import forkserver_context
from rawlabel.errors import ConfigError, RawlabelError
from rawlabel_bench.measuring import EpochClock, Probe, Reading, cpu_seconds, resident_memory
from rawlabel_bench.report_records import DeviceRow
from rawlabel_bench.workload import Workload

_PRELOADED = ["torch", "torchvision", "timm.data", "cv2", "rawlabel.judge.evaluate", "rawlabel.training"]


@dataclass(frozen=True)
class Started:
    """What a contestant says when it is ready."""

    setup_seconds: float
    """Reading the index, building network and loaders; imports not counted."""


class ContestantProcess:
    """The parent's end: starts contestant `name` on `workload` and asks it for readings."""

    def __init__(self, name: str, workload: Workload) -> None:
        self.name, self.workload = name, workload
        context = forkserver_context(_PRELOADED)
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, name, workload), name=f"bench {name}")
        self._process.start()
        far_end.close()
        self.started: Started = self._receive()

    def measure(self, probe: Probe) -> Reading:
        """Take one reading. Raises the contestant's own `RawlabelError`, or `ConfigError` when it has ended."""
        try:
            self._pipe.send(probe)
        except OSError as error:
            raise self._has_ended() from error
        reading: Reading = self._receive()
        return reading

    def close(self) -> None:
        """End the process, kindly at first and after 10 seconds by force."""
        self._pipe.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _receive(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError as error:
            raise self._has_ended() from error
        if isinstance(answer, RawlabelError):
            raise answer
        return answer

    def _has_ended(self) -> ConfigError:
        self._process.join(timeout=10)
        return ConfigError(
            f"--contestant {self.name}: its process ended in case {self.workload.case.name} (exit code "
            f"{self._process.exitcode}); lower --images, or name other contestants"
        )


def _serve(pipe: Connection, name: str, workload: Workload) -> None:
    """The contestant's end: build it, then answer until the pipe is closed."""
    # Ctrl-C goes to the whole group; the parent decides, and its closed pipe ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Python hands its start method down, and loaders would start their workers in a way that no user sees: slowly.
    multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)
    os.environ["OMP_NUM_THREADS"] = str(workload.threads)
    import torch

    from rawlabel.base.families import Family, load
    from rawlabel_bench.contestant import Contestant

    torch.set_num_threads(workload.threads)
    contestant: Contestant | None = None
    try:
        started = time.perf_counter()
        kind: type[Contestant] = load(Family.CONTESTANT, name)
        contestant = kind(workload)
        pipe.send(Started(time.perf_counter() - started))
        while True:
            pipe.send(measure(contestant, pipe.recv()))
    except (EOFError, BrokenPipeError):
        pass
    except RawlabelError as error:
        pipe.send(error)
    except (RuntimeError, OSError) as error:
        what = " ".join(str(error).split())[:300]
        pipe.send(ConfigError(f"--contestant {name}: {type(error).__name__} in case {workload.case.name}: {what}"))
    finally:
        if contestant is not None:
            contestant.close()


def measure(contestant: Any, probe: Probe) -> Reading:
    """Take one reading; the device is idle at both ends, and waited for nowhere else."""
    contestant.synchronize()
    cpu_before, steps_before, clock = cpu_seconds(), contestant.num_steps, EpochClock()
    accuracy: dict[str, float] = {}
    if probe is Probe.STEP:
        contestant.steps(contestant.workload.case.steps)
    elif probe is Probe.EPOCH:
        accuracy = contestant.epoch(clock)
    else:
        loaded = sum(contestant.loaded() if probe is Probe.LOADER else contestant.ready())
    contestant.synchronize()
    ended = time.perf_counter()
    cpu_after, steps = cpu_seconds(), contestant.num_steps - steps_before
    batch_size = contestant.workload.case.batch_size
    reading = Reading(
        images=steps * batch_size if probe in (Probe.STEP, Probe.EPOCH) else loaded,
        seconds=ended - clock.started,
        cpu_seconds=cpu_after - cpu_before,
        accuracy=accuracy,
        steps=steps,
        memory_bytes=resident_memory(),
    )
    if clock.first_batch_at is not None and clock.trained_at is not None:
        reading.first_batch_seconds = clock.first_batch_at - clock.started
        reading.train_seconds = clock.trained_at - clock.started
    if probe is Probe.STEP and contestant.device.type == "cuda":
        reading.device_busy = _device_busy(contestant)
    return reading


def describe_device(name: str) -> DeviceRow:
    """The device that `name` stands for; asked in a process of its own, so that this one holds no GPU."""
    context = forkserver_context(_PRELOADED)
    here, there = context.Pipe()
    process = context.Process(target=_describe, args=(there, name))
    process.start()
    there.close()
    try:
        answer: DeviceRow | RawlabelError = here.recv()
    finally:
        process.join()
    if isinstance(answer, RawlabelError):
        raise answer
    return answer


def _describe(pipe: Connection, name: str) -> None:
    import torch

    from rawlabel.artifacts.run_directory import describe_environment
    from rawlabel.models.device import choose_device, choose_precision

    try:
        device = choose_device(name)
    except RawlabelError as error:
        pipe.send(error)
        return
    is_gpu = device.type == "cuda"
    precision = str(choose_precision("auto", device)).removeprefix("torch.")
    pipe.send(
        {
            "device": str(device),
            "device_name": torch.cuda.get_device_name(device) if is_gpu else describe_environment().processor,
            "precision": {"ours": precision, "timm": precision, "examples": "float32", "published": "float32"},
            "cuda": torch.version.cuda if is_gpu else None,
        }
    )  # fmt: skip


def _device_busy(contestant: Any) -> float:
    """Share of the time of a few steps in which a kernel ran, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        started = time.perf_counter()
        contestant.steps(5)
        contestant.synchronize()
        seconds = time.perf_counter() - started
    busy = sum(event.self_device_time_total for event in profiled.key_averages())
    return float(min(busy / 1e6 / seconds, 1.0))

"""Figures from readings: medians with their range, efficiency, and what limits each loop."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from rawlabel_bench.load_guard import BUSY
from rawlabel_bench.measuring import Probe, Reading
from rawlabel_bench.report_records import CaseSummary, ContestantRow, EpochFigures, Limits, Rates, Spread
from rawlabel_bench.runner import CaseResult, Measured

LAUNCH_BOUND = 0.7
"""A GPU whose kernels run for less than this share of a step waits for the processor to launch them."""


def spread(values: Sequence[float], digits: int = 1) -> Spread:
    """Median, least and greatest of the readings, and the readings themselves."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
        "readings": [round(value, digits) for value in values],
    }


def summarize_case(result: CaseResult) -> CaseSummary:
    """Everything that is reported of a case, for each contestant."""
    case, workload = result.case, result.workload
    rows = {name: _summarize_contestant(result, name) for name in case.contestants}
    return {
        "name": case.name,
        "title": case.title,
        "network": case.model,
        "image_size": case.image_size,
        "batch_size": case.batch_size,
        "augment": case.augment,
        "optimizer": {"name": "SGD", "lr": case.lr, "momentum": workload.momentum,
                      "weight_decay": workload.weight_decay, "epochs": workload.epochs},
        "train_images": case.tree.num_train,
        "test_images": case.tree.num_test,
        "was_cut_short": result.was_cut_short,
        "contestants": rows,
    }  # fmt: skip


def _summarize_contestant(result: CaseResult, name: str) -> ContestantRow:
    measured = {probe: by_name[name] for probe, by_name in result.measured.items()}
    row: ContestantRow = {"setup_seconds": round(result.started[name].setup_seconds, 3)}
    for probe, one in measured.items():
        match probe:
            case Probe.LOADER:
                row["loader"] = _rates(one)
            case Probe.READY:
                row["ready"] = _rates(one)
            case Probe.STEP:
                row["step"] = _rates(one)
            case Probe.EPOCH:
                row["epoch"] = _epoch(one)
    if Probe.EPOCH in measured:
        cold = measured[Probe.EPOCH].warm_up.first_batch_seconds or 0.0
        row["first_batch_seconds"] = round(result.started[name].setup_seconds + cold, 3)
    if Probe.EPOCH in measured and Probe.STEP in measured:
        limits = _limits(measured[Probe.EPOCH], measured[Probe.STEP])
        row["efficiency"], row["shares"], row["limiter"] = (
            limits["efficiency"],
            limits["shares"],
            limits["limiter"],
        )
    return row


def _rates(one: Measured) -> Rates:
    row: Rates = {
        "images_per_second": _of(one, lambda reading: reading.images / reading.seconds),
        "images_per_cpu_second": _of(one, lambda reading: reading.images / max(reading.cpu_seconds, 1e-3)),
        "others_cores": [round(value, 2) for value in one.others],
    }
    busy = [reading.device_busy for reading in one.readings if reading.device_busy is not None]
    if busy:
        row["device_busy"] = spread(busy, 3)
    return row


def _epoch(one: Measured) -> EpochFigures:
    return {
        "images_per_second": _of(one, lambda reading: reading.images / reading.seconds),
        "train_images_per_second": _of(one, lambda reading: reading.images / (reading.train_seconds or 1)),
        "images_per_cpu_second": _of(one, lambda reading: reading.images / max(reading.cpu_seconds, 1e-3)),
        "seconds": _of(one, lambda reading: reading.seconds, 3),
        "gap_seconds": _of(one, lambda reading: reading.first_batch_seconds or 0.0, 4),
        "cores_used": _of(one, lambda reading: reading.cpu_seconds / reading.seconds, 2),
        "steps": [reading.steps for reading in (one.warm_up, *one.readings)],
        "accuracy": [reading.accuracy for reading in (one.warm_up, *one.readings)],
        "memory_mb": [round(reading.memory_bytes / 1e6) for reading in (one.warm_up, *one.readings)],
        "others_cores": [round(value, 2) for value in one.others],
    }


def _limits(epoch: Measured, step: Measured) -> Limits:
    """Efficiency against the ceiling, and the part of an epoch that takes most of its time."""
    seconds = statistics.median(one.seconds for one in epoch.readings)
    train = statistics.median(one.train_seconds or 0.0 for one in epoch.readings)
    images = epoch.readings[0].images
    ceiling = statistics.median(one.images / one.seconds for one in step.readings)
    stepping = min(images / ceiling, train)
    shares = {
        "device": stepping / seconds,
        "data": (train - stepping) / seconds,
        "evaluation": (seconds - train) / seconds,
    }
    busy = [one.device_busy for one in step.readings if one.device_busy is not None]
    if busy and statistics.median(busy) < LAUNCH_BOUND:
        shares["launch"] = shares.pop("device")
    return {
        "efficiency": round(images / train / ceiling, 3),
        "shares": {key: round(value, 3) for key, value in shares.items()},
        "limiter": max(shares, key=lambda key: shares[key]),
    }


def disturbances(results: Sequence[CaseResult]) -> tuple[int, int]:
    """Readings during which other processes were busy, and readings in all."""
    others = [
        value
        for result in results
        for by_name in result.measured.values()
        for one in by_name.values()
        for value in one.others
    ]
    return sum(value > BUSY for value in others), len(others)


def memory_growth(memory: Sequence[int]) -> float:
    """Growth of memory an epoch over the later half of the epochs [MB], by least squares."""
    later = [value / 1e6 for value in memory[len(memory) // 2 :]]
    if len(later) < 2:
        return 0.0
    return float(statistics.linear_regression(range(len(later)), later).slope)


def _of(one: Measured, value: Callable[[Reading], float], digits: int = 1) -> Spread:
    return spread([value(reading) for reading in one.readings], digits)

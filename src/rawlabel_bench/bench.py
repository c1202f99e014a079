"""Measures rawlabel's training against other loops: same network, batch, optimizer, augmentation and images.

One run gives one JSON and a short table. The contestants are plug-ins (`contestants/`), each in a process of its
own (`process`); `runner` takes their readings in turns, `presets` says how much is measured, `targets` what is
wanted, and `gate` that no loop was fast because it learned less.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import psutil

from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base import families, messages, processes
from rawlabel.base.families import Family
from rawlabel.base.files import write_json
from rawlabel.config import BenchConfig
from rawlabel.errors import ConfigError, did_you_mean
from rawlabel_bench.gate import judge_gate
from rawlabel_bench.large_index import PACKED_SIDE, make_index, make_pack, time_first_batch, time_first_step
from rawlabel_bench.load_guard import BUSY, LoadGuard
from rawlabel_bench.measuring import Probe
from rawlabel_bench.presets import Preset, is_changed, preset
from rawlabel_bench.process import describe_device
from rawlabel_bench.report_records import CaseRow, Extras, Hardware, Report, TreeRow
from rawlabel_bench.runner import (
    CaseResult,
    Deadline,
    make_workload,
    num_threads,
    num_workers,
    run_case,
    watch_memory,
)
from rawlabel_bench.summary import disturbances, memory_growth, summarize_case
from rawlabel_bench.targets import judge_first_batch, judge_targets
from rawlabel_bench.trees import make_tree
from rawlabel_bench.workload import Case

_PAGE_CACHE = "warm: each warm-up reads all images; {gigabytes:.1f} GB of {memory:.0f} GB memory"


def bench(config: BenchConfig) -> Report:
    """Run the benchmark that `config` describes, write its JSON if asked to, and return it.

    Raises `ConfigError`, `DataError`, `PluginError` and `DiskError`.
    """
    chosen = _checked(config)
    is_late, guard = Deadline(chosen.minutes), LoadGuard(config.wait_for_quiet)
    results: list[CaseResult] = []
    trees: dict[str, TreeRow] = {}
    read: dict[Path, float] = {}
    left_out: list[str] = []
    scratch = Path(tempfile.mkdtemp(prefix="rawlabel-bench-"))
    extras = Extras()
    try:
        for case in chosen.cases:
            if results and is_late():
                left_out.append(case.name)
                continue
            _say(f"{case.name}: images")
            root, trees[case.name] = make_tree(case.tree, config.cache, processes.cores())
            # Cases may share images, which then lie in memory once.
            read[root] = trees[case.name]["images"] * trees[case.name]["mean_bytes"]
            workload = make_workload(case, root, scratch, config, 1 + chosen.repeats)
            results.append(run_case(workload, config, chosen.repeats, guard, is_late, _say))
        extras = _extras(chosen, config, scratch, is_late)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    page_cache = _PAGE_CACHE.format(gigabytes=sum(read.values()) / 1e9, memory=psutil.virtual_memory().total / 1e9)
    return _report(config, results, trees, page_cache, guard, left_out, extras)


def _checked(config: BenchConfig) -> Preset:
    """The preset, when all that it and `config` name exists."""
    known = families.names(Family.CONTESTANT)
    for name in config.contestant:
        if name not in known:
            raise ConfigError(f"--contestant: no contestant is called '{name}'{did_you_mean(name, known)}")
    everything = [case.name for case in preset(config.model_copy(update={"case": ()})).cases]
    for name in config.case:
        if name not in everything:
            raise ConfigError(
                f"--case: preset {config.preset} has no case '{name}'{did_you_mean(name, everything)}"
            )
    return preset(config)


def _extras(chosen: Preset, config: BenchConfig, scratch: Path, is_late: Deadline) -> Extras:
    """Memory over epochs and the first batch of a large index, both of rawlabel alone."""
    extras = Extras()
    small = next((case for case in chosen.cases if case.name == "small"), None)
    if small is None or is_late():
        return extras
    root, _ = make_tree(small.tree, config.cache, processes.cores())
    if chosen.memory_epochs:
        own = scratch / "memory"
        own.mkdir()
        memory, seconds = watch_memory(make_workload(small, root, own, config, chosen.memory_epochs), _say)
        extras["memory"] = {
            "megabytes": [round(value / 1e6) for value in memory],
            "growth_mb_per_epoch": round(memory_growth(memory), 3),
            "epoch_seconds": [round(value, 2) for value in seconds],
        }
    if chosen.index_images:
        _say(f"first batch of {chosen.index_images:,} images")
        image = next((root / "train").rglob("*.jpg"))
        index = make_index(config.cache, chosen.index_images, image)
        extras["index"] = {"input": "class folders", **time_first_batch(index, "train", 224, num_workers(config))}
        packed, out = make_pack(config.cache, chosen.index_images), scratch / "start"
        started = time_first_step(packed.parent, packed.name, PACKED_SIDE, num_workers(config), out)
        extras["start"] = {"input": f"`rawlabel train` on a pack of {PACKED_SIDE}-pixel images", **started}
    return extras


def _report(
    config: BenchConfig,
    results: list[CaseResult],
    trees: dict[str, TreeRow],
    page_cache: str,
    guard: LoadGuard,
    left_out: list[str],
    extras: Extras,
) -> Report:
    hardware = _hardware(config)
    cases = [_case_row(result, trees[result.case.name]) for result in results]
    targets = judge_targets(cases, hardware, as_preset=config.preset != "tiny" and not is_changed(config))
    targets += [judge_first_batch(row) for row in (extras.get("index"), extras.get("start")) if row is not None]
    disturbed, readings = disturbances(results)
    report: Report = {
        "schema": 1,
        "environment": describe_environment().as_json(),
        "hardware": hardware,
        "settings": config.as_json(),
        "conditions": {
            "page_cache": page_cache,
            "busy": BUSY,
            "readings": readings,
            "disturbed_readings": disturbed,
            "seconds_waited_for_quiet": round(guard.waited, 1),
        },
        "contestants": _contestants(results),
        "cases": cases,
        "targets": targets,
        "cases_left_out": left_out,
        **extras,
    }
    if config.out is not None:
        write_json(config.out, report)
    return report


def _case_row(result: CaseResult, tree: TreeRow) -> CaseRow:
    case: Case = result.case
    row: CaseRow = {**summarize_case(result), "tree": tree, "classes": case.tree.num_classes}
    if Probe.EPOCH in case.probes:
        row["gate"] = judge_gate(row, case.gate_margin)
    return row


def _contestants(results: list[CaseResult]) -> dict[str, str]:
    names = {name for result in results for name in result.case.contestants}
    return {name: families.describe(Family.CONTESTANT, name) for name in sorted(names)}


def _hardware(config: BenchConfig) -> Hardware:
    facts = describe_device(config.device)
    cores = processes.cores()
    threads = num_threads(config)
    is_gpu = facts["device"].startswith("cuda")
    return {
        **facts,
        "place": "gpu" if is_gpu else "cpu2" if cores == threads == 2 else "other",
        "cores": cores,
        "threads": threads,
        "workers": num_workers(config),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def failed_gates(report: Report) -> list[str]:
    """What is wrong with the loops that failed an accuracy gate; empty when all passed."""
    return [
        f"{case['name']}: {fault}"
        for case in report["cases"]
        if (gate := case.get("gate"))
        for fault in gate["faults"]
    ]


def _say(line: str) -> None:
    messages.inform(line, lead="bench: ")

"""The result in a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rawlabel_bench.report_records import CaseRow, ContestantRow, EpochFigures, Extras, Rates, Report, Spread


def lines(result: Report) -> Iterator[str]:
    """A short table: speeds, what limits each loop, the gate, and the targets."""
    hardware, conditions = result["hardware"], result["conditions"]
    yield (
        f"rawlabel bench {result['settings']['preset']}: {hardware['device_name']}, {hardware['threads']} "
        f"threads, {hardware['workers']} workers, commit {result['environment']['commit']}"
    )
    yield f"page cache: {conditions['page_cache']}"
    if conditions["disturbed_readings"]:
        yield (
            f"DISTURBED: other processes used more than {100 * conditions['busy']:.0f} % of a core during "
            f"{conditions['disturbed_readings']} of {conditions['readings']} readings; repeat on a quiet machine"
        )
    for case in result["cases"]:
        yield from _case(case)
    if result["cases_left_out"]:
        yield f"\nleft out for want of time: {', '.join(result['cases_left_out'])}"
    yield from _extras(result)
    yield ""
    for target in result["targets"]:
        if target["state"] != "not yet measured":
            yield f"{target['state']:>8}  {target['measured']:>9g}  {target['target']}"
    elsewhere = [one for one in result["targets"] if one["state"] == "not yet measured" and one["measured"]]
    for target in elsewhere:
        if result["settings"]["preset"] != "tiny":
            yield f"{'(here)':>8}  {target['measured']:>9g}  {target['target']}: {target['reason']}"
    waiting = sum(target["state"] == "not yet measured" for target in result["targets"])
    if waiting:
        yield f"not yet measured: {waiting} targets, named in the JSON"


def _case(case: CaseRow) -> Iterator[str]:
    yield ""
    cut = ", cut short" if case["was_cut_short"] else ""
    yield f"{case['name']}: {case['title']}, batch {case['batch_size']}, {case['train_images']} images{cut}"
    yield (
        f"  {'images/s':<14} {'loader':>9} {'ready':>9} {'per CPU-s':>9} {'step':>9} {'train':>9} {'epoch':>9} "
        f"{'range':>17} {'gap s':>7} {'c/b':>5}  limiter"
    )
    for name, row in case["contestants"].items():
        yield f"  {name:<14} {_contestant(row)}"
    gate = case.get("gate")
    if gate:
        reached = ", ".join(f"{name} {value:.1f} %" for name, value in gate["test_accuracy"].items())
        verdict = "passed" if gate["passed"] else "FAILED"
        allowed = gate["allowed_points"]
        margin = "the steps alone are judged" if allowed is None else f"allowed: {allowed:.1f} points apart"
        yield f"  gate {verdict}: test accuracy {reached} ({margin})"


def _contestant(row: ContestantRow) -> str:
    loader, epoch = row.get("loader"), row.get("epoch")
    either = loader or epoch
    whole = epoch or loader
    return (
        f"{_median(loader)} {_median(row.get('ready'))} "
        f"{_number(either and either['images_per_cpu_second'])} {_median(row.get('step'))} "
        f"{_number(epoch and epoch['train_images_per_second'])} {_number(epoch and epoch['images_per_second'])} "
        f"{_range(whole and whole['images_per_second'])} {_gap(epoch)} {row.get('efficiency', ''):>5}  "
        f"{row.get('limiter', '')}"
    )


def _extras(result: Extras) -> Iterator[str]:
    yield ""
    if memory := result.get("memory"):
        yield (
            f"memory over {len(memory['megabytes'])} epochs: {memory['megabytes'][0]} to "
            f"{memory['megabytes'][-1]} MB, {memory['growth_mb_per_epoch']:+.2f} MB an epoch in the later half"
        )
    for one in (result.get("index"), result.get("start")):
        if one:
            yield (
                f"first batch of {one['images']:,} images: {one['first_batch_seconds']:.2f} s after the imports "
                f"({one['input']})"
            )


def _median(rates: Rates | None) -> str:
    return _number(rates and rates["images_per_second"])


def _number(spread: Spread | None) -> str:
    return f"{spread['median']:>9.1f}" if spread else " " * 9


def _range(spread: Spread | None) -> str:
    return f"{spread['min']:>8.1f}-{spread['max']:<8.1f}" if spread else " " * 17


def _gap(epoch: EpochFigures | None) -> str:
    return f"{epoch['gap_seconds']['median']:>7.3f}" if epoch else " " * 7

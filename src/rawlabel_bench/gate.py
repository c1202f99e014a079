"""The accuracy gate: speed counts only when every loop has learned as much from as many steps."""

from __future__ import annotations

import math

from rawlabel_bench.report_records import CaseRow, Gate


def judge_gate(case: CaseRow, margin: float | None) -> Gate:
    """Compare what the loops of a case learned in the very epochs that were timed.

    Each loop must have made every step of every epoch. Where the task can be learned in the time (a `margin`), its
    test accuracy must lie no further below the best loop's than the larger of `margin` [percentage points] and
    three standard errors of the difference, and the best must lie above chance, or nothing was learned.
    """
    rows = {name: row["epoch"] for name, row in case["contestants"].items() if "epoch" in row}
    accuracy = {name: float(row["accuracy"][-1]["test"]) for name, row in rows.items()}
    best = max(accuracy.values())
    share = best / 100
    error = 100 * math.sqrt(2 * share * (1 - share) / case["test_images"])
    allowed = max(margin or 0, 3 * error)
    expected = case["train_images"] // case["batch_size"]
    faults = [
        f"{name} made {sorted(set(row['steps']))} steps an epoch instead of {expected}"
        for name, row in rows.items()
        if set(row["steps"]) != {expected}
    ]
    if margin is not None:
        faults += [
            f"{name} is at {value:.1f} % on the test set, {best - value:.1f} points below the best"
            for name, value in accuracy.items()
            if best - value > allowed
        ]
        chance = 100 / case["classes"]
        if best < chance + 3 * error:
            faults.append(f"no loop learned anything: the best is at {best:.1f} %, chance at {chance:.1f} %")
    return {
        "passed": not faults,
        "faults": faults,
        "test_accuracy": {name: round(value, 2) for name, value in accuracy.items()},
        "allowed_points": None if margin is None else round(allowed, 2),
        "steps_an_epoch": expected,
    }

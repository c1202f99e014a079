"""The recipe `transfer` on flowers with labels made wrong uniformly: what choosing epoch and head by them costs.

Each share and seed is one `rawlabel train` and one `rawlabel evaluate`, as a user gives them; the evaluation fits
all candidates for the head anew, and says how far the chosen one stays below the best of them on the test set.

    python benchmarks/flowers_choice.py --data FLOWERS --work WORK --seeds 10 11 12 13 14

`FLOWERS` holds class folders under `train` and `test`. Rows and features are kept under WORK; a stopped call goes
on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from _tables import commits_of_seeds, origin, parser_of, said, write_tables

from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import source_commit
from rawlabel.base.files import read_json, write_json
from rawlabel.config import load_training
from rawlabel.judge.evaluate.finished_runs import read_run

SHARES = [0.0, 0.2, 0.4, 0.6]


def rawlabel(*command: str) -> None:
    """One command, as a user gives it."""
    subprocess.run([str(Path(sys.executable).with_name("rawlabel")), *command], check=True)


def trained(data: Path, work: Path, noise: float, seed: int) -> Path:
    """The run directory of one share and seed, trained and evaluated."""
    out = work / "runs" / f"{noise}-{seed}"
    rawlabel(
        "train", "--recipe", "transfer", "--root", str(work), "--main", str(data / "train"),
        "--test", str(data / "test"), "--inject-noise", str(noise), "--seed", str(seed), "--outpath", str(out),
    )  # fmt: skip
    rawlabel("evaluate", str(out))
    return out


def row_of(out: Path, noise: float, seed: int) -> dict[str, Any]:
    """What a run that was evaluated says; accuracies in percent, the regret in points."""
    found, run = read_run(out), Run(out)
    test, choice = run.summary.test, run.head_choice
    assert test is not None and test.choice is not None and choice is not None
    cost = test.choice
    return {
        "wrong": noise, "seed": seed,
        "selected_epoch": found.selected_epoch, "selected": found.test[found.selected_epoch],
        "last": found.test[found.last_epoch],
        "oracle": found.test[found.oracle_epoch], "oracle_epoch": found.oracle_epoch,
        "head": choice.best.text, "chosen_head_fitted": cost.chosen.accuracy,
        "oracle_head": cost.oracle.head, "oracle_head_fitted": cost.oracle.accuracy, "head_regret": cost.regret,
        "encoder": run.settings.encoder, "commit": source_commit(),
    }  # fmt: skip


def table_of(rows: list[dict[str, Any]], test_images: int) -> dict[str, Any]:
    """The table of all rows, which says by which encoder and rule they were made."""
    usual = load_training(None, {"recipe": "transfer"})
    seeds, shares = (sorted({one[key] for one in rows}) for key in ("seed", "wrong"))
    command = f"python benchmarks/flowers_choice.py --data FLOWERS --work WORK --seeds {' '.join(map(str, seeds))}"
    return origin(command + ("" if shares == SHARES else f" --noise {' '.join(map(str, shares))}")) | {
        "encoder": rows[0]["encoder"],
        "rule": f"{usual.stop}, {', '.join(usual.stop_option)}",
        "test_images": test_images,
        "commits": commits_of_seeds(rows),
        "rows": sorted(rows, key=lambda one: (one["wrong"], one["seed"])),
    }


def page(table: dict[str, Any]) -> list[str]:
    """One row a share of wrong labels, and one a seed."""
    return [
        f"Test top-1 accuracy [%] on {table['test_images']} clean test photos of flowers by `--recipe transfer`, "
        "whose head raw labels choose; mean and",
        "95 % interval (Student's t) over the seeds. The oracle epoch is the best on the test set; the oracle "
        "head is the candidate",
        "that is best there when all are fitted anew, and `head regret` is how far the chosen one stays below it "
        "[points].",
        "",
        *means(table["rows"]),
        "",
        *each(table["rows"]),
        "",
        f"- encoder: `{table['encoder']}`; rule: {table['rule']}; both the recipe's",
    ]


def means(rows: list[dict[str, Any]]) -> list[str]:
    """A table with a row a share of wrong labels."""
    lines = [
        "| wrong labels | seeds | chosen epoch | last | oracle epoch | chosen head, fitted anew | oracle head "
        "| head regret |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for noise in sorted({one["wrong"] for one in rows}):
        own = [one for one in rows if one["wrong"] == noise]
        keys = ("selected", "last", "oracle", "chosen_head_fitted", "oracle_head_fitted", "head_regret")
        cells = (said([one[key] for one in own], 1) for key in keys)
        seeds = ", ".join(str(one["seed"]) for one in own)
        lines.append(f"| {100 * noise:.0f} % | {seeds} | {' | '.join(cells)} |")
    return lines


def each(rows: list[dict[str, Any]]) -> list[str]:
    """A table with a row a run."""
    lines = [
        "| wrong labels | seed | head that raw labels chose | epoch | at it | last | oracle | oracle head "
        "| head regret |",
        "|--:|--:|---|--:|--:|--:|--:|---|--:|",
    ]
    for one in rows:
        accuracies = " | ".join(f"{one[key]:.2f}" for key in ("selected", "last", "oracle"))
        lines.append(
            f"| {100 * one['wrong']:.0f} % | {one['seed']} | {one['head']} | {one['selected_epoch']} | "
            f"{accuracies} | {one['oracle_head']} | {one['head_regret']:.2f} |"
        )
    return lines


def main() -> None:
    """Train and evaluate what lacks, and write table.json and table.md after each run."""
    parser = parser_of(__doc__, SHARES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14])
    asked = parser.parse_args()
    data, work = asked.data.absolute(), asked.work.absolute()
    path = work / "rows.json"
    rows: list[dict[str, Any]] = read_json(path, "rows") if path.exists() else []
    test_images = sum(one.is_file() for one in (data / "test").glob("*/*"))
    for seed in asked.seeds:
        for noise in asked.noise:
            if not any((one["wrong"], one["seed"]) == (noise, seed) for one in rows):
                rows.append(row_of(trained(data, work, noise, seed), noise, seed))
                write_json(path, rows)
            table = table_of(rows, test_images)
            write_tables(work, table, page(table))


if __name__ == "__main__":
    main()

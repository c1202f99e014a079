"""The recipe `transfer` on flower photos: with a simulated photo site's noise, and with uniform noise.

Each share of wrong labels and seed is a site of its own, searched and curated as any; the uniform kind has the
photos in class folders, with labels made wrong on purpose. The truth is opened for the judgement alone: test
accuracy of the chosen, the last and the best epoch, and how well suspicion by agreement finds wrong labels.

    python benchmarks/flowers_noise.py --data FLOWERS --work WORK --seeds 5

Killed at any moment, the same command goes on; features are kept under WORK. Finished runs make the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from _tables import commits_of_seeds, origin, parser_of, said, span, write_tables
from label_evidence._sites import collect_site

from rawlabel.artifacts.run_directory import RunDirectory, source_commit
from rawlabel.base.files import read_json, write_json
from rawlabel.config import CurateConfig, PhotoSiteConfig, TrainConfig, load_training
from rawlabel.gather.curate.stage import curate
from rawlabel.judge.evaluate.finished_runs import read_run
from rawlabel.judge.evaluate.label_judgement import judge_suspicion
from rawlabel.judge.evaluate.left_out import find_copies
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.judge.evaluate.truth import content_of_files
from rawlabel.judge.label_evidence.by_agreement import suspicion_by_agreement
from rawlabel.training.around.holdout import data_of_run
from rawlabel.training.stage import train

KINDS = ("site", "uniform")
SIDE = 160
"""Shortest side of collected photos [pixels], which is that of the flowers."""


class Judged(TypedDict):
    """One run."""

    kind: str
    noise: float
    seed: int
    photos: int
    wrong: float
    """Share of its raw labels that are wrong, what is off topic among them [percent]."""
    off_topic: float
    chosen: float
    last: float
    oracle: float
    auroc: float | None
    """Of suspicion; None without wrong labels."""
    head: str
    commit: str
    """By whose code it was trained and judged."""


def settings(kind: str, noise: float, seed: int, data: Path, work: Path) -> TrainConfig:
    """Those of one run; for a site, which is searched now unless it was."""
    given: dict[str, Any] = {
        "recipe": "transfer", "root": work, "test": str((data / "test").absolute()), "seed": seed,
        "outpath": work / "runs" / f"{kind}-{noise:g}-{seed}", "device": "cpu",
    }  # fmt: skip
    if kind == "uniform":
        return load_training(None, {**given, "main": str((data / "train").absolute()), "inject_noise": noise})
    project = project_of(work, noise, seed)
    photos = {"photos": data / "train", "test_photos": data / "test"}
    collect_site(project, PhotoSiteConfig(seed=seed, noise=noise, **photos), SIDE)
    if not (project / "manifest").exists():
        manifest = curate(CurateConfig(project=project))
        (project / "manifest").write_text(str(manifest.path.relative_to(work.absolute())), "utf-8")
    return load_training(None, {**given, "main": (project / "manifest").read_text("utf-8")})


def project_of(work: Path, noise: float, seed: int) -> Path:
    """The project of a site."""
    return work / "sites" / f"{noise:g}-{seed}"


def judge(kind: str, noise: float, seed: int, run: RunDirectory, work: Path) -> Judged:
    """Open the truth of a finished run."""
    found, said = read_run(run.path), suspicion_by_agreement(run, "cpu")
    assert said is not None
    shown = content_of_files(run, project_of(work, noise, seed) / "truth.json") if kind == "site" else {}
    classes = data_of_run(run).class_ids
    true = np.array([shown[name] if shown else Path(name).parent.name for name in said.photos])
    raw = np.array(classes)[said.labels]
    is_wrong = true != raw
    suspicion = judge_suspicion(said.suspicion.score, is_wrong) if is_wrong.any() else None
    choice = run.read().head_choice
    assert choice is not None
    return {
        "kind": kind, "noise": noise, "seed": seed, "photos": len(raw), "wrong": 100 * float(is_wrong.mean()),
        "off_topic": 100 * float((~np.isin(true, classes)).mean()),
        "chosen": found.test[found.selected_epoch], "last": found.test[found.last_epoch],
        "oracle": found.test[found.oracle_epoch], "auroc": suspicion["auroc"] if suspicion else None,
        "head": choice.best.text, "commit": source_commit(),
    }  # fmt: skip


def main() -> None:
    """Train what lacks, judge, and write table.json and table.md."""
    parser = parser_of(__doc__, [0.0, 0.2, 0.4, 0.6])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    path = asked.work / "judged.json"
    runs: list[Judged] = read_json(path, "what was judged") if path.exists() else []
    known = {(one["kind"], one["noise"], one["seed"]) for one in runs}
    for seed in range(asked.seeds):
        for noise in asked.noise:
            for kind in asked.kinds:
                if (kind, noise, seed) in known:
                    continue
                run = train(settings(kind, noise, seed, asked.data, asked.work), make_epoch_evaluator, find_copies)
                runs.append(judge(kind, noise, seed, run, asked.work))
                write_json(path, runs)
        write_table(runs, asked.work)


def write_table(runs: list[Judged], work: Path) -> None:
    """table.json and table.md."""
    usual = load_training(None, {"recipe": "transfer"})
    seeds = 1 + max(one["seed"] for one in runs)
    table = origin(f"python benchmarks/flowers_noise.py --data FLOWERS --work WORK --seeds {seeds}")
    table |= {
        "rule": f"{usual.stop}, {', '.join(usual.stop_option)}",
        "commits": commits_of_seeds(runs),
        "runs": runs,
    }
    write_tables(work, table, page(table))


def page(table: dict[str, Any]) -> list[str]:
    """One row a kind and share of noise."""
    runs: list[Judged] = table["runs"]
    lines = [
        "Test accuracy [%] on clean test photos of flowers by `--recipe transfer`, and the AUROC of suspicion by "
        "agreement on all photos of the run; mean and 95 % interval (Student's t) over the seeds. `site` is the "
        "noise of a simulated photo site: siblings' photos, and others that show none of the classes.",
        "",
        "| noise | asked | labels wrong | off topic | chosen epoch | last | oracle | AUROC of suspicion | seeds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for kind in KINDS:
        for noise in sorted({one["noise"] for one in runs if one["kind"] == kind}):
            own = [one for one in runs if (one["kind"], one["noise"]) == (kind, noise)]
            accuracies = [said([one[key] for one in own], 1) for key in ("chosen", "last", "oracle")]
            aurocs = [one["auroc"] for one in own if one["auroc"] is not None]
            shares = [f"{np.mean([one[key] for one in own]):.1f} %" for key in ("wrong", "off_topic")]
            cells = (kind, f"{100 * noise:.0f} %", *shares, *accuracies, said(aurocs, 3) if aurocs else "-")
            lines.append(f"| {' | '.join(cells)} | {span(one['seed'] for one in own)} |")
    return [*lines, "", f"- the epoch is chosen by {table['rule']}"]


if __name__ == "__main__":
    main()

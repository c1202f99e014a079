"""The recipe `transfer` beside its peers, on the same photos, raw labels and pretrained weights.

Labels of the training photos are made wrong uniformly, by the shares of --noise. Copies of test photos are left
out for all. Who holds photos out does so from these; the others have all. Heads stand on the same kept features,
whose making is timed apart. Every contestant has a process of its own, so that its peak memory is its own, and
tests once, at its end.

    python benchmarks/raw_label_peers.py --data FLOWERS --work WORK --seeds 10 11 12 13 14
    python benchmarks/raw_label_peers.py --data FLOWERS --work WORK --seeds 10 --noise 0.4 \\
        --contestants timm fastai --fastai-python VENV/bin/python

`FLOWERS` holds class folders under `train` and `test`. fastai lives in an environment of its own. What is measured
is kept under WORK, so the same command goes on where it was stopped, and a later one adds to the table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _tables import NOT_NOTED, commits_of, origin, parser_of, said, span, write_tables
from copies_of_tool import peak_memory
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from rawlabel.artifacts.run_directory import source_commit
from rawlabel.base.files import write_json
from rawlabel.base.metrics import mean_interval
from rawlabel.config import TrainConfig, load_training
from rawlabel.images.decoding import read_pixels
from rawlabel.images.input import InputRequest, read_input
from rawlabel.judge.evaluate.finished_runs import read_run
from rawlabel.judge.evaluate.left_out import find_copies
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.models.transfer.agreement import directions
from rawlabel.models.transfer.encoded_views import encoding_in, encoding_store
from rawlabel.training.around.leaving_out import Copies, leave_out
from rawlabel.training.data import TrainingData, load_training_data
from rawlabel.training.stage import train

SHARES = [0.0, 0.2, 0.4, 0.6]
"""Of wrong labels, where none are given."""
_ITERATIONS = 300
_TIMED = 256
"""Photos on which the making of features is timed."""


@dataclass(frozen=True)
class Task:
    """One set of raw labels with features of length 1, and the test set."""

    features: np.ndarray
    labels: np.ndarray
    test_features: np.ndarray
    test_labels: np.ndarray

    def accuracy(self, predicted: np.ndarray) -> float:
        """Percent of the test photos that are right."""
        return float(100 * (predicted == self.test_labels).mean())


def logistic_regression(task: Task) -> float:
    """scikit-learn's, with C by five-fold cross-validation on the raw labels."""
    model = LogisticRegressionCV(
        Cs=np.logspace(-2, 2, 9), cv=5, max_iter=_ITERATIONS, l1_ratios=(0,), use_legacy_attributes=False
    )
    return task.accuracy(model.fit(task.features, task.labels).predict(task.test_features))


def nearest_neighbors(task: Task) -> float:
    """scikit-learn's by the cosine, with their number by five-fold cross-validation on the raw labels."""
    search = GridSearchCV(
        KNeighborsClassifier(algorithm="brute"), {"n_neighbors": [5, 10, 20, 50, 100, 200]}, cv=5
    )
    return task.accuracy(search.fit(task.features, task.labels).predict(task.test_features))


def cleanlab(task: Task) -> float:
    """`find_label_issues` on five-fold predictions of a logistic regression, which is fitted anew to the rest."""
    from cleanlab.filter import find_label_issues

    model = LogisticRegression(max_iter=_ITERATIONS)
    said = cross_val_predict(model, task.features, task.labels, cv=5, method="predict_proba")
    is_kept = ~find_label_issues(task.labels, said, n_jobs=1)
    model.fit(task.features[is_kept], task.labels[is_kept])
    return task.accuracy(model.predict(task.test_features))


ON_FEATURES: dict[str, Callable[[Task], float]] = {
    "logistic regression, C by cross-validation": logistic_regression,
    "k nearest neighbors, k by cross-validation": nearest_neighbors,
    "cleanlab find_label_issues + logistic regression": cleanlab,
}
OWN = "rawlabel transfer"
FINE_TUNED = {"timm": "raw_label_peers_timm.py", "fastai": "raw_label_peers_fastai.py"}
"""All layers trained, taken at the last epoch, by a script that is given a list of files with our raw labels."""
USUAL = (OWN, *ON_FEATURES)
MISSING = "zero-shot with a text-image model: the rival that is missing, as no weights are at hand without a hub"


def settings(data: Path, work: Path, noise: float, seed: int) -> TrainConfig:
    """Those of our own contestant, whose split and noise all have."""
    given = {
        "recipe": "transfer", "root": work, "main": str((data / "train").absolute()),
        "test": str((data / "test").absolute()), "inject_noise": noise, "seed": seed, "device": "cpu",
        "outpath": work / "runs" / f"{noise}-{seed}",
    }  # fmt: skip
    return load_training(None, given)


def data_of(config: TrainConfig) -> tuple[TrainingData, Copies | None]:
    """The photos that all train on, without the copies of test photos, and which these are."""
    return leave_out(config, load_training_data(config), find_copies)


def task_of(config: TrainConfig, data: TrainingData) -> Task:
    """Features and raw labels, those that our contestant holds out included."""
    test = read_input(Path(str(config.test)), InputRequest("test"))
    everything, store = data.train.join(data.holdout), encoding_store(config, torch.device("cpu"))
    features = store.features(everything.source, "features of training photos").numpy()
    mean = features.mean(axis=0)
    tests = store.features(test.images.source, "features of test photos").numpy()
    return Task(directions(features, mean), everything.labels, directions(tests, mean), test.images.labels)


def contend(name: str, asked: argparse.Namespace) -> None:
    """Accuracy [percent] and seconds of a contestant on each share of wrong labels with each seed, one by one."""
    path = kept(asked.work, name)
    found = json.loads(path.read_text()) if path.exists() else {"runs": [], "peak_mb": 0.0}
    known = {(one["noise"], one["seed"]) for one in found["runs"]}
    commit = source_commit()
    for seed in asked.seeds:
        for noise in asked.noise:
            if (noise, seed) in known:
                continue
            config = settings(asked.data, asked.work, noise, seed)
            one = measured(name, config, asked)
            found["peak_mb"] = max(found["peak_mb"], one.pop("peak_mb"))
            found["runs"].append({"noise": noise, "seed": seed, "commit": commit, **one})
            write_json(path, found)


def kept(work: Path, name: str) -> Path:
    """Where what is known of a contestant lies."""
    return work / f"{name.replace(' ', '_')}.json"


def measured(name: str, config: TrainConfig, asked: argparse.Namespace) -> dict[str, Any]:
    """One contestant on one set of raw labels."""
    if name in FINE_TUNED:
        python = asked.fastai_python if name == "fastai" else sys.executable
        return fine_tuned(config, python, FINE_TUNED[name], asked.work)
    data, copies = data_of(config)
    task = task_of(config, data)
    began, used = time.perf_counter(), time.process_time()
    accuracy = ON_FEATURES[name](task) if name in ON_FEATURES else ours(config, copies)
    return {"accuracy": accuracy, "seconds": time.perf_counter() - began,
            "processor_seconds": time.process_time() - used, "peak_mb": peak_memory()}  # fmt: skip


def ours(config: TrainConfig, copies: Copies | None) -> float:
    """The epoch that was chosen on raw labels; finding the copies of test photos is in nobody's seconds."""
    run = train(config, make_epoch_evaluator, lambda _config, _data: copies)
    finished = read_run(run.path)
    return finished.test[finished.selected_epoch]


def fine_tuned(config: TrainConfig, python: str, script: str, work: Path) -> dict[str, Any]:
    """What a script of `FINE_TUNED` says of our raw labels."""
    data, _ = data_of(config)
    everything = data.train.join(data.holdout)
    root = Path(str(config.main))
    rows = [
        [str(root / name), data.class_ids[label]]
        for name, label in zip(everything.names(), everything.labels.tolist(), strict=True)
    ]
    files = work / f"files-{config.inject_noise}-{config.seed}.json"
    files.write_text(json.dumps({"train": rows, "test": str(config.test), "seed": config.seed}))
    command = [python, str(Path(__file__).with_name(script)), str(files)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def seconds_of_features(config: TrainConfig) -> float:
    """What a photo's features take, with reading [seconds]."""
    source = load_training_data(config).train.source
    encoding = encoding_in(encoding_store(config, torch.device("cpu")))
    began = time.perf_counter()
    for start in range(0, _TIMED, 64):
        views = [encoding.view(read_pixels(source, row, None)) for row in range(start, start + 64)]
        encoding(torch.from_numpy(np.stack(views)))
    return (time.perf_counter() - began) / _TIMED


def main() -> None:
    """Measure, and write table.json and table.md."""
    parser = parser_of(__doc__, SHARES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14])
    parser.add_argument("--contestants", nargs="*", default=list(USUAL), choices=[*USUAL, *FINE_TUNED])
    parser.add_argument("--fastai-python", default=sys.executable)
    parser.add_argument("--alone", help="used by this script itself: one contestant")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    if asked.alone:
        contend(asked.alone, asked)
        return
    first = settings(asked.data, asked.work, 0.0, asked.seeds[0])
    task_of(first, data_of(first)[0])
    for name in asked.contestants:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--alone", name], check=True)
        write_table(asked.work, seconds_of_features(first), first)


def write_table(work: Path, seconds: float, first: TrainConfig) -> None:
    """table.json and table.md of all that is kept."""
    found = {name: json.loads(kept(work, name).read_text()) for name in (*USUAL, *FINE_TUNED)
             if kept(work, name).exists()}  # fmt: skip
    table = origin(command_of([run for name, one in found.items() if name in USUAL for run in one["runs"]]))
    made = (
        (run.get("commit", NOT_NOTED), name.split(",")[0]) for name, one in found.items() for run in one["runs"]
    )
    table["packages"] |= {name: version(name) for name in ("cleanlab", "scikit-learn")}
    table |= {
        "rule": f"{first.stop}, {', '.join(first.stop_option)}",
        "seconds_of_features_a_photo": seconds,
        "missing": MISSING,
        "commits": commits_of(made),
        "contestants": found,
    }
    write_tables(work, table, page(table))


def page(table: dict[str, Any]) -> list[str]:
    """One row a contestant and share of wrong labels; seconds are medians."""
    found, per_photo = table["contestants"], 1000 * table["seconds_of_features_a_photo"]
    lines = [
        "Test accuracy [%] on 736 clean test photos of flowers; uniform noise; mean and 95 % interval (Student's "
        "t) over the seeds. `ours - theirs` is the mean difference on the same raw labels [points]; seconds are "
        "those of the processor.",
        "",
        "| contestant | wrong labels | accuracy [%] | ours - theirs | seconds | peak memory [MB] | seeds |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, one in found.items():
        for noise, runs in by_share(one["runs"]).items():
            seconds = float(np.median([run.get("processor_seconds", run["seconds"]) for run in runs]))
            ahead = said(differences, 2, "+") if (differences := leads(name, noise, runs, found)) else ""
            accuracy = said([run["accuracy"] for run in runs], 2)
            cells = (name, f"{100 * noise:.0f} %", accuracy, ahead, f"{seconds:.1f}", f"{one['peak_mb']:.0f}")
            lines.append(f"| {' | '.join(cells)} | {span(run['seed'] for run in runs)} |")
    behind, level = not_ahead(found)
    return [
        *lines,
        "",
        f"- not ahead of: {'; '.join(behind) or 'none of these'}",
        f"- ahead, but not told from by these seeds (within the interval): {'; '.join(level) or 'none of these'}",
        f"- {table['missing']}",
        *(fine_tuned_line(name, found) for name in FINE_TUNED),
        f"- heads stand on kept features; making them takes {per_photo:.0f} ms a photo here and is in no head's "
        "seconds",
        "- the recipe's views, which all see, its candidates and its rules were settled on these test photos, "
        "most under other seeds,\n  the choice of the head on seeds 10 to 12, too; the others' settings were not "
        "(`flowers_choice/seeds.md`)",
        f"- the epoch is chosen by {table['rule']}",
    ]


def by_share(runs: list[dict[str, Any]]) -> dict[float, list[dict[str, Any]]]:
    """The runs of each share of wrong labels, the smallest share first."""
    return {
        noise: [run for run in runs if run["noise"] == noise] for noise in sorted({run["noise"] for run in runs})
    }


def leads(name: str, noise: float, runs: list[dict[str, Any]], found: dict[str, Any]) -> list[float]:
    """How far ours is ahead of each of these runs that it has a seed of [points]; none of its own."""
    ours = {run["seed"]: run["accuracy"] for run in by_share(found[OWN]["runs"]).get(noise, [])}
    return [ours[run["seed"]] - run["accuracy"] for run in runs if run["seed"] in ours and name != OWN]


def not_ahead(found: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The rows in whose mean ours is not ahead, and those in which its lead lies within its own interval."""
    behind, level = [], []
    for name, one in found.items():
        for noise, runs in by_share(one["runs"]).items():
            if differences := leads(name, noise, runs, found):
                mean, half = mean_interval(differences)
                row = f"{name} at {100 * noise:.0f} % ({said(differences, 2, '+')})"
                if mean <= 0:
                    behind.append(row)
                elif half is not None and mean <= half:
                    level.append(row)
    return behind, level


def fine_tuned_line(name: str, found: dict[str, Any]) -> str:
    """What a contestant of `FINE_TUNED` did, and the command that makes its rows; the table's does not."""
    if name not in found:
        return f"- {name}: not yet measured; `--contestants {name}`"
    runs = found[name]["runs"]
    facts = [runs[0]["settings"], *(f"{key}: {runs[0][key]}" for key in ("package", "threads") if key in runs[0])]
    python = " --fastai-python VENV/bin/python" if name == "fastai" else ""
    return f"- {name}: {'; '.join(facts)}; `{command_of(runs)} --contestants {name}{python}`"


def command_of(runs: list[dict[str, Any]]) -> str:
    """The command that makes these runs."""
    seeds, shares = (sorted({run[key] for run in runs}) for key in ("seed", "noise"))
    noise = "" if shares == SHARES else f" --noise {' '.join(map(str, shares))}"
    seeds_said = " ".join(map(str, seeds))
    return f"python benchmarks/raw_label_peers.py --data FLOWERS --work WORK --seeds {seeds_said}{noise}"


if __name__ == "__main__":
    main()

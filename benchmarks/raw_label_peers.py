"""The recipe `transfer` beside its peers, on the same photos, raw labels and pretrained weights.

Labels of the training photos are made wrong uniformly, by the shares of --noise. Who holds photos out does so
from these; the others have all. Heads stand on the same kept features, whose making is timed apart. Every
contestant has a process of its own, so that its peak memory is its own, and tests once, at its end.

    python benchmarks/raw_label_peers.py --data FLOWERS --work WORK --seeds 3
    python benchmarks/raw_label_peers.py --data FLOWERS --work WORK --seeds 1 --noise 0.4 \\
        --contestants fastai --fastai-python VENV/bin/python

`FLOWERS` holds class folders under `train` and `test`. fastai lives in an environment of its own. Zero-shot with a
text-image model is the rival that is missing: its weights are not at hand without a hub.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.metrics import mean_interval
from rawlabel.config import TrainConfig, load_training
from rawlabel.images.decoding import read_pixels
from rawlabel.images.input import InputRequest, read_input
from rawlabel.judge.evaluate.finished_runs import read_run
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.models.transfer.agreement import directions
from rawlabel.models.transfer.encoded_views import encoding_in, encoding_store
from rawlabel.training.data import load_training_data
from rawlabel.training.stage import train

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
OWN, FASTAI = "rawlabel transfer", "fastai"
USUAL = (OWN, *ON_FEATURES)


def settings(data: Path, work: Path, noise: float, seed: int) -> TrainConfig:
    """Those of our own contestant, whose split and noise all have."""
    given = {
        "recipe": "transfer", "root": work, "main": str((data / "train").absolute()),
        "test": str((data / "test").absolute()), "inject_noise": noise, "seed": seed, "device": "cpu",
        "outpath": work / "runs" / f"{noise}-{seed}",
    }  # fmt: skip
    return load_training(None, given)


def task_of(config: TrainConfig) -> Task:
    """Features and raw labels, those that our contestant holds out included."""
    data, test = load_training_data(config), read_input(Path(str(config.test)), InputRequest("test"))
    everything, store = data.train.join(data.holdout), encoding_store(config, torch.device("cpu"))
    features = store.features(everything.source, "features of training photos").numpy()
    mean = features.mean(axis=0)
    tests = store.features(test.images.source, "features of test photos").numpy()
    return Task(directions(features, mean), everything.labels, directions(tests, mean), test.images.labels)


def contend(
    name: str, data: Path, work: Path, noises: list[float], seeds: int, fastai_python: str
) -> list[dict[str, Any]]:
    """Accuracy [percent] and seconds of a contestant on each share of wrong labels with each seed."""
    found = []
    for noise in noises:
        for seed in range(seeds):
            config = settings(data, work, noise, seed)
            if name == FASTAI:
                found.append({"noise": noise, "seed": seed, **with_fastai(config, fastai_python, work)})
                continue
            task = task_of(config)
            began = time.perf_counter()
            accuracy = ON_FEATURES[name](task) if name in ON_FEATURES else ours(config)
            seconds = time.perf_counter() - began
            found.append({"noise": noise, "seed": seed, "accuracy": accuracy, "seconds": seconds})
    return found


def ours(config: TrainConfig) -> float:
    """The epoch that was chosen on raw labels."""
    run = train(config, make_epoch_evaluator)
    finished = read_run(run.path)
    return finished.test[finished.selected_epoch]


def with_fastai(config: TrainConfig, python: str, work: Path) -> dict[str, Any]:
    """fastai in its own environment, on a list of files with our raw labels."""
    data = load_training_data(config)
    everything = data.train.join(data.holdout)
    root = Path(str(config.main))
    rows = [
        [str(root / name), data.class_ids[label]]
        for name, label in zip(everything.names(), everything.labels.tolist(), strict=True)
    ]
    files = work / f"fastai-{config.inject_noise}-{config.seed}.json"
    files.write_text(json.dumps({"train": rows, "test": str(config.test), "seed": config.seed}))
    script = Path(__file__).with_name("raw_label_peers_fastai.py")
    done = subprocess.run([python, str(script), str(files)], check=True, capture_output=True, text=True)
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.2, 0.4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--contestants", nargs="+", default=list(USUAL), choices=[*USUAL, FASTAI])
    parser.add_argument("--fastai-python", default=sys.executable)
    parser.add_argument("--alone", help="used by this script itself: one contestant")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    if asked.alone:
        runs = contend(asked.alone, asked.data, asked.work, asked.noise, asked.seeds, asked.fastai_python)
        who = resource.RUSAGE_CHILDREN if asked.alone == FASTAI else resource.RUSAGE_SELF
        print(json.dumps({"runs": runs, "peak_mb": resource.getrusage(who).ru_maxrss / 1024}))
        return
    path = asked.work / "table.json"
    table = json.loads(path.read_text()) if path.exists() else {"contestants": {}}
    table["environment"] = {key: getattr(describe_environment(), key) for key in ("commit", "processor", "python")}
    first = settings(asked.data, asked.work, 0.0, 0)
    task_of(first)
    table["seconds_of_features_a_photo"] = seconds_of_features(first)
    for name in asked.contestants:
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--alone", name],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        table["contestants"][name] = json.loads(done.stdout.strip().splitlines()[-1])
        path.write_text(json.dumps(table, indent=1) + "\n")
        (asked.work / "table.md").write_text(as_markdown(table))


def as_markdown(table: dict[str, Any]) -> str:
    """One row a contestant and share of wrong labels."""
    lines = [
        "| contestant | wrong labels | test accuracy [%] | seconds | peak memory [MB] | seeds |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, found in table["contestants"].items():
        for noise in sorted({one["noise"] for one in found["runs"]}):
            runs = [one for one in found["runs"] if one["noise"] == noise]
            mean, half = mean_interval([one["accuracy"] for one in runs])
            interval = f" ± {half:.2f}" if half is not None else ""
            seconds = float(np.median([one["seconds"] for one in runs]))
            lines.append(
                f"| {name} | {100 * noise:.0f} % | {mean:.2f}{interval} | {seconds:.1f} | {found['peak_mb']:.0f} "
                f"| {len(runs)} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

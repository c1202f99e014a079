"""Whether raw labels choose a better head when they choose the rounds of weighing, too: flowers, uniform noise.

The heads of `--recipe transfer` that weigh labels do so in three rounds. Beside them their copies at one and at
five rounds are candidates, and the choice among all is compared with the choice among the recipe's alone, on the
same photos, labels and folds. What each choice took is fitted anew to the photos that are trained on, as `rawlabel
evaluate` does, and the test photos are opened then.

    python benchmarks/weighing_rounds.py --data FLOWERS --work WORK --seeds 10 11 12 13 14

`FLOWERS` holds class folders under `train` and `test`. Rows and features are kept under WORK; a stopped call goes
on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _tables import commits_of_seeds, origin, parser_of, said, span, write_tables

from rawlabel.artifacts.run_directory import source_commit
from rawlabel.artifacts.split import folds
from rawlabel.base.files import read_json, write_json
from rawlabel.base.metrics import mean_interval
from rawlabel.config import TrainConfig, load_training
from rawlabel.config.training.transfer import HeadCandidate, read_candidates
from rawlabel.images.image_source import LabeledImages
from rawlabel.images.input import read_input
from rawlabel.judge.evaluate.left_out import find_copies
from rawlabel.models.device import choose_device
from rawlabel.models.transfer.agreement import FOLDS
from rawlabel.models.transfer.choice import Scores, compared_on, fitted_heads, score
from rawlabel.models.transfer.encoded_views import encoding_store
from rawlabel.training.around.leaving_out import leave_out
from rawlabel.training.around.refit import with_holdout
from rawlabel.training.data import TrainingData, load_training_data, training_request

SHARES = [0.0, 0.2, 0.4, 0.6]
MORE_ROUNDS = (1, 5)


def settings(data: Path, work: Path, noise: float, seed: int) -> TrainConfig:
    """Those of a run by the recipe, of which the data and the choice alone are made here."""
    given: dict[str, Any] = {
        "recipe": "transfer", "root": work, "main": str(data / "train"), "seed": seed, "inject_noise": noise,
        "test": str(data / "test"), "device": "cpu",
    }  # fmt: skip
    return load_training(None, given)


def with_more_rounds(candidates: Sequence[HeadCandidate]) -> list[HeadCandidate]:
    """The candidates, and behind them the copies of those that weigh at each other number of rounds."""
    weighing = [one for one in candidates if one.weighing != "none"]
    copies = [one.model_copy(update={"weighing_rounds": count}) for count in MORE_ROUNDS for one in weighing]
    return [*candidates, *copies]


def chosen_by(
    config: TrainConfig, data: TrainingData, candidates: Sequence[HeadCandidate]
) -> tuple[Scores, float]:
    """Scores of the candidates as `--choose` makes them, and the seconds that took."""
    images = with_holdout(data).train
    keys, features = images.keys_or_names(), features_of(config, images)
    rows = compared_on(keys, len(data.class_ids), len(candidates))
    started = time.perf_counter()
    found = score(
        features[rows], images.labels[rows], len(data.class_ids), folds(keys[rows], config.seed_of_data, FOLDS),
        candidates, decay_scale=len(data.train) / (len(rows) * (1 - 1 / FOLDS)),
        rounds=config.weighing_rounds, neighbors=config.weighing_neighbors,
    )  # fmt: skip
    return found, time.perf_counter() - started


def features_of(config: TrainConfig, images: LabeledImages) -> np.ndarray[Any, Any]:
    """Features [photos, features], which are kept."""
    store = encoding_store(config, choose_device("cpu"))
    found: np.ndarray[Any, Any] = store.features(images.source, "features").numpy()
    return found


def accuracies(
    config: TrainConfig, data: TrainingData, test: LabeledImages, candidates: Sequence[HeadCandidate]
) -> list[float]:
    """Test accuracy [percent] of each candidate, fitted to the photos that are trained on."""
    train = data.train
    features = np.concatenate([features_of(config, one) for one in (train, test)])
    is_trained_on = np.arange(len(features)) < len(train)
    inner = np.concatenate([folds(train.keys_or_names(), config.seed_of_data, FOLDS), np.zeros(len(test), int)])
    labels = np.concatenate([train.labels, np.zeros(len(test), int)])
    heads = fitted_heads(
        features, labels, len(data.class_ids), is_trained_on[:, None], inner, candidates,
        rounds=config.weighing_rounds, neighbors=config.weighing_neighbors,
    )  # fmt: skip
    return [100 * float((one[~is_trained_on, 0].argmax(axis=1) == test.labels).mean()) for one in heads]


def row_of(data: Path, work: Path, noise: float, seed: int) -> dict[str, Any]:
    """Both choices of one share and seed; accuracies in percent."""
    config = settings(data, work, noise, seed)
    found, _ = leave_out(config, load_training_data(config), find_copies)
    test = read_input(data / "test", training_request(config)).images
    usual = read_candidates(config.candidate)
    more = with_more_rounds(usual)
    choices, seconds = [], []
    for candidates in (usual, more):
        scores, took = chosen_by(config, found, candidates)
        choices.append(scores.chosen())
        seconds.append(took)
    each = accuracies(config, found, test, more)
    return {
        "wrong": noise, "seed": seed,
        "usual_head": str(more[choices[0]]), "usual": each[choices[0]], "usual_seconds": seconds[0],
        "usual_oracle": max(each[: len(usual)]),
        "rounds_head": str(more[choices[1]]), "rounds": each[choices[1]], "rounds_seconds": seconds[1],
        "rounds_oracle": max(each), "encoder": config.encoder, "test_images": len(test), "commit": source_commit(),
    }  # fmt: skip


def table_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The table of all rows."""
    seeds = sorted({one["seed"] for one in rows})
    command = "python benchmarks/weighing_rounds.py --data FLOWERS --work WORK --seeds"
    return origin(f"{command} {' '.join(map(str, seeds))}") | {
        "encoder": rows[0]["encoder"],
        "test_images": rows[0]["test_images"],
        "commits": commits_of_seeds(rows),
        "rows": sorted(rows, key=lambda one: (one["wrong"], one["seed"])),
    }


def page(table: dict[str, Any]) -> list[str]:
    """One row a share of wrong labels, and what all say together."""
    rows = table["rows"]
    lines = [
        f"Test top-1 accuracy [%] on {table['test_images']} clean test photos of flowers of the head that raw",
        "labels choose among the recipe's candidates (`three rounds`), and among these and copies at one and",
        "five rounds of weighing (`one, three or five`), fitted anew; mean and 95 % interval (Student's t) over",
        "the seeds, the difference seed by seed. The oracle head is the best of the candidates on the test set,",
        "which nobody could have chosen.",
        "",
        "| wrong labels | seeds | three rounds | one, three or five | difference [points] | oracle head of three "
        "rounds | of all | seconds of choosing |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for noise in sorted({one["wrong"] for one in rows}):
        own = [one for one in rows if one["wrong"] == noise]
        lines.append(f"| {100 * noise:.0f} % | {span(one['seed'] for one in own)} | {' | '.join(cells(own))} |")
    return [*lines, "", verdict(rows), "", *each(rows), "", f"- encoder: `{table['encoder']}`"]


def cells(rows: list[dict[str, Any]]) -> list[str]:
    """What one row of the table says of runs with the same share of wrong labels."""
    of = {key: [one[key] for one in rows] for key in ("usual", "rounds", "usual_oracle", "rounds_oracle")}
    seconds = [np.mean([one[key] for one in rows]) for key in ("usual_seconds", "rounds_seconds")]
    return [
        said(of["usual"], 1), said(of["rounds"], 1), said(differences(rows), 2, "+"),
        said(of["usual_oracle"], 1), said(of["rounds_oracle"], 1), f"{seconds[0]:.0f}, {seconds[1]:.0f}",
    ]  # fmt: skip


def differences(rows: list[dict[str, Any]]) -> list[float]:
    """How much better the head is when rounds are chosen, too [points]."""
    return [one["rounds"] - one["usual"] for one in rows]


def verdict(rows: list[dict[str, Any]]) -> str:
    """Whether choosing the rounds helps, beyond the interval over all runs; the seeds' means are what is drawn."""
    seeds = sorted({one["seed"] for one in rows})
    means = [float(np.mean(differences([one for one in rows if one["seed"] == seed]))) for seed in seeds]
    mean, half = mean_interval(means)
    same = sum(one["rounds_head"] == one["usual_head"] for one in rows)
    helps = half is not None and mean - half > 0
    return (
        f"Over all shares the choice of the rounds is worth {said(means, 2, '+')} points (each seed's mean is one "
        f"number), {'more' if helps else 'no more'} than chance explains; in {same} of {len(rows)} runs it takes "
        "the same head."
    )


def each(rows: list[dict[str, Any]]) -> list[str]:
    """A table with a row a run."""
    lines = [
        "| wrong labels | seed | head chosen, three rounds | test | head chosen, one, three or five | test |",
        "|--:|--:|---|--:|---|--:|",
    ]
    for one in rows:
        lines.append(
            f"| {100 * one['wrong']:.0f} % | {one['seed']} | {one['usual_head']} | {one['usual']:.2f} | "
            f"{one['rounds_head']} | {one['rounds']:.2f} |"
        )
    return lines


def main() -> None:
    """Measure what lacks, and write table.json and table.md after each row."""
    parser = parser_of(__doc__, SHARES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14])
    asked = parser.parse_args()
    data, work = asked.data.absolute(), asked.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    path = work / "rows.json"
    rows: list[dict[str, Any]] = read_json(path, "rows") if path.exists() else []
    for seed in asked.seeds:
        for noise in asked.noise:
            if not any((one["wrong"], one["seed"]) == (noise, seed) for one in rows):
                rows.append(row_of(data, work, noise, seed))
                write_json(path, rows)
            table = table_of(rows)
            write_tables(work, table, page(table))


if __name__ == "__main__":
    main()

"""The whole chain on a simulated photo site that runs beside it: no key, no network, no GPU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.files import atomic_write, read_json, write_json
from rawlabel.base.metrics import mean_interval
from rawlabel.base.spawning import spawn_context
from rawlabel.chain import Built, Stages, run_stages
from rawlabel.config import (
    CollectConfig,
    CurateConfig,
    DemoConfig,
    EvaluateConfig,
    PhotoSiteConfig,
    ProbeConfig,
    ReportConfig,
    TrainConfig,
    load_training_stage,
)
from rawlabel.errors import ConfigError, DataError, RawlabelError, SourceError
from rawlabel.judge.evaluate.finished_runs import read_run
from rawlabel.judge.evaluate.frozen_probe import measure_probe
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.judge.evaluate.truth import RawLabelAccuracy, raw_label_accuracy
from rawlabel.show.ending import collection_lines, epoch_line, test_lines
from rawlabel.train.stage import train

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS_PER_CLASS = 250
_EPOCHS = ("selected", "last", "oracle")
_LITTLE = 1.0
"""Points of test accuracy below which two differences are taken for one."""


@dataclass(frozen=True)
class DemoResult:
    """What one chain came to."""

    seed: int
    built: Built
    raw_labels: RawLabelAccuracy
    summary: dict[str, Any]
    plain: dict[str, Any] | None
    """The summary of the plain head that was trained beside the one of `--recipe transfer`."""

    def accuracy(self, which: str) -> float:
        """Test top-1 [percent] at the `selected`, `last` or `oracle` epoch."""
        return _accuracy(self.summary, which)


Serve = Callable[[PhotoSiteConfig, Callable[[str], None]], None]
"""Serves a simulated photo site until told to stop, and says where on its first line; another process must be able
to import it. It is handed in from above: nothing below the command line knows the simulator."""


def run_demo(config: DemoConfig, serve: Serve) -> list[DemoResult]:
    """Run the chain for each seed; with more than one, also write `seeds.json` and `seeds.md`.

    Each seed has its own site, search noise, split and training. Raises `ConfigError` for settings that do not go
    together, and what the stages raise.
    """
    for flag, value in (("--model", config.model), ("--image-size", config.image_size)):
        if value is not None and config.recipe == "transfer":
            raise ConfigError(f"{flag}: is about a network that --recipe scratch trains; leave one of the two out")
    results = []
    for seed in range(config.seed, config.seed + config.seeds):
        project = config.out if config.seeds == 1 else config.out / f"seed-{seed}"
        results.append(_chain(config, seed, project, serve))
    if config.seeds > 1:
        _write_seeds(config, results)
    return results


def _chain(config: DemoConfig, seed: int, project: Path, serve: Serve) -> DemoResult:
    _refuse_other_settings(config, seed, project)
    classes, truth = project / "classes.txt", project / "truth.json"
    with atomic_write(classes) as stream:
        stream.write("".join(f"{name}\n" for name in class_names(config)).encode())
    plain: list[dict[str, Any]] = []

    def then(run: RunDirectory) -> None:
        measure_probe(ProbeConfig(run=run.path))
        if config.recipe == "transfer":
            beside = train(plain_head(config, seed, project), make_epoch_evaluator)
            plain.append(evaluate(EvaluateConfig(run=beside.path)))

    with _photo_site(serve, config, seed, project, truth) as base_url:
        stages = Stages(
            CollectConfig(
                classes=classes,
                project=project,
                source=("flickr",),
                base_url=(base_url,),
                image_size=128 if config.photos else 64,
                # More than there are, and few enough for a search by relevance.
                per_class=4000,
                allow_loopback=True,
            ),
            CurateConfig(project=project, seed=seed),
            training_config(config, seed, project),
            EvaluateConfig(),
            ReportConfig(project=project),
        )
        built = run_stages(stages, api_key="any word will do here", then=then)
    right = raw_label_accuracy(built.manifest, truth)
    return DemoResult(seed, built, right, built.run.summary(), plain[0] if plain else None)


def _refuse_other_settings(config: DemoConfig, seed: int, project: Path) -> None:
    """Another seed is another site: its photos do not belong into the same collection."""
    settings = {**config.as_json(), "seed": seed, "seeds": 1, "out": str(project)}
    path = project / "demo.json"
    before = read_json(path, "the settings of a demo") if path.exists() else settings
    # Until there were recipes, there was this one.
    before.setdefault("recipe", "scratch")
    for key, value in settings.items():
        if before.get(key) != value:
            raise ConfigError(
                f"--{key.replace('_', '-')}: {project} was made with {before.get(key)}, not {value}; "
                "choose another --out or remove that folder"
            )
    write_json(path, settings)


def class_names(config: DemoConfig) -> list[str]:
    """The ten digits, or the folder names under `--photos`. Raises `ConfigError` or `DataError`."""
    if config.photos is None:
        return list(DIGITS)
    if config.test_photos is None:
        raise ConfigError("--test-photos: name the folder of clean test photos that goes with --photos")
    if not config.photos.is_dir():
        raise DataError(f"{config.photos}: no such folder; --photos takes one folder of photos a keyword")
    return sorted(one.name for one in config.photos.iterdir() if one.is_dir())


def training_config(config: DemoConfig, seed: int, project: Path) -> TrainConfig:
    """Settings of the demo's training: the recipe's, or a small network and the published kind of schedule."""
    own: dict[str, Any] = {
        "root": project,
        "test": str((config.test_photos or project / "test").absolute()),
        "outpath": project / "runs" / "demo",
        "epochs": config.epochs,
        "seed": seed,
    }
    if config.recipe == "transfer":
        return load_training_stage({"recipe": "transfer"}, own)
    return TrainConfig(
        **own,
        model=config.model or ("resnet18" if config.photos else "cifar_resnet20"),
        image_size=config.image_size or (64 if config.photos else 24),
        # A mirrored digit is another sign; a mirrored flower is a flower.
        augment="resized_crop" if config.photos else "crop",
        decay_epochs=max(1, config.epochs // 2),
        batch_size=64,
        lr=0.05 if config.photos else 0.03,
        weight_decay=5e-4,
        # The report shows the running accuracy; a probe after each epoch would cost a fifth of the demo's time.
        train_accuracy=(),
    )


def plain_head(config: DemoConfig, seed: int, project: Path) -> TrainConfig:
    """Settings of the head beside the recipe's: a hidden layer, no weighing, no decay, so that it fits all labels.

    The paper's effect shows on it, as on a network that is trained whole; one epoch a window, its best are so few.
    """
    own = training_config(config, seed, project).model_dump(include={"root", "test", "epochs", "seed"})
    own["outpath"] = project / "runs" / "plain_head"
    plain = {"hidden": 256, "weighing": "none", "weight_decay": 0.0, "lr": 0.05, "stop_option": ["window=1"]}
    return load_training_stage({"recipe": "transfer", **plain}, own)


@contextmanager
def _photo_site(serve: Serve, config: DemoConfig, seed: int, project: Path, truth: Path) -> Iterator[str]:
    """Serve the photos from a process of its own; yields the site's address.

    The catalogue holds the photos' addresses, so a demo that goes on needs its site where it was.
    """
    place = project / "site.json"
    port = read_json(place, "the port of the demo's site")["port"] if place.exists() else 0
    site = PhotoSiteConfig(
        port=port,
        seed=seed,
        noise=config.noise,
        truth=truth,
        photos=config.photos,
        test_photos=config.test_photos,
        write_test_set=None if config.photos else project / "test",
        per_class=config.per_class or (None if config.photos else DIGITS_PER_CLASS),
    )
    spawn = spawn_context()
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_serve, args=(serve, site, there), daemon=True)
    process.start()
    there.close()
    try:
        announced = here.recv()
        address = next((word for word in announced.split() if word.startswith("http://")), None)
        if address is None:
            raise SourceError(announced)
        write_json(place, {"port": urlsplit(address).port})
        yield address
    except EOFError as error:
        raise SourceError("the simulated photo site did not start; try `rawlabel photo-site`") from error
    finally:
        process.terminate()
        process.join()


def _serve(serve: Serve, config: PhotoSiteConfig, announce: Connection) -> None:
    """Serve until told to stop or the demo is gone; sends the line that says where, or what is wrong."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        serve(config, announce.send)
    except RawlabelError as error:
        announce.send(str(error))


def _end_with_parent() -> None:
    """A demo that is killed cannot stop its site, and a site left behind would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def describe(result: DemoResult) -> list[str]:
    """What one chain came to, in ten lines that a person understands."""
    raw, run, test = result.raw_labels, result.built.run, result.summary["test"]
    measured = test_lines(test)
    if result.plain is not None:
        oracle = measured.pop().strip()
        measured = [measured[0], f"{measured[1]}, {oracle}", _plain_line(result)]
    return [
        *collection_lines(result.built.manifest, result.built.counts),
        f"raw labels    {raw.percent:.1f} % right ({raw.correct} of {raw.total}), says the simulated site's truth",
        epoch_line(run),
        *measured,
        f"report        {result.built.report}",
    ]


def _plain_line(result: DemoResult) -> str:
    """What the choice of the epoch is worth to a head that fits every label, and to the one that weighs them."""
    assert result.plain is not None
    chosen, last, oracle = (_accuracy(result.plain, which) for which in _EPOCHS)
    own = result.accuracy("selected") - result.accuracy("last")
    little = "; a robust head makes the epoch matter little" if chosen - last > abs(own) + _LITTLE else ""
    return (
        f"plain head    {chosen:.2f} % chosen, {last:.2f} % last, {oracle:.2f} % oracle: a hidden layer, all "
        f"labels alike; choosing its epoch is worth {chosen - last:+.1f} points, and {own:+.1f} above{little}"
    )


def _accuracy(summary: Mapping[str, Any], which: str) -> float:
    return float(summary["test"][which]["top1"]["accuracy"])


def _write_seeds(config: DemoConfig, results: list[DemoResult]) -> None:
    rows = [
        {
            "seed": one.seed,
            "kept": one.raw_labels.total,
            "raw_labels_right": one.raw_labels.percent,
            "selected_epoch": one.summary["test"]["selected"]["epoch"],
            "oracle_epoch": one.summary["test"]["oracle"]["epoch"],
            **{which: one.accuracy(which) for which in _EPOCHS},
            **({f"plain_{which}": _accuracy(one.plain, which) for which in _EPOCHS} if one.plain else {}),
        }
        for one in results
    ]
    run = results[0].built.run
    starts = read_json(run.path / "environment.json", "the starts of a run")
    environment = {key: value for key, value in starts[0].items() if key not in ("command", "data")}
    command = "rawlabel demo " + " ".join(_flags(config))
    training = training_config(config, config.seed, Path()).model_dump(
        mode="json", exclude={"root", "main", "test", "outpath", "seed"}
    )
    write_json(
        config.out / "seeds.json",
        {"command": command, "environment": environment, "training": training, "rows": rows},
    )
    with atomic_write(config.out / "seeds.md") as stream:
        stream.write(_seeds_table(rows, command, read_run(run.path).rule, environment).encode())


def _flags(config: DemoConfig) -> list[str]:
    """The flags that differ from the defaults, as a person would type them."""
    values, usual = config.as_json(), DemoConfig().as_json()
    return [
        f"--{key.replace('_', '-')} {value}"
        for key, value in values.items()
        if value != usual[key] and key != "out"
    ]


def _seeds_table(rows: list[dict[str, Any]], command: str, rule: str, environment: dict[str, Any]) -> str:
    def mean(key: str) -> str:
        value, half_width = mean_interval([row[key] for row in rows])
        return f"{value:.2f} ± {half_width:.2f}" if half_width is not None else f"{value:.2f}"

    for row in rows:
        row["gain"], row["regret"] = row["selected"] - row["last"], row["oracle"] - row["selected"]
    keys = ("raw_labels_right", "selected", "last", "oracle", "gain", "regret")
    lines = [
        "| seed | raw labels right | chosen epoch | at chosen | last | oracle | chosen - last | oracle - chosen |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {row['seed']} | {row[keys[0]]:.2f} | {row['selected_epoch']} | "
            + " | ".join(f"{row[key]:.2f}" for key in keys[1:]) + " |"
            for row in rows
        ),
        f"| mean | {mean(keys[0])} | | " + " | ".join(mean(key) for key in keys[1:]) + " |",
    ]  # fmt: skip
    return (
        f"Test top-1 accuracy [%] on clean test images; mean and 95 % interval (Student's t) over "
        f"{len(rows)} seeds.\n"
        "The chosen epoch comes from raw labels alone; the oracle epoch is the best on the test set.\n\n"
        + "\n".join(lines)
        + f"\n\n- command: `{command}`\n- rule: {rule}\n- commit: {environment['commit']}\n"
        f"- processor: {environment['processor']}\n"
        f"- torch {environment['packages']['torch']}, Python {environment['python']}\n"
    )

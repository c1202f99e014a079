"""The whole chain on a simulated photo site that runs beside it: no key, no network, no GPU."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Measurement, Start, Summary
from rawlabel.base.files import atomic_write, read_json, write_json
from rawlabel.base.metrics import mean_interval
from rawlabel.chain.build import Built, Stages, run_stages
from rawlabel.chain.demo_site import Serve, photo_site
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
from rawlabel.errors import ConfigError, DataError
from rawlabel.judge.evaluate.finished_runs import read_run
from rawlabel.judge.evaluate.frozen_probe import measure_probe
from rawlabel.judge.evaluate.left_out import find_copies
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.judge.evaluate.truth import RawLabelAccuracy, raw_label_accuracy
from rawlabel.models.encoder import PACKAGED
from rawlabel.show.ending import accuracies, collection_lines, epoch_line, test_lines
from rawlabel.training.stage import train

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS_PER_CLASS = 250
_LITTLE = 1.0
"""Points of test accuracy below which two differences are taken for one."""


@dataclass(frozen=True)
class DemoResult:
    """What one chain came to."""

    seed: int
    built: Built
    raw_labels: RawLabelAccuracy
    summary: Summary
    plain: Summary | None
    """The summary of the plain head that was trained beside the one of `--recipe transfer`."""

    @property
    def test(self) -> Measurement:
        """What the evaluation, a part of the chain, measured."""
        assert self.summary.test is not None
        return self.summary.test

    @property
    def accuracies(self) -> tuple[float, float, float]:
        """Test top-1 [percent] at the chosen, the last and the oracle epoch."""
        return accuracies(self.test)


@dataclass(frozen=True)
class SeedRow:
    """A row of `seeds.json`: one seed's epochs, and its accuracies in percent."""

    seed: int
    kept: int
    raw_labels_right: float
    selected_epoch: int
    oracle_epoch: int
    selected: float
    last: float
    oracle: float
    plain_selected: float | None = None
    """Of the plain head, where one was trained beside it."""
    plain_last: float | None = None
    plain_oracle: float | None = None

    def columns(self) -> tuple[float, ...]:
        """What the table shows and takes the mean of."""
        differences = (self.selected - self.last, self.oracle - self.selected)
        return (self.raw_labels_right, self.selected, self.last, self.oracle, *differences)

    def of_plain_head(self) -> tuple[float, ...]:
        """The same of the plain head, without the raw labels; empty without one."""
        chosen, last, oracle = self.plain_selected, self.plain_last, self.plain_oracle
        if chosen is None or last is None or oracle is None:
            return ()
        return (chosen, last, oracle, chosen - last, oracle - chosen)

    def as_json(self) -> dict[str, float]:
        """The row as it is written, without what was not trained."""
        return {key: value for key, value in asdict(self).items() if value is not None}


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
    plain: list[Summary] = []

    def then(run: RunDirectory) -> None:
        measure_probe(ProbeConfig(run=run.path))
        if config.recipe == "transfer":
            beside = train(plain_head(config, seed, project), make_epoch_evaluator, find_copies)
            plain.append(evaluate(EvaluateConfig(run=beside.path)))

    with photo_site(serve, site_config(config, seed, project), project / "site.json") as base_url:
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
    return DemoResult(seed, built, right, built.run.summary, plain[0] if plain else None)


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
        # On the recipe's larger views the network tells drawn digits worse, other than photos (LOG.md).
        encoder = {} if config.photos else {"encoder": PACKAGED}
        return load_training_stage({"recipe": "transfer", **encoder}, own)
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
    own = training_config(config, seed, project).model_dump(include={"root", "test", "epochs", "seed", "encoder"})
    own["outpath"] = project / "runs" / "plain_head"
    plain = {"hidden": 256, "weighing": "none", "weight_decay": 0.0, "lr": 0.05, "stop_option": ["window=1"]}
    return load_training_stage({"recipe": "transfer", **plain}, own)


def site_config(config: DemoConfig, seed: int, project: Path) -> PhotoSiteConfig:
    """Settings of the photo site: the digits, with their test set, or the photos that are named."""
    return PhotoSiteConfig(
        seed=seed,
        noise=config.noise,
        truth=project / "truth.json",
        photos=config.photos,
        test_photos=config.test_photos,
        write_test_set=None if config.photos else project / "test",
        per_class=config.per_class or (None if config.photos else DIGITS_PER_CLASS),
    )


def describe(result: DemoResult) -> list[str]:
    """What one chain came to, in ten lines that a person understands."""
    raw, measured = result.raw_labels, test_lines(result.test)
    if result.plain is not None:
        oracle = measured.pop().strip()
        measured = [measured[0], f"{measured[1]}, {oracle}", _plain_line(result, result.plain)]
    return [
        *collection_lines(result.built.manifest, result.built.counts, result.built.asked),
        f"raw labels    {raw.percent:.1f} % right ({raw.correct} of {raw.total}), says the simulated site's truth",
        epoch_line(result.summary),
        *measured,
        f"report        {result.built.report}",
    ]


def _plain_line(result: DemoResult, plain: Summary) -> str:
    """What the choice of the epoch is worth to a head that fits every label, and to the one that weighs them."""
    assert plain.test is not None
    chosen, last, oracle = accuracies(plain.test)
    own = result.accuracies[0] - result.accuracies[1]
    is_little = max(result.accuracies) - min(result.accuracies) <= _LITTLE < chosen - last
    little = "; a robust head makes the epoch matter little" if is_little else ""
    return (
        f"plain head    {chosen:.2f} % chosen, {last:.2f} % last, {oracle:.2f} % oracle: a hidden layer, all "
        f"labels alike; choosing its epoch is worth {chosen - last:+.1f} points, and {own:+.1f} above{little}"
    )


_PLACES = ("command", "data", "root", "weights")
"""What of a start is about where it was made."""


def _write_seeds(config: DemoConfig, results: list[DemoResult]) -> None:
    rows = [
        SeedRow(
            one.seed,
            one.raw_labels.total,
            one.raw_labels.percent,
            one.test.selected.epoch,
            one.test.oracle.epoch if one.test.oracle else 0,
            *one.accuracies,
            *(accuracies(one.plain.test) if one.plain and one.plain.test else ()),
        )
        for one in results
    ]
    run = results[0].built.run.path
    start = Run(run).starts[0]
    command = "rawlabel demo " + " ".join(_flags(config))
    training = training_config(config, config.seed, Path()).model_dump(
        mode="json", exclude={"root", "main", "test", "outpath", "seed"}
    )
    write_json(
        config.out / "seeds.json",
        {
            "command": command,
            # Places of this machine say nothing to others.
            "environment": {key: one for key, one in start.as_json().items() if key not in _PLACES},
            "training": training,
            "rows": [one.as_json() for one in rows],
        },
    )
    with atomic_write(config.out / "seeds.md") as stream:
        stream.write(_seeds_table(rows, command, read_run(run).rule, start).encode())


def _flags(config: DemoConfig) -> list[str]:
    """The flags that differ from the defaults, as a person would type them."""
    values, usual = config.as_json(), DemoConfig().as_json()
    return [
        f"--{key.replace('_', '-')} {value}"
        for key, value in values.items()
        if value != usual[key] and key != "out"
    ]


def _seeds_table(rows: Sequence[SeedRow], command: str, rule: str, start: Start) -> str:
    def mean(values: Iterable[float]) -> str:
        value, half_width = mean_interval(list(values))
        return f"{value:.2f} ± {half_width:.2f}" if half_width is not None else f"{value:.2f}"

    def numbers(values: Iterable[float]) -> str:
        return " | ".join(f"{value:.2f}" for value in values)

    right, *columns = zip(*(one.columns() for one in rows), strict=True)
    lines = [
        "| seed | raw labels right | chosen epoch | at chosen | last | oracle | chosen - last | oracle - chosen |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {row.seed} | {row.raw_labels_right:.2f} | {row.selected_epoch} | "
            + numbers(row.columns()[1:]) + " |"
            for row in rows
        ),
        f"| mean | {mean(right)} | | " + " | ".join(map(mean, columns)) + " |",
    ]  # fmt: skip
    if all(row.of_plain_head() for row in rows):
        beside = zip(*(row.of_plain_head() for row in rows), strict=True)
        lines += [
            "\nA plain head on the same features, beside it: a hidden layer, all labels alike, no decay.\n",
            "| seed | at chosen | last | oracle | chosen - last | oracle - chosen |\n|--:|--:|--:|--:|--:|--:|",
            *(f"| {row.seed} | {numbers(row.of_plain_head())} |" for row in rows),
            "| mean | " + " | ".join(map(mean, beside)) + " |",
        ]
    return (
        f"Test top-1 accuracy [%] on clean test images; mean and 95 % interval (Student's t) over "
        f"{len(rows)} seeds.\n"
        "The chosen epoch comes from raw labels alone; the oracle epoch is the best on the test set.\n\n"
        + "\n".join(lines)
        + f"\n\n- command: `{command}`\n- rule: {rule}\n- commit: {start.commit}\n"
        f"- processor: {start.processor}\n- torch {start.packages['torch']}, Python {start.python}\n"
    )

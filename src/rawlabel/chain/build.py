"""One command from class names to a measured classifier: plan, collect, curate, train, report.

Each stage is the one that its own verb runs, on what the stage before left on the disk, so that a chain that was
stopped or killed anywhere goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any
from unicodedata import normalize

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.manifest import Manifest
from rawlabel.artifacts.project import catalogue_path
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.files import read_json, write_json
from rawlabel.base.progress import note
from rawlabel.config import (
    BuildConfig,
    ClassesConfig,
    CollectConfig,
    CurateConfig,
    EvaluateConfig,
    LabelsConfig,
    PlanConfig,
    ReportConfig,
    TrainConfig,
    load_stage,
    load_training_stage,
)
from rawlabel.errors import ConfigError, DataError
from rawlabel.gather.classes.reading import read_classes
from rawlabel.gather.classes.selection import select
from rawlabel.gather.classes.writing import write_classes
from rawlabel.gather.collect.plan import CollectionPlan, plan
from rawlabel.gather.collect.session import requested_sources
from rawlabel.gather.collect.stage import collect, require_contact
from rawlabel.gather.collect.summary import failure_lines, incomplete_lines, problem_of
from rawlabel.gather.curate.stage import curate
from rawlabel.images.input import read_input
from rawlabel.judge.evaluate.frozen_probe import add_own_probe
from rawlabel.judge.evaluate.left_out import find_copies
from rawlabel.judge.evaluate.opening import test_request
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.judge.label_evidence.of_runs import add_label_evidence, gather_evidence
from rawlabel.models.device import has_gpu
from rawlabel.models.encoder import FIT, load_encoder
from rawlabel.models.method import heeds_weights
from rawlabel.models.transfer.for_curating import make_features
from rawlabel.records import ClassSpec
from rawlabel.show.ending import (
    collection_lines,
    doubts_line,
    epoch_line,
    holdout_lines,
    suspect_line,
    test_lines,
)
from rawlabel.show.report.measuring import Measure
from rawlabel.show.report.stage import build_report
from rawlabel.training.named_parts import find_named_parts
from rawlabel.training.stage import train

MOST_PHOTOS, MOST_GIGABYTES, MOST_HOURS = 20_000, 5.0, 1.0
"""A plan above any of these is large, and is asked about."""
_CLASSES, _SUFFIXES = "classes.toml", frozenset({".txt", ".json", ".toml"})
"""The class file that is made of names, and what the name of one ends in."""
_OF_THE_PRICE = (
    "source", "input", "per_class", "per_keyword", "licenses", "until", "image_size", "calls_per_hour"
)  # fmt: skip
"""Settings of a collection that say, with the classes, what was agreed to: other ones may have another price."""
_MOST_TOLD = 5
"""Warnings about the names that are told one by one."""

Agree = Callable[[str], bool]
"""Asks a person whether to go on, with the price in words."""


@dataclass(frozen=True)
class Stages:
    """The settings of all stages, as the chain runs them."""

    collect: CollectConfig
    curate: CurateConfig
    train: TrainConfig
    evaluate: EvaluateConfig
    report: ReportConfig
    labels: LabelsConfig = field(default_factory=LabelsConfig)


@dataclass(frozen=True)
class Built:
    """What a chain came to."""

    project: Path
    counts: dict[str, int]
    """Counts of the catalogue."""
    asked: tuple[str, ...]
    """Every class that was asked for, found or not."""
    manifest: Manifest
    run: Run
    report: Path


def build(config: BuildConfig, agree: Agree | None = None, *, api_key: str | None = None) -> Built:
    """Make a classifier of the names that `config` gives; the same call after an interruption goes on.

    `agree` is asked where the plan is large and `config.yes` does not say so already. `api_key` overrides the key
    that a source reads from its environment variable. Raises `ConfigError` for settings that cannot be obeyed,
    such as a large plan that nobody has agreed to, and what the stages raise.
    """
    stages = settle(config)
    _agree_on(_plan(stages.collect, api_key), stages.collect, config, agree)

    def gather(run: RunDirectory) -> None:
        gather_evidence(stages.labels.model_copy(update={"runs": (run.path,)}))

    return run_stages(stages, api_key=api_key, then=gather)


def settle(config: BuildConfig) -> Stages:
    """Write the class file of the names into the project, and return the settings of all stages.

    Raises `ConfigError` or `ClassFileError` before anything is asked or downloaded.
    """
    project = config.project
    flags = {key: getattr(config, key) for key in ("contact", "source", "input", "per_class")}
    flags = {key: value for key, value in flags.items() if value not in (None, ())}
    collecting = load_stage(CollectConfig, config.collect, flags | {"project": project})
    classes, file = _named(config, collecting)
    require_contact(collecting, requested_sources(collecting))
    training: dict[str, Any] = {"root": project} | ({"recipe": config.recipe} if config.recipe else {})
    if config.test is not None:
        if not config.test.is_dir():
            raise ConfigError(f"--test: {config.test} is no folder; name one that holds a folder for each class")
        training["test"] = str(config.test.absolute())
    stages = Stages(
        collecting.model_copy(update={"classes": file}),
        load_stage(CurateConfig, config.curate, {"project": project}),
        load_training_stage(config.train, training, "[train]", has_gpu, heeds_weights),
        load_stage(EvaluateConfig, config.evaluate, {}),
        load_stage(ReportConfig, config.report, {"project": project}),
        load_stage(LabelsConfig, config.labels, {}),
    )
    _refuse_what_fails_later(stages, config)
    if config.test is not None and (told := classes or (read_classes(file) if file else None)):
        _refuse_others(config.test, stages.train, {one.class_id for one in told})
    if classes is not None:
        write_classes(project / _CLASSES, classes, force=True)
    return stages


def _refuse_what_fails_later(stages: Stages, config: BuildConfig) -> None:
    """What training or measuring would refuse only after hours of collecting.

    Raises `ConfigError`, `CheckpointError` and `PluginError`.
    """
    find_named_parts(stages.train)
    if stages.train.encoder is not None:
        load_encoder(stages.train.encoder.removesuffix(FIT), stages.train.weights)
    if not stages.curate.holdout:
        raise ConfigError(
            "[curate] holdout: is 0, and what a build says at its end is measured on held-out raw labels; leave "
            "some, or run the stages one by one"
        )
    if config.evaluate.get("test") is not None:
        raise ConfigError("[evaluate] test: name the test set of a build with --test")


def _named(config: BuildConfig, collecting: CollectConfig) -> tuple[Sequence[ClassSpec] | None, Path | None]:
    """The classes that were given by their names, if any, and the class file; no file where a source brings them.

    Raises `ConfigError` where there is nothing to tell apart, or the project has classes that are not named.
    """
    single = None if config.names else collecting.classes
    if len(config.names) == 1 and (Path(config.names[0]).suffix in _SUFFIXES or Path(config.names[0]).is_file()):
        single = Path(config.names[0])
    if config.names and single is None:
        if (name := next((one for one in config.names if Path(one).is_file()), None)) is not None:
            raise ConfigError(f"NAMES: {name} is a file; name a class file alone, or class names")
        written, file = select(ClassesConfig(classes=config.names)).classes, config.project / _CLASSES
        classes: Sequence[ClassSpec] = written
    elif single is not None:
        written, file = None, single
        classes = read_classes(single)
    elif collecting.input is not None:
        return None, None
    else:
        raise ConfigError('NAMES: name the classes, for example `rawlabel build "barn owl" robin --project birds`')
    if len(classes) < 2:
        raise ConfigError("NAMES: a classifier tells two classes or more apart; name another one")
    _refuse_fewer(config.project, {one.class_id for one in classes})
    return written, file


def _refuse_fewer(project: Path, named: set[str]) -> None:
    """What was collected stays, so a project cannot have fewer classes than before."""
    if not catalogue_path(project).is_file():
        return
    with Catalogue(catalogue_path(project)) as catalogue:
        others = [one.class_id for one in catalogue.classes() if one.class_id not in named]
    if others:
        raise ConfigError(
            f"--project: {project} holds other classes too ({', '.join(others[:_MOST_TOLD])}); name them as well, "
            "or choose another folder"
        )


def _refuse_others(test: Path, training: TrainConfig, named: set[str]) -> None:
    """A test set with photos of a class that is not named would be refused only after hours of collecting."""
    known = {normalize("NFC", one) for one in named}
    for found in read_input(test, test_request(training)).class_ids:
        if normalize("NFC", found) not in known:
            raise ConfigError(
                f"--test: {test} has class '{found}', which is not among those named; name it too, or leave it out"
            )


def _plan(config: CollectConfig, api_key: str | None) -> CollectionPlan:
    """Plan, and say what is doubtful and what it will cost."""
    made = plan(PlanConfig(**config.model_dump()), api_key=api_key)
    # Where no source was asked for anything there is no price, and collecting will say why.
    is_asked = not made.not_asked or any(one.asked for spec in made.classes for one in spec.keywords)
    for name, reason in made.not_asked.items() if is_asked else ():
        note(f"{name} was not asked to the end: {reason}")
    for warning in made.warnings[:_MOST_TOLD]:
        note(warning.message)
    if len(made.warnings) > _MOST_TOLD:
        note(f"{len(made.warnings) - _MOST_TOLD} more warnings about the names; `rawlabel plan` lists them")
    if is_asked:
        note(f"the plan: {price(made)}")
    return made


def price(made: CollectionPlan) -> str:
    """What a plan costs, in words; `?` where no site has said so."""
    cost = _cost(made)
    photos, gigabytes = cost["photos"], cost["gigabytes"]
    hours = ", ".join(f"{source} {60 * hours:.0f} min" for source, hours in made.quota_hours.items())
    return (
        f"{len(made.classes)} classes, {'?' if photos is None else f'{photos:,.0f}'} photos, "
        f"{'?' if gigabytes is None else f'{gigabytes:.1f}'} GB, {cost['calls']:,} calls; quota: {hours}"
    )


_Cost = Mapping[str, float | None]
"""Photos, gigabytes, calls and hours of quota of a plan; None where no site has said so."""


def _cost(made: CollectionPlan) -> _Cost:
    return {
        "photos": total_photos(made),
        "gigabytes": _total([one.gigabytes for one in made.classes]),
        "calls": sum(one.calls for one in made.classes),
        "hours": max(made.quota_hours.values(), default=0.0),
    }


def _exceeds(cost: _Cost, limits: _Cost) -> bool:
    """Whether any cost is above its limit; what nobody knows is above all that is known."""
    return any(_or_endless(cost[key]) > _or_endless(limit) for key, limit in limits.items())


def _or_endless(value: float | None) -> float:
    return inf if value is None else value


def total_photos(made: CollectionPlan) -> int | None:
    """Photos that a plan will download; None where no site has said so."""
    found = _total([one.photos for one in made.classes])
    return None if found is None else int(found)


def _total(numbers: list[int | None] | list[float | None]) -> float | None:
    known = [one for one in numbers if one is not None]
    return sum(known) if len(known) == len(numbers) else None


def is_large(made: CollectionPlan) -> bool:
    """Whether a person should agree before a plan is carried out; one of unknown size is large."""
    return _exceeds(_cost(made), {"photos": MOST_PHOTOS, "gigabytes": MOST_GIGABYTES, "hours": MOST_HOURS})


def _agree_on(made: CollectionPlan, collecting: CollectConfig, config: BuildConfig, agree: Agree | None) -> None:
    """Ask about a large plan, and again only where another wish costs more than what was agreed to."""
    path, settings = config.project / "build.json", collecting.as_json()
    wish = {
        "classes": {one.class_id: sorted({each.keyword for each in one.keywords}) for one in made.classes},
        **{key: settings[key] for key in _OF_THE_PRICE},
    }
    # A source that could not be asked is what `collect` will name, with the remedy.
    if config.yes or made.not_asked or not is_large(made):
        return
    cost, agreed = _cost(made), read_json(path, "what was agreed to") if path.exists() else {}
    most: _Cost | None = agreed.pop("cost", None)
    # What sites say they have changes from day to day, so the same wish is agreed to whatever it costs by now.
    if most is not None and (agreed == wish or not _exceeds(cost, most)):
        return
    if most is not None or not _was_agreed_to(agreed, wish):
        _ask(made, agree)
    largest = {key: max(one, (most or cost)[key], key=_or_endless) for key, one in cost.items()}
    write_json(path, {**wish, "cost": largest})


def _ask(made: CollectionPlan, agree: Agree | None) -> None:
    """Raises `ConfigError` where nobody agrees."""
    if agree is None:
        raise ConfigError(
            f"--yes: the plan is large ({price(made)}); add --yes to start it, or ask for less with --per-class"
        )
    if not agree(f"This is a large plan: {price(made)}. Start it?"):
        raise ConfigError(
            "--per-class: nothing was downloaded; ask for fewer photos with it, or for fewer classes"
        )


def _was_agreed_to(agreed: Mapping[str, Any], wish: Mapping[str, Any]) -> bool:
    """Whether what earlier versions wrote, without a cost, covers a wish: the same classes, and no more photos."""
    classes, most = agreed.get("classes"), agreed.get("per_class") or inf
    is_same = classes == (wish["classes"] if isinstance(classes, dict) else list(wish["classes"]))
    return is_same and (wish["per_class"] or inf) <= most


def run_stages(
    stages: Stages, *, api_key: str | None = None, then: Callable[[RunDirectory], None] | None = None
) -> Built:
    """Collect, curate, train, evaluate where there is a test set, and report.

    `then` is called with the finished run before the report is made. Raises what the stages raise, and `DataError`
    where a collection has nothing to go on with.
    """
    project = stages.collect.project
    counts = collect(stages.collect, api_key=api_key)
    with Catalogue(catalogue_path(project)) as catalogue:
        for line in [*failure_lines(catalogue, counts["fetched"]), *incomplete_lines(catalogue)]:
            note(line)
        asked = tuple(one.class_id for one in catalogue.classes())
    if problem := problem_of(counts):
        raise DataError(f"{project}: {problem}")
    manifest = curate(stages.curate, make_features)
    for warning in manifest.warnings():
        note(warning)
    run = train(stages.train, make_epoch_evaluator, find_copies)
    if stages.train.test is not None:
        evaluate(stages.evaluate.model_copy(update={"run": run.path}))
    if then is not None:
        then(run)
    report = stages.report.model_copy(update={"run": run.path})
    measure = Measure(add_own_probe if report.probe else None, add_label_evidence if report.labels else None)
    return Built(project, counts, asked, manifest, run.read(), build_report(report, measure))


def describe(built: Built) -> list[str]:
    """Ten lines that a person understands; with a test set, its accuracies in place of what the holdout says."""
    test = built.run.summary.test
    measured = test_lines(test) if test else [*holdout_lines(built.run), suspect_line(built.run, built.project)]
    return [
        *collection_lines(built.manifest, built.counts, built.asked),
        doubts_line(built.run),
        epoch_line(built.run.summary),
        *measured,
        f"report        {built.report}",
    ]

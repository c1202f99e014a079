"""The stages as functions, for scripts and notebooks: what the verbs of the command line call as well.

Each takes what a person has at hand, and the settings of its verb as keyword arguments, with the same names,
defaults, checks and one-line errors; ``config=FILE`` reads settings from a file, over which keyword arguments win.
A setting that may be given several times takes a list. Where a setting names a place under another folder (`test`
of `train`), a text is taken from that folder, and a `pathlib.Path` from where the program runs.

Done in a notebook, in a script or in a thread, all of it can be stopped by Ctrl-C, and the same call goes on.
"""

from __future__ import annotations

import functools
import logging
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, get_args, get_origin

from rawlabel.config import (
    BuildConfig,
    CollectConfig,
    CurateConfig,
    EvaluateConfig,
    ExportConfig,
    ExportModelConfig,
    PredictConfig,
    ReportConfig,
    Section,
    TrainConfig,
    load_section,
    load_training,
)
from rawlabel.config.declaring import MAX_MEGAPIXELS
from rawlabel.errors import ConfigError, Interrupted

if TYPE_CHECKING:
    from rawlabel.artifacts.manifest import Manifest
    from rawlabel.artifacts.projects import Project
    from rawlabel.artifacts.run import Run
    from rawlabel.artifacts.run_records import Measurement
    from rawlabel.config.declaring import Device, Precision
    from rawlabel.models.classifier import Classifier
    from rawlabel.models.predict import Prediction

CLASS_LIST = "collect_classes.json"
"""The classes of a collection that were given as names, beside `collect.json`, its settings."""


class HasPath(Protocol):
    """A project, manifest or run, which knows where it lies."""

    @property
    def path(self) -> Path:
        """The folder or file in which the artifact lies."""


Place = str | Path | HasPath
"""A path, or an artifact that lies at one."""
Classes = str | Path | Iterable[str] | Mapping[str, Iterable[str] | str]
SectionType = TypeVar("SectionType", bound=Section)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _stopped_as_python_is(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Ctrl-C ends a function as it ends others, though it was held back until the work was safe."""

    @functools.wraps(function)
    def called(*arguments: Arguments.args, **settings: Arguments.kwargs) -> Result:
        try:
            return function(*arguments, **settings)
        except Interrupted as interruption:
            if interruption.signal_number == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise

    return called


@_stopped_as_python_is
def build(
    names: str | Path | Iterable[str],
    project: Place = "project",
    *,
    api_key: str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Make a classifier of class names, or of a class file: plan, collect, curate, train, report; return its run.

    Since it takes long, it shows what the command shows, on the standard error, or where `logging` was told to put
    the messages of `rawlabel`: the price of the plan, doubtful names, progress, and what came of it. A log of the
    program, as by ``logging.basicConfig(filename=...)``, gets what its level takes (warnings by default) as well.
    With ``quiet=True`` it shows warnings alone. The functions of the stages show warnings, and on a terminal
    progress.

    A large plan needs ``yes=True``. Settings: `rawlabel build --help`, such as ``contact="you@example.org"``;
    those of a stage are a mapping under its name, as in a settings file: ``train={"epochs": 20}``.
    Raises what the functions of the stages raise, and `ConfigError` for a large plan that nobody agreed to.
    """
    from rawlabel.base import messages, progress
    from rawlabel.chain.build import build as run_build
    from rawlabel.chain.build import describe

    given = (str(names),) if isinstance(names, str | Path) else tuple(names)
    config = _settings(BuildConfig, settings, names=given, project=_path(project))
    was_shown = progress.show(not quiet)
    try:
        with messages.on_stderr_unless_routed(logging.WARNING if quiet else logging.INFO):
            built = run_build(config, api_key=api_key)
            for line in describe(built):
                messages.inform(line)
    finally:
        progress.show(was_shown)
    return built.run


@_stopped_as_python_is
def collect(
    classes: Classes | None = None, project: Place = "project", *, api_key: str | None = None, **settings: Any
) -> Project:
    """Search photo sites for the classes and download what they return into the folder `project`.

    `classes` are names, each its own keyword; a mapping of class ids to keywords; or the path of a class file.
    Names are written to `collect_classes.json` in the project. Without `classes` the sources bring their own
    (``source="folder", input=FOLDER``). `api_key` takes the place of the key in a source's environment variable.
    Settings: `rawlabel collect --help`, such as ``source="flickr"`` and ``per_class=200``.

    Raises `ClassFileError`, `ConfigError`, `SourceError`, `DataError` and `DiskError`.
    """
    from rawlabel.artifacts.projects import Project
    from rawlabel.gather.collect.stage import collect as run_collect

    folder = _path(project)
    given = _settings(CollectConfig, settings, project=folder)
    if classes is not None:
        given = given.model_copy(update={"classes": _class_file(classes, folder)})
    run_collect(given, api_key=api_key)
    return Project(folder)


@_stopped_as_python_is
def curate(project: Place = "project", **settings: Any) -> Manifest:
    """Decide about every photo that was found, and freeze the decisions in a manifest, the project's newest.

    No label is edited. Settings: `rawlabel curate --help`, such as ``holdout=0.1`` and ``conflicts="keep-both"``.
    Raises `DataError` when nothing was collected or no photo is left, `ConfigError` and `DiskError`.
    """
    from rawlabel.gather.curate.stage import curate as run_curate

    return run_curate(_settings(CurateConfig, settings, project=_path(project)), _make_features)


def _make_features(config: CurateConfig, names: Sequence[str]) -> None:
    from rawlabel.models.transfer.for_curating import make_features

    make_features(config, names)


@_stopped_as_python_is
def train(data: Place | None = None, **settings: Any) -> Run:
    """Train on raw labels, select an epoch without a clean label, and return the run.

    `data` is a project, a manifest, or images with labels in another format that `rawlabel formats` lists, such as
    a folder of class folders; its runs lie in `runs` of the project, or beside the images, unless `outpath` says
    otherwise. An interrupted run goes on, and a finished one is returned. Settings: `rawlabel train --help`, such
    as ``model="resnet18"``, ``epochs=30``, ``stop="patience"``, ``test=Path("clean")``.

    Raises `ConfigError`, `DataError`, `CheckpointError`, `PluginError` and `DiskError`.
    """
    from rawlabel.judge.evaluate.left_out import find_copies
    from rawlabel.judge.evaluate.stage import make_epoch_evaluator
    from rawlabel.models.device import has_gpu
    from rawlabel.models.method import heeds_weights
    from rawlabel.training.stage import train as run_train

    file, flags = _file_and_flags(TrainConfig, settings, **_root_and_main(data))
    given = load_training(file, flags, has_gpu, heeds_weights)
    return run_train(given, make_epoch_evaluator, find_copies).read()


@_stopped_as_python_is
def evaluate(run: Place, test: Path | str | None = None, **settings: Any) -> Measurement:
    """Measure a run on `test`, class folders with clean labels, by default the test set that the run logged.

    Returns what the summary of the run has under `test`: the number of `images`, and for the epochs `selected`,
    `last` and, where it is known, `oracle` their `top1` accuracy [percent] with its interval. The evidence is
    written into the run directory, and so is that the test set was opened. Settings: `rawlabel evaluate --help`.
    Raises `ConfigError`, `DataError`, `CheckpointError` and `DiskError`.
    """
    from rawlabel.judge.evaluate.stage import evaluate as run_evaluate

    measured = run_evaluate(_settings(EvaluateConfig, settings, run=_path(run), test=test)).test
    assert measured is not None
    return measured


def predict(run: Place, images: str | Path | Iterable[str | Path], **settings: Any) -> list[Prediction]:
    """Classify image files, and all images below folders: a path, a class and its probability each, best first.

    Settings: `rawlabel predict --help`, such as ``top=5``. For many calls, or for images in memory, `load` a run
    once. Raises `DataError` for the first image that cannot be read, `ConfigError` and `CheckpointError`.
    """
    from rawlabel.models.predict import predict as run_predict

    names = [images] if isinstance(images, str | Path) else list(images)
    given = _settings(PredictConfig, settings, run=_path(run), images=tuple(map(str, names)))
    return list(run_predict(given))


def load(
    run: Place,
    *,
    device: Device | None = None,
    precision: Precision = "auto",
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Classifier:
    """Load the classifier that a run has become; its `predict` takes paths, Pillow's images and arrays.

    A model that `export_model` wrote as ``safetensors`` or ``hub``, file or folder, is loaded as well. It
    computes on the run's own device unless one is named. Raises `DataError` for a folder that is no run,
    `ConfigError` for a run without a finished epoch, and `CheckpointError`.
    """
    from rawlabel.models.portable.loading import open_classifier

    return open_classifier(_path(run), device=device, precision=precision, max_megapixels=max_megapixels)


@_stopped_as_python_is
def report(project: Place = "project", **settings: Any) -> Path:
    """Write one self-contained HTML page about a collection and a run, and return its path.

    Settings: `rawlabel report --help`, such as ``run=...``, by default the newest run, and ``probe=False``.
    Raises `DataError` when nothing was curated or a file is damaged, `ConfigError` and `DiskError`.
    """
    from rawlabel.judge.evaluate.frozen_probe import add_own_probe
    from rawlabel.judge.label_evidence.of_runs import add_label_evidence
    from rawlabel.show.report.measuring import Measure
    from rawlabel.show.report.stage import build_report

    given = _settings(ReportConfig, settings, project=_path(project))
    return build_report(
        given, Measure(add_own_probe if given.probe else None, add_label_evidence if given.labels else None)
    )


@_stopped_as_python_is
def export(project: Place = "project", format: str = "class_folders", **settings: Any) -> Path:
    """Write the kept photos, or what is known of them, in a format that other tools read; return the folder.

    `project` may be a manifest. Settings: `rawlabel export --help`, such as ``out=FOLDER``; `rawlabel formats`
    lists the formats. Raises `PluginError` for an unknown format, `DataError`, `ConfigError` and `DiskError`.
    """
    from rawlabel.artifacts.manifest import Manifest
    from rawlabel.manifests.export import export as run_export

    place: dict[str, object] = {"project": _path(project), "format": format}
    if isinstance(project, Manifest):
        place |= {"project": project.project, "manifest": project.path}
    return run_export(_settings(ExportConfig, settings, **place))[0]


@_stopped_as_python_is
def export_model(run: Place, format: str = "safetensors", **settings: Any) -> Path:
    """Write the model of a run for other programs, prove that it answers as the run does, and return the folder.

    Formats: ``safetensors``, which `load` and `predict` take as they take a run, ``onnx``, ``hub`` and
    ``torchscript``. Settings: `rawlabel export-model --help`, such as ``out=FOLDER`` and ``int8=True``.
    Raises `ConfigError`, `PluginError`, `DataError` where the run's images are not at hand, `CheckpointError`
    where the export answers otherwise, and `DiskError`; nothing is left then.
    """
    from rawlabel.chain.export_model import export_model as run_export

    return run_export(_settings(ExportModelConfig, settings, run=_path(run), format=format)).out


def _path(place: Place) -> Path:
    return Path(place) if isinstance(place, str | Path) else place.path


def _settings(section: type[SectionType], settings: Mapping[str, Any], **own: Any) -> SectionType:
    """The settings of a verb. Raises `ConfigError` that names the setting as the command does."""
    return load_section(section, *_file_and_flags(section, settings, **own))


def _file_and_flags(
    section: type[Section], settings: Mapping[str, Any], **own: Any
) -> tuple[Path | None, Mapping[str, Any]]:
    """The settings file, and the settings as the command would hand them over as flags."""
    given = {**settings, **{key: value for key, value in own.items() if value is not None}}
    file = given.pop("config", None)
    return None if file is None else Path(file), {key: _plain(section, key, one) for key, one in given.items()}


def _plain(section: type[Section], key: str, value: Any) -> Any:
    """A value as the command would hand it over: artifacts as paths, one of several as several."""
    if hasattr(value, "path") and not isinstance(value, Path):
        value = value.path
    field = section.model_fields.get(key)
    if field is None:
        return value
    kinds = [field.annotation, *get_args(field.annotation)]
    if get_origin(field.annotation) is tuple and (isinstance(value, str) or not isinstance(value, Iterable)):
        return (value,)
    if isinstance(value, Path) and Path not in kinds:
        return str(value.absolute())
    return value


def _class_file(classes: Classes, project: Path) -> Path:
    """The file of the classes; names are written into the project. Raises `ClassFileError` and `ConfigError`."""
    from rawlabel.gather.classes.reading import class_spec, refuse_collisions
    from rawlabel.gather.classes.writing import write_classes

    if isinstance(classes, str | Path):
        return Path(classes)
    pairs = classes.items() if isinstance(classes, Mapping) else [(name, name) for name in classes]
    tables = [(name, [words] if isinstance(words, str) else list(words)) for name, words in pairs]
    specs = [class_spec("classes", name, words) for name, words in tables]
    refuse_collisions("classes", specs)
    if not specs:
        raise ConfigError("classes: lists no names; give at least one")
    path = project / CLASS_LIST
    write_classes(path, specs, force=True)
    return path


def _root_and_main(data: Place | None) -> dict[str, object]:
    """The settings `root` and `main` that `data` means."""
    from rawlabel.artifacts.manifest import Manifest
    from rawlabel.artifacts.project import export_path, is_project
    from rawlabel.images.input import is_address

    if data is None:
        return {}
    if isinstance(data, Manifest):
        return {"root": data.project, "main": str(data.path.absolute())}
    path = _path(data)
    if is_address(path):
        return {"main": str(path)}
    if is_project(path) or export_path(path).is_dir():
        return {"root": path}
    # Neither needs to be there: training says what is missing.
    return {"root": path.parent, "main": path.name} if path.exists() else {"root": path}

"""One command from class names to a report: it asks before it is dear, and goes on wherever it was stopped."""

from __future__ import annotations

import io
import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rawlabel as rl
from rawlabel import cli
from rawlabel.artifacts.manifest import newest_manifest
from rawlabel.artifacts.project import images_path
from rawlabel.base import messages
from rawlabel.base.files import write_json
from rawlabel.chain import build as chain
from rawlabel.chain.build import build
from rawlabel.config import BuildConfig, CollectConfig, PlanConfig, load_section
from rawlabel.errors import ConfigError
from rawlabel.gather.collect.plan import ClassPlan, CollectionPlan, KeywordPlan
from rawlabel_photo_site.local_site import LocalPhotoSite
from tests.helpers.pictures import photo, write_picture
from tests.helpers.processes import AtOpen, AtStep, forked

pytestmark = pytest.mark.integration
NAMES = ("one", "seven")
PER_CLASS = 30


@pytest.fixture(scope="module")
def site() -> Iterator[LocalPhotoSite]:
    with LocalPhotoSite(seed=2, per_class=PER_CLASS) as served:
        yield served


@pytest.fixture
def settings(site: LocalPhotoSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file with tables for the stages."""
    monkeypatch.setenv("FLICKR_API_KEY", "any word")
    path = tmp_path / "build.toml"
    path.write_text(
        f'[collect]\nsource = ["flickr"]\nbase_url = ["{site.base_url}"]\nallow_loopback = true\nimage_size = 64\n'
        '[curate]\nholdout = 0.3\n[train]\nepochs = 12\nprecision = "fp32"\nseed = 5\n[report]\nprobe = false\n'
    )
    return path


def test_from_names_to_a_report_killed_in_between_and_gone_on_with(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert cli.run(["build", *NAMES, "--project", str(whole), "--config", str(settings)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("asked for     2 classes by name: one, seven")
    assert f"found         {2 * PER_CLASS} search results" in lines[1]
    assert "photos look more like another class" in lines[4]
    assert "without clean labels" in lines[5]
    assert "held-out photos get their raw label" in lines[6] and "--test FOLDER" in lines[7]
    assert lines[8].startswith("look first at ")
    assert Path(lines[9].split()[-1]).read_text("utf-8").startswith("<!")
    assert "the plan: 2 classes" in err and f"next: rawlabel predict {whole}/runs/" in err
    first = lines[8].removeprefix("look first at ").split(" (")[0]
    assert Path(first).is_file()

    command = ("build", *NAMES, "--project", stopped, "--config", settings)
    downloading = AtOpen(6, images_path(stopped))
    assert forked(command, by_self=downloading, FLICKR_API_KEY="any word").code == -9
    assert not (stopped / "runs").exists()
    ended = forked(command, by_self=AtStep(7, signal.SIGTERM), FLICKR_API_KEY="any word")
    assert ended.code == 143 and "the same command goes on" in ended.err
    ended = forked(command, FLICKR_API_KEY="any word")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[:8] == lines[:8]
    [log], [again] = (list((one / "runs").glob("*/log.json")) for one in (whole, stopped))
    assert log.read_bytes() == again.read_bytes()
    manifests = [newest_manifest(one) for one in (whole, stopped)]
    assert manifests[0] is not None and manifests[1] is not None
    assert manifests[0].parent.name == manifests[1].parent.name


def test_a_large_plan_is_asked_about_once_and_without_a_terminal_refused(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "birds"
    monkeypatch.setattr(chain, "MOST_PHOTOS", 10)
    assert cli.run(["build", *NAMES, "--project", str(project), "--config", str(settings)]) == 2
    err = capsys.readouterr().err
    assert "--yes: the plan is large (2 classes, 60 photos" in err and not images_path(project).exists()

    config = load_section(BuildConfig, settings, {"names": NAMES, "project": project})
    asked: list[str] = []

    def answer(reply: bool) -> Any:
        return lambda question: asked.append(question) or reply

    started: list[object] = []
    monkeypatch.setattr(chain, "run_stages", lambda stages, **rest: started.append(stages))
    with pytest.raises(ConfigError, match="nothing was downloaded"):
        build(config, answer(False))
    assert not started
    build(config, answer(True))
    build(config, answer(False))
    assert len(asked) == 2 and len(started) == 2
    build(config.model_copy(update={"yes": True, "per_class": 25}))
    assert len(started) == 3


@pytest.fixture
def times_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Builds with changed settings, whose plan costs what they say, and returns how often a person was asked.

    `agrees` is None for a script, and `more` are photos that a site has got since.
    """
    calls = {"commons": 3, "openverse": 90, "flickr": 600}
    more = 0

    def large(config: PlanConfig, **_: Any) -> CollectionPlan:
        keywords = tuple(
            KeywordPlan(one, "robin", "robin", None, None, calls[one], 1, 1, is_truncated=False)
            for one in config.source
        )
        photos = None if config.per_class == 0 else 60 * config.per_class + more
        hours = {one: calls[one] / (config.calls_per_hour or 300) for one in config.source}
        size = config.image_size / 256
        return CollectionPlan((ClassPlan("robin", "robin", keywords, photos, size),), (), hours)

    monkeypatch.setattr(chain, "plan", large)
    monkeypatch.setattr(chain, "run_stages", lambda *_, **__: None)
    given = {"names": NAMES, "project": tmp_path / "birds", "source": ("commons",), "contact": "a@example.org"}

    def build_with(new: int = 0, *, is_script: bool = False, **changes: Any) -> int:
        nonlocal more
        asked: list[str] = []
        more = new
        agree = None if is_script else lambda question: not asked.append(question)  # type: ignore[func-returns-value]
        build(BuildConfig(**given | changes), agree)
        return len(asked)

    return build_with


def test_a_large_plan_is_asked_about_anew_where_it_costs_more(times_asked: Callable[..., int]) -> None:
    assert times_asked() == 1
    assert times_asked() == times_asked(contact="b@example.org", recipe="scratch") == times_asked(new=50) == 0
    for change in (
        {"source": ("openverse",)},  # more calls
        {"source": ("openverse",), "collect": {"calls_per_hour": 100}},  # as many, which take longer
        {"per_class": 700},
        {"collect": {"image_size": 512}},  # more bytes
        {"per_class": 0},  # as many as there are
    ):
        assert times_asked(**change) == 1 and times_asked(**change) == 0


def test_what_costs_no_more_than_what_was_agreed_to_is_not_asked_about(times_asked: Callable[..., int]) -> None:
    assert times_asked(source=("flickr",)) == 1
    assert times_asked(source=("flickr",), collect={"calls_per_hour": 3000}) == 0
    assert times_asked(source=("flickr",), collect={"image_size": 128}) == 0
    # From one site to a cheaper one, and back.
    for source in ("commons", "flickr", "commons", "flickr"):
        assert times_asked(source=(source,)) == 0
    # To a dearer wish, and back.
    assert times_asked(source=("flickr", "commons")) == 1
    assert times_asked(source=("commons",)) == times_asked(source=("flickr", "commons"), is_script=True) == 0


@pytest.mark.parametrize("classes", [["robin"], {"robin": ["robin"]}], ids=["ids", "keywords"])
def test_what_was_agreed_to_with_an_earlier_version_holds(
    classes: object, times_asked: Callable[..., int], tmp_path: Path
) -> None:
    def as_before(**changes: object) -> None:
        write_json(tmp_path / "birds" / "build.json", {"classes": classes, "per_class": 500, **changes})

    as_before()
    assert times_asked(is_script=True, source=("openverse",)) == 0
    # From now on with its cost.
    assert times_asked(is_script=True) == 0 and times_asked(source=("flickr",)) == 1
    for other in ({"per_class": 400}, {"classes": ["wren"]}, {"classes": {"robin": ["redbreast"]}}):
        as_before(**other)
        with pytest.raises(ConfigError, match="--yes: the plan is large"):
            times_asked(is_script=True)
    as_before(per_class=None)
    assert times_asked(is_script=True) == 0


def test_each_stage_takes_its_settings_from_its_table_and_flags_win(settings: Path, tmp_path: Path) -> None:
    flags = {"names": NAMES, "project": tmp_path / "birds", "contact": "a@example.org", "per_class": 7}
    stages = chain.settle(load_section(BuildConfig, settings, flags))
    assert (stages.collect.per_class, stages.collect.image_size, stages.collect.contact) == (
        7,
        64,
        "a@example.org",
    )
    assert stages.curate.holdout == 0.3 and not stages.report.probe
    assert (stages.train.epochs, stages.train.recipe, stages.train.weighing) == (12, "transfer", "soft")
    assert {stages.collect.project, stages.curate.project, stages.train.root} == {tmp_path / "birds"}


@pytest.mark.parametrize(
    ("training", "recipe"),
    [("", "finetune"), ("device = 'cuda'", "finetune"), ("device = 'cpu'", "transfer"),
     ("model = 'resnet18'", "paper"), ("recipe = 'scratch'", "scratch")],
)  # fmt: skip
def test_the_usual_recipe_is_that_of_train(
    training: str, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "has_gpu", lambda: True)
    path = tmp_path / "build.toml"
    path.write_text(f"[collect]\nsource = ['openverse']\n[train]\n{training}\n", "utf-8")
    stages = chain.settle(load_section(BuildConfig, path, {"names": NAMES, "project": tmp_path / "birds"}))
    assert stages.train.recipe == recipe


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[collect]\nper_clas = 3", "per_clas: unknown setting; did you mean 'per_class'"),
        ("[train]\nepochs = -1", "epochs: "),
        ("[colect]\nper_class = 3", "unknown section 'colect'; did you mean 'collect'"),
        ("train = 3", "train: should be a table with the settings of `rawlabel train`"),
    ],
)
def test_a_wrong_table_is_told_with_the_file(
    table: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "build.toml"
    path.write_text(table)
    assert cli.run(["build", *NAMES, "--project", str(tmp_path / "birds"), "--config", str(path)]) == 2
    err = capsys.readouterr().err
    assert str(path) in err and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "NAMES: name the classes"),
        (["robin"], "NAMES: a classifier tells two classes or more apart"),
        (["robin", "{file}"], "is a file; name a class file alone"),
        (["robin", "wren"], "--contact: commons asks for"),
        (["robin", "wren", "--contact", "a@example.org", "--test", "nowhere"], "--test: nowhere is no folder"),
        (
            ["robin", "wren", "--contact", "a@example.org", "--test", "{test}"],
            "has class 'owl', which is not among",
        ),
        (["robin", "wren", "--recipe", "transfr"], "--recipe: no such recipe; did you mean 'transfer'"),
        (["nowhere.txt"], "nowhere.txt: no such file"),
        (["robin", "--projet", "birds"], "`rawlabel build --help` shows what it takes"),
    ],
)
def test_what_cannot_be_built_is_told_before_anything_is_made(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "classes.txt").write_text("robin\nwren\n")
    for name in ("owl", "robin", "wren"):
        write_picture(tmp_path / "test" / name / "a.jpg", photo(0))
    given = [one.format(file=tmp_path / "classes.txt", test=tmp_path / "test") for one in arguments]
    assert cli.run(["build", *given, "--project", str(tmp_path / "birds")]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (tmp_path / "birds").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[train]\nmethod = "gcee"', "no method is called 'gcee'; did you mean 'gce'"),
        ('[train]\nstop = "nosy_holdout"', "did you mean 'noisy_holdout'"),
        ('[train]\nstop_option = ["windw=3"]', "--stop-option"),
        ('[train]\nencoder = "efficientnet_lite9"', "--encoder"),
        ('[train]\nweights = "nowhere.pth"', "--weights nowhere.pth: efficientnet_lite0 has weights of its own"),
        ("[curate]\nholdout = 0", "[curate] holdout: is 0"),
        ('[evaluate]\ntest = "test"', "[evaluate] test: name the test set of a build with --test"),
        ("[labels]\nnonsense = 1", "nonsense: unknown setting"),
        ('[train]\nrecipe = "transfer"\nimage_size = 64', "build.toml: image_size: is about a network that is"),
    ],
)
def test_what_a_later_stage_would_refuse_is_told_before_anything_is_collected(
    table: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "build.toml"
    path.write_text(table)
    given = ["robin", "wren", "--contact", "a@example.org", "--config", str(path)]
    assert cli.run(["build", *given, "--project", str(tmp_path / "birds")]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (tmp_path / "birds").exists()


def test_a_class_that_nothing_was_kept_of_is_named_in_the_first_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, color in (("robin", 0), ("wren", 120)):
        for i in range(12):
            write_picture(tmp_path / "photos" / name / f"{i}.png", photo(12 * color + i))
    given = [
        "robin",
        "wren",
        "owl",
        "--source",
        "folder",
        "--input",
        str(tmp_path / "photos"),
        "--recipe",
        "transfer",
    ]
    assert cli.run(["build", *given, "--project", str(tmp_path / "birds"), "-q"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "asked for     3 classes by name: robin, wren, owl; nothing was kept for owl"


@pytest.mark.parametrize("quiet", [False, True])
def test_a_build_in_python_shows_what_the_command_shows(
    quiet: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("robin", "wren"):
        write_picture(tmp_path / "photos" / name / "a.png", photo(len(name)))
    monkeypatch.setattr(chain, "run_stages", lambda *_, **__: SimpleNamespace(run="the run"))
    monkeypatch.setattr(chain, "describe", lambda built: [f"made {built.run}"])
    given: dict[str, Any] = {"project": tmp_path / "birds", "source": "folder", "input": tmp_path / "photos"}
    assert rl.build(["robin", "wren"], quiet=quiet, **given) == "the run"  # type: ignore[comparison-overlap]
    said = capsys.readouterr().err
    assert ("note: the plan: 2 classes" in said) is not quiet
    assert ("made the run" in said) is not quiet
    assert ("asking: 2/2" in said) is not quiet

    # A program that has said where messages go gets them there, and there alone.
    logger, taken = logging.getLogger("rawlabel"), io.StringIO()
    handler = logging.StreamHandler(taken)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        rl.build(["robin", "wren"], quiet=quiet, **given)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert "the plan: 2 classes" in taken.getvalue() and not capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [([], "--input: name the folder"), (["--input", "nowhere"], "--input nowhere: is no folder; name the one")],
)
def test_photos_of_a_folder_are_asked_for_by_the_flag_that_the_line_names(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["robin", "wren", "--source", "folder", *flags, "--project", str(tmp_path / "birds")]
    assert cli.run(["build", *given]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    config = BuildConfig(names=NAMES, project=tmp_path / "b", source=("folder",), input=tmp_path)
    assert chain.settle(config).collect.input == tmp_path
    # What is there already is all taken; a number holds, and so does the limit of what is downloaded.
    assert chain.settle(config).collect.per_class == 0
    assert chain.settle(config.model_copy(update={"per_class": 7})).collect.per_class == 7
    assert CollectConfig(source=("folder", "urls"), input=tmp_path).per_class == CollectConfig().per_class == 500


def test_a_site_that_failed_on_the_way_is_told_with_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def keyword(asked: int) -> KeywordPlan:
        return KeywordPlan("commons", "robin", "robin", None, None, 3, asked, 1, is_truncated=False)

    for asked in (0, 1):
        made = CollectionPlan(
            (ClassPlan("robin", "robin", (keyword(asked),), None, None),),
            (),
            {"commons": 0.0},
            {"commons": "is away"},
        )
        monkeypatch.setattr(chain, "plan", lambda *_, made=made, **__: made)
        with messages.on_stderr():
            chain._plan(CollectConfig(project=tmp_path), None)
        err = capsys.readouterr().err
        assert ("commons was not asked to the end: is away" in err) is bool(asked)
        assert ("the plan: " in err) is bool(asked)


def test_a_site_without_its_key_is_one_line_and_no_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FLICKR_API_KEY", raising=False)
    given = ["build", "robin", "barn owl", "--source", "flickr", "--contact", "a@example.org"]
    assert cli.run([*given, "--project", str(tmp_path / "birds")]) == 2
    err = capsys.readouterr().err
    assert "set the environment variable FLICKR_API_KEY" in err and err.count("\n") == 1

"""`import rawlabel as rl`: what a person does in ten lines of Python, and that it says what the command says."""

from __future__ import annotations

import inspect
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rawlabel as rl
from rawlabel import cli, plugins
from rawlabel.models.classifier import Guess
from tests.helpers.tiny_training import CLASSES, make_class_folders

TINY = {"model": "cifar_resnet8", "image_size": 16, "batch_size": 16, "lr": 0.02, "seed": 7, "device": "cpu"}


@pytest.mark.parametrize(("module", "name"), [(one, name) for one in (rl, plugins) for name in one.__all__])
def test_each_public_name_is_there_and_says_what_it_is(module: object, name: str) -> None:
    found = getattr(module, name)
    assert isinstance(found, str) or inspect.getdoc(found)


def test_a_misspelt_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'colect'"):
        rl.colect  # noqa: B018


def test_importing_the_package_loads_neither_networks_nor_settings() -> None:
    heavy = ("torch", "numpy", "pydantic")
    script = f"import rawlabel, rawlabel.plugins, sys; print([one for one in {heavy} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_no_room_has_the_name_of_a_function() -> None:
    rooms = {one.name for one in pkgutil.iter_modules(rl.__path__)}
    assert not rooms & set(rl.__all__)
    assert list(inspect.signature(rl.train).parameters) == ["data", "settings"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rl.collect(["owl"], "p", per_clas=3), r"--per-clas: unknown setting; did you mean 'per_class'\?"),
        (
            lambda: rl.collect(["owl"], "p", per_class=-1),
            "--per-class: input should be greater than or equal to 0",
        ),
        (lambda: rl.collect(["owl", "Owl"], "p"), "classes: classes 'owl' and 'Owl' would share one folder"),
        (lambda: rl.build(["owl"], "p"), "NAMES: a classifier tells two classes or more apart"),
        (lambda: rl.collect([], "p"), "classes: lists no names"),
        (lambda: rl.collect({"owl": []}, "p"), "classes: class 'owl' has no keyword"),
        (lambda: rl.collect("none.txt", "p"), "none.txt: no such file; write one class name a line into it"),
        (lambda: rl.collect(["owl"], "p", source="flikr"), "no source is called 'flikr'; did you mean 'flickr'"),
        (lambda: rl.curate("p"), "p/catalogue.sqlite: no catalogue here"),
        (lambda: rl.train("p", epochs="many"), "--epochs: input should be a valid integer"),
        (lambda: rl.train("p", config="none.json"), "none.json: cannot be read"),
        (lambda: rl.evaluate("p"), "p: is no run directory"),
        (lambda: rl.load("p"), "p: is no run directory"),
        (lambda: rl.predict("p", "a.jpg"), "p: is no run directory"),
        (lambda: rl.report("p"), "p"),
        (lambda: rl.export("p", "zip"), "no format is called 'zip'"),
    ],
)
def test_mistakes_are_one_line_of_the_error_tree(
    call: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rl.RawlabelError, match=message) as raised:
        call()  # type: ignore[operator]
    assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rl.Run]:
    root = tmp_path_factory.mktemp("api")
    make_class_folders(root / "photos", 12, 1)
    make_class_folders(root / "clean", 4, 2)
    yield rl.train(root / "photos", epochs=1, test=root / "clean", **TINY)


@pytest.mark.integration
def test_class_folders_become_a_run_beside_them_and_the_same_call_finds_it(run: rl.Run) -> None:
    root = run.path.parents[1]
    assert run.path.parent == root / "runs"
    before = (run.path / "log.json").stat().st_mtime_ns
    assert rl.train(root / "photos", epochs=1, test=root / "clean", **TINY).path == run.path
    assert (run.path / "log.json").stat().st_mtime_ns == before
    assert [one.path for one in rl.Project(root).runs()] == [run.path]
    measured = rl.evaluate(run)
    assert measured.images == 12
    assert 0 <= measured.selected.top1.accuracy <= 100


def pictures(folder: Path) -> list[Path]:
    """One picture in the forms in which cameras and programs store it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    large = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize((160, 120))
    turned = Image.Exif()
    turned[274] = 6
    large.save(folder / "plain.png")
    large.save(folder / "photo.jpg", quality=90)
    large.save(folder / "turned.jpg", quality=90, exif=turned)
    large.convert("L").save(folder / "grey.png")
    large.convert("P").save(folder / "palette.gif")
    Image.fromarray(rng.integers(0, 65535, (40, 50), dtype=np.uint16)).save(folder / "deep.png")
    return sorted(folder.iterdir())


def assert_same(found: list[Guess], expected: list[Guess], within: float) -> None:
    assert [one.class_id for one in found] == [one.class_id for one in expected]
    assert [one.probability for one in found] == pytest.approx([one.probability for one in expected], abs=within)


@pytest.mark.integration
def test_paths_pillow_and_arrays_get_the_answers_of_the_command(
    run: rl.Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = pictures(tmp_path / "pictures")
    classifier = rl.load(run)
    by_path = classifier.predict(paths, top=3)
    assert [{guess.class_id for guess in one} for one in by_path] == [set(CLASSES)] * len(paths)
    assert all(sum(guess.probability for guess in one) == pytest.approx(1) for one in by_path)
    assert classifier.predict([str(path) for path in paths], top=3) == by_path
    for path, expected in zip(paths, by_path, strict=True):
        # By itself a picture is in a smaller batch, whose sums are rounded otherwise.
        assert_same(classifier.predict(path, top=3), expected, 1e-5)

    opened = [Image.open(path) for path in paths]
    for expected, found in zip(by_path, classifier.predict(opened, top=3), strict=True):
        # Pillow and OpenCV may differ by a grey level where a JPEG's colors are made larger.
        assert_same(found, expected, 0.01)
    for image in opened:
        image.close()
    exact = [path for path in paths if path.suffix == ".png" and path.stem != "deep"]
    arrays = [np.asarray(Image.open(path)) for path in exact]
    assert classifier.predict(arrays, top=3) == [by_path[paths.index(path)] for path in exact]

    flat = [guess for one in by_path for guess in one]
    listed = rl.predict(run, tmp_path / "pictures", top=3)
    assert [(one.class_id, one.probability) for one in listed] == [(g.class_id, g.probability) for g in flat]
    assert cli.run(["predict", str(run.path), str(tmp_path / "pictures"), "--top", "3"]) == 0
    rows = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert [row[1:] for row in rows] == [[g.class_id, f"{g.probability:.4f}"] for g in flat]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("gone.png", r"gone.png: cannot be read \(No such file or directory\); check the path"),
        (np.zeros((4, 4, 3)), r"image 0: is float64 \[4, 4, 3\]; give uint8 \[height, width, 3\] in RGB"),
        (np.zeros((3, 4, 4), np.uint8), r"image 0: is uint8 \[3, 4, 4\]; give"),
        (np.zeros((0, 4, 3), np.uint8), r"image 0: is uint8 \[0, 4, 3\]; give"),
        (Image.new("1", (30_000, 30_000)), "image 0: has 30,000 x 30,000 pixels.*raise the limit"),
    ],
    ids=["path", "float", "channels first", "empty", "large"],
)
def test_an_image_that_cannot_be_used_is_named(run: rl.Run, image: object, message: str) -> None:
    with pytest.raises(rl.DataError, match=message):
        rl.load(run).predict(image)  # type: ignore[call-overload]


@pytest.mark.integration
def test_names_become_a_project_a_manifest_and_what_is_shared(tmp_path: Path) -> None:
    with rl.PhotoSite(per_class=12, noise=0.25) as site:
        project = rl.collect(["one", "seven"], tmp_path / "digits", image_size=64, **site.access)
    assert [one.class_id for one in project.classes()] == ["one", "seven"]
    assert (project.path / "collect_classes.json").is_file()
    assert project.manifest() is None
    manifest = rl.curate(project, holdout=0.2)
    assert manifest.fingerprint == project.manifest().fingerprint
    assert manifest.funnel.total.found == project.counts()["label_events"] == 24
    assert rl.report(project, probe=False) == project.path / "report.html"
    folder = rl.export(manifest, out=tmp_path / "folders")
    assert sorted(one.name for one in folder.iterdir() if one.is_dir()) == ["one", "seven"]
    with pytest.raises(rl.ConfigError, match="is not served now"):
        _ = site.base_url


def test_what_a_run_says_of_its_labels_and_its_head_is_typed_or_one_line(tmp_path: Path) -> None:
    mean = {"mean": 80.0, "standard_error": 2.5}
    tried = {"text": "a head", "settings": {"hidden": 0}, "accuracy": mean, "loss": mean, "above": mean}
    choice = {"data": "d", "given": [], "photos": 120, "folds": 5, "chosen": 1, "candidates": [tried, tried]}
    evidence = {
        "held_out_photos": 120,
        "runs": 1,
        "confusions": [{"given": "owl", "preferred": "hawk", "photos": 7, "of": 40}],
        "ambiguous_classes": [{"class": "owl", "signature": "none", "sibling": None, "lost": 0.25}],
        "of a later version": 1,
    }
    run = rl.Run(tmp_path)
    assert (run.head_choice, run.probes, run.label_evidence) == (None, (), None)
    (tmp_path / "choice.json").write_text(json.dumps(choice))
    (tmp_path / "label_evidence.json").write_text(json.dumps(evidence))
    run = rl.Run(tmp_path)
    assert run.head_choice is not None and run.label_evidence is not None
    assert run.head_choice.best.accuracy.mean == 80.0
    assert [(one.given, one.photos, one.of) for one in run.label_evidence.confusions] == [("owl", 7, 40)]
    assert run.label_evidence.ambiguous_classes[0].class_id == "owl"
    with pytest.raises(ValueError, match="frozen"):
        run.head_choice.photos = 1
    (tmp_path / "choice.json").write_text(json.dumps(choice | {"chosen": 2}))
    with pytest.raises(rl.RawlabelError, match=r"choice\.json: the whole is not as expected .*chosen"):
        _ = rl.Run(tmp_path).head_choice

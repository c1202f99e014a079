"""Bad input and bad luck, as a user meets them: one line, exit code 2, and what was there stays as it was."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import CurateConfig, PhotoSiteConfig
from rawlabel.gather.curate.stage import curate
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.collected_project import make_project
from tests.helpers.tiny_training import make_class_folders
from tests.helpers.wire import NOBODY

pytestmark = pytest.mark.integration

TRAIN = ("--model", "cifar_resnet8", "--image-size", "16", "--epochs", "1", "--batch-size", "16", "--seed", "0")


@pytest.fixture(scope="module")
def site() -> Iterator[RunningSite]:
    with running(PhotoSite.build(PhotoSiteConfig(per_class=20, api_key="right"), NO_FAULTS)) as served:
        yield served


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with class folders, a test set and a finished run."""
    root = tmp_path_factory.mktemp("finished")
    make_class_folders(root / "candidate", 20, 1)
    make_class_folders(root / "test", 4, 2)
    assert cli.run(["train", "--root", str(root), "--test", "test", "--outpath", str(root / "run"), *TRAIN]) == 0
    return root


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def fails_in_one_line(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    code = cli.run([str(one) for one in arguments])
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert code == 2
    assert "Traceback" not in " ".join(lines)
    assert sum(line.startswith("rawlabel: ") for line in lines) == 1
    assert lines[-1].startswith("rawlabel: ")
    return lines[-1]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "classes.json: no such file"),
        ("", "classes.json: lists no classes"),
        ('{"three": []}', "class 'three' has no keyword; add at least one"),
        ('{"../x": ["three"]}', "class '../x' cannot be a folder name"),
    ],
)
def test_a_class_file(
    capsys: pytest.CaptureFixture[str], site: RunningSite, tmp_path: Path, content: str | None, named: str
) -> None:
    if content is not None:
        (tmp_path / "classes.json").write_text(content)
    before = snapshot(tmp_path)
    arguments = ("collect", tmp_path / "classes.json", "--project", tmp_path / "p", "--base-url", site.base_url,
        "--source", "flickr", "--allow-loopback")  # fmt: skip
    assert named in fails_in_one_line(capsys, *arguments)
    assert snapshot(tmp_path) == before


def collected(capsys: pytest.CaptureFixture[str], address: str, folder: Path, key: str | None = "right") -> str:
    (folder / "classes.txt").write_text("three\nfour\n")
    os.environ.pop("FLICKR_API_KEY", None)
    if key:
        os.environ["FLICKR_API_KEY"] = key
    try:
        return fails_in_one_line(
            capsys, "collect", folder / "classes.txt", "--project", folder / "p", "--base-url", address,
            "--source", "flickr", "--allow-loopback", "--attempts", "1",
        )  # fmt: skip
    finally:
        os.environ.pop("FLICKR_API_KEY", None)


def test_a_site_that_is_away_or_refuses(
    capsys: pytest.CaptureFixture[str], site: RunningSite, tmp_path: Path
) -> None:
    assert f"{NOBODY}: cannot be reached" in collected(capsys, NOBODY, tmp_path)
    assert "refuses the API key" in collected(capsys, site.base_url, tmp_path, key="wrong")
    assert "set the environment variable FLICKR_API_KEY" in collected(capsys, site.base_url, tmp_path, key=None)
    assert "is not an http or https address" in collected(capsys, "ftp://127.0.0.1", tmp_path)


def test_a_collection_survives_a_failing_second_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    with Catalogue(catalogue_path(project)) as catalogue:
        before = catalogue.fingerprint()
    (tmp_path / "classes.txt").write_text("owl\n")
    os.environ["FLICKR_API_KEY"] = "k"
    named = fails_in_one_line(
        capsys, "collect", tmp_path / "classes.txt", "--project", project, "--contact", "you@example.org"
    )
    del os.environ["FLICKR_API_KEY"]
    assert "class 'robin', which the class file does not list" in named
    with Catalogue(catalogue_path(project)) as catalogue:
        assert catalogue.fingerprint() == before


def spoil_test_classes(root: Path) -> None:
    (root / "test" / "red").rename(root / "test" / "violet")


def spoil_class(root: Path) -> None:
    for path in (root / "candidate" / "red").iterdir():
        path.unlink()


def spoil_checkpoint(root: Path) -> None:
    path = root / "run" / "checkpoints" / "selected.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("spoil", "verb", "named"),
    [
        (spoil_test_classes, "train", "class 'violet' is not among the training classes; leave it out"),
        (spoil_class, "train", "red: holds no images; add some or remove the folder"),
        (spoil_test_classes, "evaluate", "class 'violet' is not among the training classes"),
        (spoil_checkpoint, "evaluate", "selected.safetensors: is damaged or no checkpoint; remove it"),
        (spoil_checkpoint, "predict", "selected.safetensors: is damaged or no checkpoint; remove it"),
    ],
)
def test_a_spoilt_folder(
    capsys: pytest.CaptureFixture[str],
    finished: Path,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    verb: str,
    named: str,
) -> None:
    import shutil

    root = shutil.copytree(finished, tmp_path / "copy")
    spoil(root)
    before = snapshot(root)
    arguments = {
        "train": ("train", "--root", root, "--test", "test", "--outpath", root / "new", *TRAIN),
        "evaluate": ("evaluate", root / "run", "--test", root / "test"),
        "predict": ("predict", root / "run", root / "test"),
    }[verb]
    assert named in fails_in_one_line(capsys, *arguments)
    assert snapshot(root) == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("evaluate", "nowhere"), "nowhere: is no run directory"),
        (("predict", "nowhere", "x.jpg"), "nowhere: is no run directory"),
        (("predict", "{run}", "absent.jpg"), "absent.jpg: no such image or folder"),
        (("curate", "nowhere"), "no catalogue here; run `rawlabel collect` first"),
        *(
            ((verb, "{project}"), "is a project and no run; run `rawlabel train")
            for verb in ("evaluate", "watch", "probe")
        ),
        *(((verb, "{run}"), "is a run and no project; name the project") for verb in ("review", "report")),
        (("export", "nowhere"), "run `rawlabel curate` first"),
        (("report", "nowhere"), "nowhere"),
        (("figures", "--results", "nowhere"), "nowhere"),
        (("train", "nowhere"), "unexpected extra argument (nowhere); `rawlabel train --help` shows what it takes"),
        (("train", "--root", "nowhere"), "nowhere: holds neither a manifest nor `candidate`"),
        (("train", "--root", "{root}", "--method", "elrr"), "no method is called 'elrr'"),
        (("train", "--root", "{root}", "--stop", "noisy_houldout"), "did you mean 'noisy_holdout'?"),
        (("train", "--root", "{root}", "--model", "resnet5O"), "no network is called 'resnet5O'"),
        (("train", "--root", "{root}", "--holdout", "0"), "nothing is held out"),
        (("train", "--root", "{root}", "--device", "cuda"), "finds no GPU here"),
        # Told before the model is loaded and the features of its training photos are made.
        (("serve", "nowhere", "--proxy", "nginx"), "--proxy nginx: is no IP address"),
        (("photo-site", "--photos", "nowhere"), "nowhere"),
        (("photo-site", "--host", "0.0.0.0"), "0.0.0.0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_path_name_or_setting_that_does_not_fit(
    capsys: pytest.CaptureFixture[str], finished: Path, tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    if "cuda" in arguments:
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU")
    before = snapshot(finished)
    (tmp_path / "catalogue.sqlite").touch()
    filled = [one.format(run=finished / "run", root=finished, project=tmp_path) for one in arguments]
    assert named in fails_in_one_line(capsys, *filled)
    assert snapshot(finished) == before


def on_a_small_disk(limit: int, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command where no file can grow beyond `limit` bytes: the system refuses, as a full disk does."""
    return subprocess.run(
        [sys.executable, "-m", "rawlabel", *map(str, arguments)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ) | environment,
    )


def test_a_full_disk_while_collecting(site: RunningSite, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("three\nfour\n")
    arguments = ("collect", tmp_path / "classes.txt", "--project", tmp_path / "p", "--base-url", site.base_url,
        "--source", "flickr", "--allow-loopback")  # fmt: skip
    for limit in (150_000, 2_000):
        done = on_a_small_disk(limit, *arguments, "--image-size", "1600", FLICKR_API_KEY="right")
        assert done.returncode == 2, done.stderr
        assert "the disk is full; free some space and run the same command again" in done.stderr
        assert "Traceback" not in done.stderr
    os.environ["FLICKR_API_KEY"] = "right"
    assert cli.run([str(one) for one in (*arguments, "--image-size", "64")]) == 0
    del os.environ["FLICKR_API_KEY"]


def test_a_full_disk_while_training(finished: Path, tmp_path: Path) -> None:
    arguments = ("train", "--root", finished, "--outpath", tmp_path / "run", *TRAIN)
    done = on_a_small_disk(100_000, *arguments)
    assert done.returncode == 2, done.stderr
    assert "selected.safetensors: the disk is full; free some space and run the same command again" in done.stderr
    assert not list(tmp_path.rglob("*.part"))
    assert cli.run([str(one) for one in arguments]) == 0


def test_a_full_disk_while_curating(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    first = curate(CurateConfig(project=project))
    before = snapshot(project / "manifests")
    done = on_a_small_disk(3_000, "curate", project, "--seed", "9")
    assert done.returncode == 2, done.stderr
    assert "the disk is full" in done.stderr
    assert first.path.exists()
    assert before.items() <= snapshot(project / "manifests").items()

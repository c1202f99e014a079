"""A run finds its data from anywhere, and after the project was moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from tests.helpers.tiny_training import make_class_folders, tiny

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of class folders, trained with paths relative to the folder that it lies in."""
    above = tmp_path_factory.mktemp("before")
    make_class_folders(above / "flowers" / "candidate", 20, 1)
    make_class_folders(above / "flowers" / "test", 6, 2)
    settings = tiny(Path("flowers"), epochs=1, train_size=30, inject_noise=0.1).as_json()
    settings = {key: value for key, value in settings.items() if key != "outpath"}
    (above / "settings.json").write_text(json.dumps(settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(above)
        assert cli.run(["train", "--config", "settings.json"]) == 0
        [run] = (above / "flowers" / "runs").iterdir()
        assert RunDirectory(run).read().config.root == Path("flowers")
        # As it was given, where it is known there.
        assert RunDirectory(run).read().settings.root == Path("flowers")
        assert cli.run(["evaluate", str(run)]) == 0
        assert RunDirectory(run).summary().test.folder == str(Path("flowers/test"))
    return above / "flowers"


def measured(run: Path) -> object:
    return {
        key: one
        for key, one in RunDirectory(run).summary().test.as_json().items()
        if key not in ("folder", "place")
    }


@pytest.mark.parametrize("how", ["from elsewhere", "moved", "moved, by an older version", "apart from its data"])
def test_a_run_is_measured_wherever_it_and_its_data_are(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    [run] = (project / "runs").iterdir()
    before = measured(run)
    if how.startswith("moved"):
        place = Path(shutil.copytree(project, tmp_path / "elsewhere" / "roses"))
        run = place / "runs" / run.name
        monkeypatch.chdir(tmp_path)
        # The copy must not be measured by the data of the first.
        hidden = project.with_name("hidden")
        project.rename(hidden)
    elif how == "apart from its data":
        hidden = None
        run = Path(shutil.copytree(run, tmp_path / "run"))
        monkeypatch.chdir(run)
        run = Path()
    else:
        hidden = None
        run = Path(shutil.copytree(run, project / "runs" / "again"))
        monkeypatch.chdir(tmp_path)
    try:
        if how.endswith("older version"):
            for name, key in (
                ("environment.json", "root"),
                ("environment.json", "data"),
                ("summary.json", "test"),
            ):
                value = json.loads((run / name).read_text())
                part = value[-1] if isinstance(value, list) else value
                part.pop(key) if key == "root" else part[key].pop("place")
                (run / name).write_text(json.dumps(value))
        assert cli.run(["evaluate", str(run)]) == 0
        assert cli.run(["probe", str(run)]) == 0
        assert cli.run(["labels", str(run)]) == 0
        assert measured(run) == before
        probed = json.loads((run / "probe.json").read_text())["probes"][-1]
        assert probed["test"]["images"] == 18
        assert probed["linear"]["test"]["interval"]
    finally:
        if hidden is not None:
            hidden.rename(project)
        shutil.rmtree(project / "runs" / "again", ignore_errors=True)


def test_data_that_are_nowhere_are_named_as_they_were_given(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = (project / "runs").iterdir()
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    hidden = project.with_name("hidden")
    project.rename(hidden)
    monkeypatch.chdir(tmp_path)
    try:
        assert cli.run(["labels", str(copy)]) == 2
        assert f"{Path('flowers/candidate')}: no such folder" in capsys.readouterr().err
    finally:
        hidden.rename(project)

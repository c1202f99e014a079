"""The command that a verb names as the next one can be typed as it stands, and asks for what is missing."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from rawlabel import cli
from rawlabel.artifacts.manifest import Manifest
from rawlabel.base.files import read_json, write_json
from rawlabel.cli import next_steps
from tests.helpers.report_project import make_project, write_run

RUN = {
    "running": {"finished": False},
    "not measured": {"evaluated": False, "test": False},
    "test set named": {"evaluated": False},
    "measured": {},
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    project = tmp_path_factory.mktemp("next") / "birds"
    return make_project(project)


def stand_alone(run: Path) -> None:
    """As a run on class folders."""
    starts = read_json(run / "environment.json", "starts")
    starts[0]["data"] = {"origin": str(run / "elsewhere"), "fingerprint": "f"}
    write_json(run / "environment.json", starts)


@pytest.mark.parametrize(
    ("step", "state", "in_project", "alone"),
    [
        (next_steps.after_training, "running", "watch RUN", "watch RUN"),
        (next_steps.after_training, "not measured", "report PROJECT --run RUN", "predict RUN photo.jpg"),
        (next_steps.after_training, "test set named", "evaluate RUN", "evaluate RUN"),
        (next_steps.after_training, "measured", "report PROJECT --run RUN", "predict RUN photo.jpg"),
        (next_steps.after_evaluating, "measured", "report PROJECT --run RUN", "export-model RUN"),
        (next_steps.after_doubting, "not measured", "review PROJECT --run RUN", "evaluate RUN --test FOLDER"),
        (next_steps.after_doubting, "measured", "review PROJECT --run RUN", "export-model RUN"),
        (next_steps.after_predicting, "not measured", "evaluate RUN --test FOLDER", "evaluate RUN --test FOLDER"),
        (next_steps.after_predicting, "measured", "export-model RUN", "export-model RUN"),
        (next_steps.after_predicting, "running", "serve RUN", "serve RUN"),
    ],
)
def test_what_a_run_lacks_comes_next(manifest, step, state, in_project, alone):
    project = manifest.project
    run = write_run(project, manifest, name=f"{step.__name__} {state}".replace(" ", "_"), **RUN[state])
    for wanted in (in_project, alone):
        words = list(map(str, step(run)))
        assert words == [{"RUN": str(run), "PROJECT": str(project)}.get(word, word) for word in wanted.split()]
        verb = cli.rawlabel.get_command(click.Context(cli.rawlabel), words[0])
        verb.make_parser(click.Context(verb)).parse_args(words[1:])  # refuses an unknown flag
        stand_alone(run)


def test_a_run_that_is_named_from_here_has_its_project_named_from_here(manifest, monkeypatch):
    run = write_run(manifest.project, manifest, name="here")
    monkeypatch.chdir(manifest.project.parent)
    words = next_steps.after_training(run.relative_to(manifest.project.parent))
    assert list(map(str, words)) == ["report", "birds", "--run", "birds/runs/here"]


def test_a_page_is_followed_by_what_its_run_allows(manifest):
    project = manifest.project
    assert next_steps.after_reporting(None, project) == ("train", "--root", project)
    run = write_run(project, manifest, name="page", finished=False)
    assert next_steps.after_reporting(run, project) == ("watch", run)
    run = write_run(project, manifest, name="page")
    assert next_steps.after_reporting(run, project) == ("predict", run, "photo.jpg")
    assert next_steps.after_exporting_model(run, project / "out", "hub") == ("serve", run)
    assert next_steps.after_exporting_model(run, project / "out", "safetensors")[:2] == (
        "predict",
        project / "out",
    )

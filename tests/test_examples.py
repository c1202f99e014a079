"""The short scripts under `examples/` run as they stand, and stay short."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from rawlabel.base import families

ROOT = Path(__file__).parents[1]

EXAMPLES = {
    "class_folders": "of the clean images are right",
    "names_to_classifier": "a page about it all: digits/report.html",
    "own_method": "Classifier('runs/cifar_resnet8-focal-",
    "own_stopping_rule": "the run is in runs/",
    "predict_in_memory": "blue: ",
    "share_a_manifest": "photos are there again, pixel by pixel, in copy",
}
WITH_PROCESSES = {"names_to_classifier", "share_a_manifest"}
"""Those that collect, and so start processes that decode."""


def test_all_examples_are_run_and_none_is_long() -> None:
    paths = sorted((ROOT / "examples").glob("*.py"))
    assert {path.stem for path in paths} == set(EXAMPLES)
    assert all(len(path.read_text("utf-8").splitlines()) < 40 for path in paths)


@pytest.mark.integration
@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - WITH_PROCESSES))
def test_an_example_says_what_came_of_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(families, "_added", {})
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    assert EXAMPLES[name] in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.integration
@pytest.mark.parametrize("name", sorted(WITH_PROCESSES))
def test_an_example_that_starts_processes_runs_once(name: str, tmp_path: Path) -> None:
    """None of them has a guard, so a process that ran it again would say everything twice."""
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py")]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False, timeout=800
    )
    assert done.returncode == 0, done.stderr
    assert EXAMPLES[name] in done.stdout.splitlines()[-1]
    assert len(set(done.stdout.splitlines())) == len(done.stdout.splitlines())

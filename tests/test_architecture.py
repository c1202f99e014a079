"""The house rules that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.helpers.long_files import LONG_FILES

SOURCE = Path(__file__).parents[1] / "src" / "rawlabel"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST_FUNCTION, LONGEST_FILE = 60, 400


@pytest.mark.parametrize("path", FILES, ids=[path.relative_to(SOURCE).as_posix() for path in FILES])
def test_functions_fit_on_a_screen_and_files_in_a_head(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or node.lineno) - node.lineno < LONGEST_FUNCTION, node.name


TESTS = SOURCE.parents[1] / "tests"


def test_no_test_module_imports_another_one() -> None:
    """What two of them need is in `tests/helpers`, also where only code in a string asks for it."""
    asked = {
        f"{path.relative_to(TESTS)}: {name}"
        for path in TESTS.rglob("*.py")
        for name in re.findall(r"^\s*(?:from|import) (\.\S*|tests\b\S*)", path.read_text("utf-8"), re.M)
        if not name.startswith("tests.helpers")
    }
    assert asked == set()


def test_the_design_page_shows_the_layers_that_are_checked() -> None:
    root = SOURCE.parents[1]
    contracts = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    assert "\n```\n" + "\n".join(layers) + "\n```\n" in (root / "docs" / "design.md").read_text("utf-8")


def run_python(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_package_does_nothing() -> None:
    script = """
import logging, os, sys, threading
before = dict(os.environ), threading.active_count(), list(logging.root.handlers)
import rawlabel, rawlabel.records, rawlabel.errors
assert before == (dict(os.environ), threading.active_count(), list(logging.root.handlers))
print(sorted(name for name in ("torch", "numpy", "matplotlib", "aiohttp") if name in sys.modules))
"""
    assert run_python(script) == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["classes", "--help"],
        ["train", "--help"],
        ["collect", "--help"],
        ["demo", "--help"],
        ["build", "--help"],
    ],
)
def test_help_loads_no_torch_and_no_plotting(arguments: list[str]) -> None:
    script = f"""
import sys
from rawlabel.cli import run
code = run({arguments!r})
heavy = ("torch", "torchvision", "timm", "matplotlib", "sklearn", "scipy", "aiohttp", "cv2", "pyarrow")
print("loaded", code, sorted(name for name in heavy if name in sys.modules))
"""
    assert run_python(script).splitlines()[-1] == "loaded 0 []"


def test_the_files_that_run_first_are_there() -> None:
    assert [name for name in LONG_FILES if not (Path(__file__).parents[1] / "tests" / name).is_file()] == []

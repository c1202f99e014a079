"""The first page is short and explains its words; the site builds without a network and sends nobody to one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
MOST_WORDS = 700
TERMS = ("raw labels", "epoch", "clean label", "holdout", "oracle", "seeds", "manifest")
"""What the first page explains: a term stands in italics where it is said what it means."""


def test_the_first_page_is_short() -> None:
    assert len(README.split()) < MOST_WORDS


def test_the_first_page_names_the_systems() -> None:
    assert re.search(r"Linux, or \[untried\]\(docs/systems\.md\) macOS or Windows", re.sub(r"\s+", " ", README))


@pytest.mark.parametrize("term", TERMS)
def test_the_first_page_explains_a_term_at_its_first_use(term: str) -> None:
    text = re.sub(r"\s+", " ", README).lower()
    assert text.index(term) == text.index(f"*{term}*") + 1


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_of_pages_outside_the_site_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text("utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.integration
def test_python_on_the_pages_and_in_the_examples_fits_what_it_calls(tmp_path: Path) -> None:
    """By the type checker: the lines themselves would ask photo sites."""
    files = sorted((ROOT / "examples").glob("*.py"))
    for page in sorted((ROOT / "docs").rglob("*.md")):
        blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        for number, block in enumerate(one for one in blocks if "rawlabel" in one):
            files.append(tmp_path / f"{page.parent.name}_{page.stem}_{number}.py")
            files[-1].write_text(block, "utf-8")
    assert len(files) > 8
    # Their own functions need no annotations.
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    faults = [line for line in done.stdout.splitlines() if not line.endswith(("[no-untyped-def]", "[type-arg]"))]
    assert (faults, done.stderr) == ([], "")


OFFLINE = """
import socket
def refuse(self, address):
    raise OSError(f"asked for {address}")
socket.socket.connect = socket.socket.connect_ex = refuse
from mkdocs.__main__ import cli
cli()
"""


@pytest.mark.integration
def test_the_site_builds_strictly_and_neither_builder_nor_reader_fetches_anything(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pages = {page: page.read_text("utf-8") for page in tmp_path.rglob("*.html")}
    assert len(pages) > 20
    scripts = r'<(?:script|img|iframe)[^>]*\ssrc="(?:https?:)?//'
    loaded = scripts + r'|<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*href="http'
    assert [page.name for page, text in pages.items() if re.search(loaded, text)] == []

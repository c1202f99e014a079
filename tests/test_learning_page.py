"""Pages that say what was found: each sentence rests on rows of `results/measured/`, number by number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "docs" / "learning.md", ROOT / "results" / "measured" / "cifar10n" / "README.md")
ITEMS = [
    (page, item)
    for page in PAGES
    for item in re.findall(r"^- (.+?)(?=\n- |\n\n|\Z)", page.read_text("utf-8"), re.M | re.S)
]
NUMBER = re.compile(r"\d+\.\d+|(?<![\d,.])\d{3,}(?![\d.]|,\d)")
"""Numbers that were measured; small whole ones and those with a comma are settings."""


def cited(page: Path, item: str) -> str:
    """The rows that an item names: ``[file](path): row; row`` at its end."""
    source = re.search(r"\n  \(\[[^]]+\]\(([^)]+)\): (.+)\)?$", item.strip(), re.S)
    assert source, "ends with no ([file](path): row; row)"
    path, rows = source.groups()
    lines = (page.parent / path).read_text("utf-8").splitlines()
    found: list[str] = []
    for row in " ".join(rows.rstrip(")").split()).split("; "):
        matching = [line for line in lines if row in line]
        assert matching, f"{path} has no row '{row}'"
        found += matching
    return "\n".join(found)


@pytest.mark.parametrize(
    ("page", "item"), ITEMS, ids=[f"{page.parent.name}: {' '.join(item.split()[:4])}" for page, item in ITEMS]
)
def test_every_number_stands_in_a_row_that_the_sentence_names(page: Path, item: str) -> None:
    rows = cited(page, item)
    assert rows, "names no row of results/measured/"
    said = item[: item.rindex("([")]
    assert set(NUMBER.findall(said)) <= set(NUMBER.findall(rows))


@pytest.mark.parametrize("page", PAGES, ids=[page.parent.name for page in PAGES])
def test_the_page_says_something(page: Path) -> None:
    items = [item for where, item in ITEMS if where == page]
    assert len(items) > 5
    assert sum(bool(NUMBER.search(item)) for item in items) > 5

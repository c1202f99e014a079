"""The page that says what to use when: each of its sentences rests on rows of `results/`, number by number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
ITEMS = re.findall(r"^- (.+?)(?=\n- |\n\n|\Z)", (DOCS / "learning.md").read_text("utf-8"), re.M | re.S)
NUMBER = re.compile(r"\d+\.\d+|(?<![\d,.])\d{3,}(?![\d.]|,\d)")
"""Numbers that were measured; small whole ones and those with a comma are settings."""


def cited(item: str) -> str:
    """The rows that an item names: ``[file](path): row; row`` at its end."""
    source = re.search(r"\n  \(\[[^]]+\]\(([^)]+)\): (.+)\)?$", item.strip(), re.S)
    assert source, "ends with no ([file](path): row; row)"
    path, rows = source.groups()
    lines = (DOCS / path).read_text("utf-8").splitlines()
    found: list[str] = []
    for row in " ".join(rows.rstrip(")").split()).split("; "):
        matching = [line for line in lines if row in line]
        assert matching, f"{path} has no row '{row}'"
        found += matching
    return "\n".join(found)


@pytest.mark.parametrize("item", ITEMS, ids=[" ".join(item.split()[:4]) for item in ITEMS])
def test_every_number_stands_in_a_row_that_the_sentence_names(item: str) -> None:
    rows = cited(item)
    assert rows, "names no row of results/"
    said = item[: item.rindex("([")]
    assert set(NUMBER.findall(said)) <= set(NUMBER.findall(rows))


def test_the_page_says_something() -> None:
    assert len(ITEMS) > 5
    assert sum(bool(NUMBER.search(item)) for item in ITEMS) > 5

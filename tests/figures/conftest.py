"""The small result tree as a fixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.published_tree import write_published_tree


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Folder `results` of a small tree in the published layout."""
    return write_published_tree(tmp_path / "paper")

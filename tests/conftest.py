"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(os.environ.get("RAWLABEL_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


# Two trainings at once on two cores take ten times as long as one after the other, so these share one process.
TRAINING = ("train", "evaluate", "report", "test_bad_input.py", "test_demo.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups for `--dist loadgroup`: what trains, and each other file by itself (its servers are started once)."""
    for item in items:
        path = item.path.relative_to(Path(__file__).parent)
        item.add_marker(pytest.mark.xdist_group("training" if path.parts[0] in TRAINING else str(path)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data that does not come with the project; skips the test where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data here; set RAWLABEL_SHARED_DATA to the folder that holds paper/ and flowers/")
    return SHARED_DATA

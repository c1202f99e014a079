"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(os.environ.get("RAWLABEL_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data that does not come with the project; skips the test where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data here; set RAWLABEL_SHARED_DATA to the folder that holds paper/ and flowers/")
    return SHARED_DATA

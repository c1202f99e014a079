"""The benchmark of what a new user waits for: its commands run, and goals stand beside medians."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.helpers.tiny_training import make_class_folders

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark, with its own folder on the path, as it has where it runs."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from benchmarks import first_minutes

    return first_minutes


def test_the_page_has_medians_beside_goals_and_says_which_are_missed(benchmark: ModuleType) -> None:
    def repetition(seconds: float) -> dict[str, Any]:
        names = ("measured", "evaluate", "again", "other seed", "demo")
        return {
            "load": 0.1,
            "seconds": dict.fromkeys(names, seconds),
            "accuracy": dict.fromkeys(("measured", "again", "other seed"), 88.0),
        }

    table = {
        "repetitions": [repetition(seconds) for seconds in (14.0, 16.0, 400.0)], "noise": [0.4, 0.2], "cores": 2,
        "photos": {"train": 30, "test": 12}, "per_class": None,
    }  # fmt: skip
    cells = [line.strip("| ").split(" | ") for line in benchmark.page(table) if line.startswith("| ")][1:]
    assert [row[1:5] for row in cells] == [
        ["180", "16.0", "yes", "14.0, 16.0, 400.0"],
        ["15", "16.0", "no", "14.0, 16.0, 400.0"],
        ["15", "16.0", "no", "14.0, 16.0, 400.0"],
        ["120", "16.0", "yes", "14.0, 16.0, 400.0"],
    ]
    assert any("2 cores" in line for line in benchmark.page(table))
    assert not any("a try" in line for line in benchmark.page(table))
    assert any("a try" in line for line in benchmark.page(table | {"per_class": 20}))


@pytest.mark.integration
def test_on_a_few_photos_all_trainings_run_and_a_finished_repetition_is_not_done_again(
    tmp_path: Path, benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_class_folders(tmp_path / "photos" / "train", 12, 1)
    make_class_folders(tmp_path / "photos" / "test", 4, 2)
    given, timed = [], benchmark.timed

    def without_demo(place: Path, *command: str) -> float:
        """The demo takes a minute, and has tests of its own."""
        given.append(command)
        return 1.0 if command[0] == "demo" else timed(place, *command)

    monkeypatch.setattr(benchmark, "timed", without_demo)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["first_minutes.py", "--data", "photos", "--work", "work", "--repeats", "1"])
    for _ in range(2):
        benchmark.main()
    assert [one[0] for one in given] == ["train", "evaluate", "train", "train", "demo"]
    place = tmp_path / "work" / "repetitions" / "0"
    assert (place / "features").is_dir()
    runs = [
        json.loads((place / "runs" / name / "config.json").read_text()) for name in ("first", "second", "third")
    ]
    assert [(one["recipe"], one["inject_noise"], one["seed"]) for one in runs] == [
        ("transfer", 0.4, 0),
        ("transfer", 0.2, 1),
        ("transfer", 0.4, 2),
    ]
    table = json.loads((tmp_path / "work" / "table.json").read_text("utf-8"))
    assert table["photos"] == {"train": 36, "test": 12}
    assert set(table["goals"]) < set(table["repetitions"][0]["seconds"])

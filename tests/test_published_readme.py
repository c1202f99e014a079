"""What the published README promises holds in a fresh clone: its files, and a command that says what it lacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rawlabel import cli
from rawlabel.config import FiguresConfig
from rawlabel.show.figures.published_layout import read_accuracy_log, read_candidate_counts
from rawlabel.show.figures.result_folders import open_result_folders

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(file.parent.name for file in (ROOT / "results").glob("*/config.json"))


def test_all_published_paths_are_here() -> None:
    assert (
        sorted(f"{of}_{what}" for of in ("flickr", "imagenet") for what in ("cls100", "cls135", "conf", "err"))
        == CONFIGS
    )
    for of in ("flickr", "imagenet"):
        assert (ROOT / "results" / f"{of}_cls100" / f"{of}_resnet50_cls100.txt").is_file()
        assert (ROOT / "results" / f"{of}_cls135" / f"{of}_resnet50_cls135.txt").is_file()


@pytest.mark.parametrize(
    ("name", "best", "epoch"),
    [
        ("flickr_cls100", "89.44", 69),
        ("imagenet_cls100", "85.10", 113),
        ("flickr_cls135", "79.81", 90),
        ("imagenet_cls135", "84.64", 134),
    ],
)
def test_the_committed_logs_have_the_published_best(name: str, best: str, epoch: int) -> None:
    log = read_accuracy_log(ROOT / "results" / name)
    assert (f"{log.test[log.oracle_position]:.2f}", int(log.epochs[log.oracle_position])) == (best, epoch)


def test_the_committed_counts_have_the_published_sums() -> None:
    counts = read_candidate_counts(ROOT / "metadata")
    assert (int(counts.counts.sum()), len(counts.counts), len(counts.excluded or ())) == (1_782_336, 135, 35)


def test_every_class_has_a_name_of_its_own_also_the_ten_that_the_class_file_lacks() -> None:
    folders = open_result_folders(FiguresConfig(results=ROOT / "results"))
    index = json.loads((ROOT / "metadata" / "idx2cls.json").read_text("utf-8")).values()
    names = {one: folders.name(one) for one in index}
    assert len(set(names.values())) == 135
    assert [name for name in names.values() if name.startswith("n0")] == []
    assert sorted(name for one, name in names.items() if one not in folders.names) == [
        "admiral", "ant", "cicada", "crayfish", "cricket", "damselfly", "harvestman", "sea anemone", "starfish",
        "weevil",
    ]  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_the_published_command_without_data_says_what_lies_where_and_how_to_get_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["train", "--config", str(ROOT / "results" / name / "config.json")]) == 2
    out, err = capsys.readouterr()
    line = err.splitlines()[-1]
    folder = "candidate" if name.startswith("flickr") else "train"
    assert line.startswith(f"rawlabel: project/{folder}: no such folder or manifest; check --root and --main; ")
    assert "`rawlabel collect metadata/tiny_classes_to_search.json --source flickr`" in line
    assert "`rawlabel prepare imagenet DOWNLOADS --out project" in line
    # The settings that measure a checkpoint name one that was never published, which is said before.
    assert len(err.splitlines()) == (2 if name.endswith(("conf", "err")) else 1)
    assert out == "" and list(tmp_path.iterdir()) == []


@pytest.mark.real_data
def test_the_committed_numbers_are_the_published_ones(shared_data: Path) -> None:
    published = shared_data / "paper"
    for file in sorted(one for one in published.rglob("*") if one.is_file()):
        ours = ROOT / file.relative_to(published)
        if file.name == "config.json":
            theirs = json.loads(file.read_text()) | {"root": "project", "outpath": None}
            assert json.loads(ours.read_text()) == theirs
        elif file.name == "imagenet_classes_to_search.json":
            assert (
                ROOT / "metadata" / "tiny_classes_to_search.json"
            ).read_text().strip() == file.read_text().strip()
        elif file.suffix == ".npy":
            assert np.array_equal(np.load(ours), np.load(file))
        else:
            assert ours.read_bytes() == file.read_bytes(), file


@pytest.mark.integration
def test_the_notebooks_hold_what_comes_out_of_them() -> None:
    command = [sys.executable, str(ROOT / "tools" / "notebooks.py"), "--check"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    for name in ("visualize_train_logs", "error_analysis"):
        text = (ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8")
        assert text.count('"image/png"') >= 2 and len(text) < 600_000

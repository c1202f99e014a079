"""Predicting, resuming and measuring where something is not as it should be."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import unicodedata
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from PIL import Image

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import EvaluateConfig
from rawlabel.errors import CheckpointError, ConfigError, DataError
from rawlabel.judge.evaluate.opening import read_test_set
from rawlabel.judge.evaluate.stage import evaluate
from rawlabel.training.stage import train
from tests.helpers.tiny_training import CLASSES, make_class_folders, tiny

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("predict")
    make_class_folders(root / "candidate", 12, 1)
    make_class_folders(root / "test", 4, 2)
    train(tiny(root, epochs=1, outpath=root / "run", test=None))
    return root


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six images, of which one is damaged, one too large and one a pipe; and what no person means."""
    folder = tmp_path / "photos"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    for name in ("a.png", "b.png", "line\nbreak\t.png", os.fsdecode(b"y\xff.png"), ".ipynb_checkpoints/a.png"):
        Image.new("RGB", (20, 20), (200, 0, 0)).save(folder / name)
    (folder / "damaged\n.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    Image.new("1", (30_000, 30_000)).save(folder / "large.png")
    return folder


def test_one_damaged_file_stops_no_others_and_each_is_named_with_its_own_remedy(
    root: Path, photos: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert cli.run(["predict", str(root / "run"), str(photos)]) == 1
    out, err = capfdbinary.readouterr()
    rows = [line.split(b"\t") for line in out.splitlines()]
    assert [row[0].rpartition(b"/")[2] for row in rows] == [
        b"a.png",
        b"b.png",
        b"line\\nbreak\\t.png",
        b"y\xff.png",
    ]
    assert all(len(row) == 3 and row[1].decode() in CLASSES for row in rows)
    told = err.decode().splitlines()
    assert [one.partition(": ")[0] for one in told] == ["rawlabel", "rawlabel", "next"]
    assert told[0].endswith("damaged\\n.jpg: is not an image that can be decoded; check the path, or leave it out")
    assert "large.png: has 30,000 x 30,000 pixels" in told[1] and told[1].endswith("or raise the limit")
    assert not any("curate" in one for one in told)


def test_lists_of_any_system_are_read_and_missing_paths_are_named(
    root: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = f"\ufeff{photos / 'a.png'}\r\n\r\n{photos / 'gone.png'}\r\n{photos / 'b.png'}".encode()
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(lines)))
    assert cli.run(["predict", str(root / "run"), "-"]) == 1
    out, err = capfd.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(photos / "a.png"), str(photos / "b.png")]
    assert f"rawlabel: {photos / 'gone.png'}: cannot be read (No such file or directory); check the path" in err


def test_a_pipe_called_like_an_image_is_no_image_and_does_not_hang(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "x.jpg")
    assert cli.run(["predict", str(root / "run"), str(tmp_path / "x.jpg")]) == 1
    assert "x.jpg: is no file, but a folder, pipe or device; check the path" in capsys.readouterr().err


def test_runs_without_a_finished_epoch_are_refused_and_unfinished_ones_said(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(shutil.copytree(root / "run", tmp_path / "run"))
    (run.path / "summary.json").unlink()
    assert cli.run(["predict", str(run.path), str(root / "test" / "red")]) == 0
    assert "is not finished; predicts with what its rule selects of epochs 0 to 0" in capsys.readouterr().err
    run.selected_checkpoint.unlink()
    assert cli.run(["predict", str(run.path), str(root / "test" / "red")]) == 2
    assert "has finished no epoch, so there is nothing to predict with" in capsys.readouterr().err


def test_answers_are_a_table_for_spreadsheets_or_an_object_an_image(
    root: Path, photos: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "=1+1.png").write_bytes((photos / "a.png").read_bytes())
    run = str(root / "run")
    assert cli.run(["predict", run, str(photos), "--top", "3", "--format", "csv"]) == 1
    text = capfdbinary.readouterr().out.decode("utf-8", "surrogateescape")
    rows = list(csv.reader(text.splitlines(keepends=True)))
    assert rows[0] == ["image", "rank", "class", "probability"]
    assert [row[1] for row in rows[1:]] == ["1", "2", "3"] * 5
    assert any(row[0].endswith("line\nbreak\t.png") for row in rows)
    assert cli.run(["predict", run, str(photos), "--top", "2", "--format", "jsonl"]) == 1
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [len(one["classes"]) for one in lines] == [2] * 5
    assert {os.fsencode(Path(one["image"]).name) for one in lines} >= {
        b"y\xff.png",
        b"line\nbreak\t.png",
        b"=1+1.png",
    }
    assert lines[0]["classes"][0]["class"] == rows[1][2]
    monkeypatch.chdir(photos)
    assert cli.run(["predict", run, "=1+1.png", "=1+1.png", "--format", "csv"]) == 0
    assert capfdbinary.readouterr().out.splitlines()[1].startswith(b"'=1+1.png,1,")


def test_what_is_no_run_gets_the_hint_that_fits(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next((root / "test" / "red").iterdir())
    for place, said in (
        (
            image,
            "is a file; name a run directory, or a .safetensors file of `export-model`; image files come behind",
        ),
        (
            root / "run" / "checkpoints" / "selected.safetensors",
            f"is a checkpoint inside a run; name the run, {root}",
        ),
        (tmp_path, "is no run directory"),
    ):
        assert cli.run(["predict", str(place), str(image)]) == 2
        assert said in capsys.readouterr().err
    (tmp_path / "catalogue.sqlite").touch()
    assert cli.run(["predict", str(tmp_path), str(image)]) == 2
    assert f"is a project and no run; run `rawlabel train --root {tmp_path}` first" in capsys.readouterr().err
    shutil.copytree(root / "run", tmp_path / "runs" / "mine")
    assert cli.run(["predict", str(tmp_path), str(image)]) == 2
    assert f"name one of its runs, such as {tmp_path / 'runs' / 'mine'}" in capsys.readouterr().err


def test_an_unknown_network_leaves_no_folder(root: Path) -> None:
    before = sorted(root.rglob("*"))
    with pytest.raises(ConfigError, match="no network is called 'resnet19'"):
        train(tiny(root, model="resnet19", test=None))
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("file", ["", "checkpoints/selected.safetensors"])
def test_resuming_with_another_network_names_the_one_to_use(root: Path, tmp_path: Path, file: str) -> None:
    config = tiny(
        root, model="cifar_resnet20", resume=str(root / "run" / file), outpath=tmp_path / "new", test=None
    )
    with pytest.raises(
        CheckpointError, match=r"was trained with --model cifar_resnet8; say --model cifar_resnet8"
    ):
        train(config)
    assert not (tmp_path / "new" / "log.json").exists()


def test_a_damaged_image_stops_training_with_the_way_to_find_all(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "candidate", tmp_path / "candidate")
    (tmp_path / "candidate" / "red" / "000.png").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"000\.png: is not .* decoded; remove it; `rawlabel pack` lists all such"):
        train(tiny(tmp_path, epochs=1, test=None))


def test_class_names_of_other_systems_are_the_same_classes(tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "test", 2, 0)
    (folder / "red").rename(folder / unicodedata.normalize("NFD", "rosé"))
    found = read_test_set(folder, ["blue", "green", unicodedata.normalize("NFC", "rosé")])
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_test_set_that_lacks_classes_is_measured_on_request_and_its_classes_are_named(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(root / "run", tmp_path / "run")
    partial = shutil.copytree(root / "test", tmp_path / "partial")
    shutil.rmtree(partial / "green")
    with pytest.raises(DataError, match=r"training class 'green' is missing; .* with --partial-test"):
        evaluate(EvaluateConfig(run=run, test=partial))
    assert cli.run(["evaluate", str(run), "--test", str(partial), "--partial-test"]) == 0
    assert "of 2 of the 3 training classes alone: blue, red" in capsys.readouterr().out
    test = json.loads((run / "summary.json").read_text())["test"]
    assert (test["images"], test["classes"]) == (8, ["blue", "red"])


def test_a_run_of_an_older_version_is_used_with_the_defaults_of_what_it_lacks(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(root / "run", tmp_path / "run")
    settings = json.loads((run / "config.json").read_text())
    for key in ("max_megapixels", "partial_test", "ema", "label_column"):
        del settings[key]
    (run / "config.json").write_text(json.dumps(settings))
    assert cli.run(["evaluate", str(run), "--test", str(root / "test")]) == 0
    del settings["model"]
    (run / "config.json").write_text(json.dumps(settings))
    assert cli.run(["probe", str(run), "--test", str(root / "test")]) == 0


def test_an_interrupt_ends_prediction_and_no_library_says_what_is_damaged(root: Path, tmp_path: Path) -> None:
    whole = sorted((root / "test" / "red").iterdir())
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(whole[0].read_bytes()[:-60])
    command = [sys.executable, "-m", "rawlabel", "predict", str(root / "run"), "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        for path in [damaged, *whole * 16]:
            process.stdin.write(f"{path}\n".encode())
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(240) == 130
        said = process.stderr.read()
        assert b"Traceback" not in said
        assert [line[:9] for line in said.splitlines() if line] == [b"rawlabel:"] * 2

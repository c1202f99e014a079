"""The whole chain, small: what `make demo` does, with everything it promises to print and leave behind."""

from __future__ import annotations

import json
import signal
import socket
import threading
from pathlib import Path

import pytest
from PIL import Image

from rawlabel import cli
from rawlabel.artifacts.manifest import newest_manifest, read_manifest
from rawlabel.artifacts.project import images_path
from rawlabel.artifacts.run import Run
from rawlabel.chain.demo import DemoResult, describe, run_demo, site_config, training_config
from rawlabel.chain.demo_site import photo_site
from rawlabel.cli.verbs.photo_site import serve
from rawlabel.config import DemoConfig
from rawlabel.errors import DataError, SourceError
from rawlabel.judge.evaluate.truth import raw_label_accuracy
from tests.helpers.pictures import photo
from tests.helpers.ports import free_port
from tests.helpers.processes import AtOpen, AtStep, forked
from tests.helpers.small_demo import serve_few

pytestmark = pytest.mark.integration


ARGUMENTS = ("--per-class", "30", "--epochs", "3", "--recipe", "scratch")


def give_port(out: Path) -> None:
    """For a demo that goes on, a port that nobody is given by chance in between."""
    out.mkdir(exist_ok=True)
    (out / "site.json").write_text(json.dumps({"port": free_port()}))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """What the demo came to; its files are there already."""
    folder = tmp_path_factory.mktemp("demo")
    give_port(folder)
    [only] = run_demo(DemoConfig(out=folder, per_class=30, epochs=3, recipe="scratch"), serve_few)
    return only


@pytest.fixture(scope="module")
def out(result: DemoResult) -> Path:
    """The demo's folder, with all that it leaves behind."""
    return result.built.run.path.parents[1]


PHOTO_ARGUMENTS = ("--epochs", "3", "--model", "cifar_resnet8", "--image-size", "16", "--recipe", "scratch")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `train` and `test` photos of three classes, that differ in their colour."""
    folder = tmp_path_factory.mktemp("photos")
    for split, count, first in (("train", 30, 0), ("test", 6, 500)):
        for place, name in enumerate(("rose", "fern", "sky")):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = photo(100 * place + i + first, 72) // 2
                pixels[..., place] += 120
                Image.fromarray(pixels).save(folder / split / name / f"{i}.jpg")
    return folder


def on_photos(photos: Path, out: Path, **settings: object) -> DemoConfig:
    """The demo on those photos."""
    return DemoConfig.model_validate(
        {"out": out, "photos": photos / "train", "test_photos": photos / "test", **settings}
    )


@pytest.fixture(scope="module")
def two_seeds(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[DemoResult]]:
    """The folder of a demo of two seeds on those photos, from scratch, and what each came to."""
    out = tmp_path_factory.mktemp("seeds") / "out"
    config = on_photos(photos, out, seeds=2, epochs=3, model="cifar_resnet8", image_size=16, recipe="scratch")
    return out, run_demo(config, serve)


def test_the_demo_ends_with_ten_lines_and_the_evidence(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rawlabel.cli.verbs.photo_site.serve", serve_few)
    assert cli.run(["demo", "--out", str(out), *ARGUMENTS]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert "10 classes by name: zero, one" in lines[0]
    assert "found         300 search results" in lines[1]
    assert "without clean labels" in lines[5]
    assert "at the chosen epoch" in lines[6]
    assert "nobody could have chosen" in lines[8]
    report = Path(lines[9].split()[-1])
    assert report.read_text("utf-8").startswith("<!")
    run = out / "runs" / "demo"
    assert {path.name for path in run.iterdir()} >= {
        "config.json", "environment.json", "log.json", "summary.json", "predictions.parquet", "corr.json",
        "confmat.npy", "idx2cls.json",
    }  # fmt: skip


def test_its_numbers_agree_with_the_artifacts(out: Path, result: DemoResult) -> None:
    path = newest_manifest(out)
    assert path is not None
    manifest = read_manifest(path)
    text = "\n".join(describe(result))
    assert f"kept          {manifest.kept().num_rows} photos" in text
    total = next(row for row in manifest.funnel.as_json() if row["class_id"] == "all")
    assert total["found"] == 300 == total["kept"] + total["rejected"] + total["failed"]
    truth = json.loads((out / "truth.json").read_text())["photos"]
    rows = manifest.kept().select(["photo_id", "class_id"]).to_pylist()
    right = sum(truth[row["photo_id"]]["content"] == row["class_id"] for row in rows)
    assert (result.raw_labels.correct, result.raw_labels.total) == (right, len(rows))
    assert 0.45 < right / len(rows) < 0.75


def test_a_demo_that_was_stopped_at_each_stage_goes_on(
    photos: Path, two_seeds: tuple[Path, list[DemoResult]], tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    log = Path("runs", "demo", "log.json")
    command = (
        "demo", "--out", stopped, "--photos", photos / "train", "--test-photos", photos / "test", *PHOTO_ARGUMENTS
    )  # fmt: skip

    give_port(stopped)
    for by_self, code in ((AtOpen(20, images_path(stopped)), -9), (AtStep(2, signal.SIGINT), 130)):
        ended = forked(command, by_self=by_self)
        assert ended.code == code, ended.err
        assert (stopped / log).exists() == (code == 130)
        assert not (stopped / "runs/demo/summary.json").exists()
    ended = forked(command)
    assert ended.code == 0, ended.err
    assert (stopped / log).read_bytes() == (two_seeds[0] / "seed-0" / log).read_bytes()


def test_a_demo_waits_for_the_port_of_one_that_was_killed(photos: Path, tmp_path: Path) -> None:
    """Its site notices a moment later than whoever begins the same demo again."""
    port = free_port()  # which nobody is given by chance once it is free again
    with socket.create_server(("127.0.0.1", port)) as old:
        (tmp_path / "site.json").write_text(f'{{"port": {port}}}')

        def end() -> None:
            asked, _ = old.accept()
            asked.close()
            old.close()

        ending = threading.Thread(target=end)
        ending.start()
        settings = site_config(on_photos(photos, tmp_path), 0, tmp_path)
        with photo_site(serve, settings, tmp_path / "site.json") as address:
            assert address.rstrip("/") == f"http://127.0.0.1:{port}"
        ending.join()


def test_a_demo_takes_a_free_port_where_another_program_has_the_usual_one(photos: Path, tmp_path: Path) -> None:
    settings = site_config(on_photos(photos, tmp_path), 0, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = settings.model_copy(update={"port": other.getsockname()[1]})
        with photo_site(serve, settings, tmp_path / "site.json") as address:
            port = int(address.rstrip("/").rpartition(":")[2])
    assert port not in (0, settings.port)
    assert json.loads((tmp_path / "site.json").read_text()) == {"port": port}


def test_a_demo_whose_port_another_program_keeps_is_told_so(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rawlabel.chain.demo_site._ENDING_SECONDS", 0.2)
    settings = site_config(on_photos(photos, tmp_path), 0, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "site.json").write_text(json.dumps({"port": port}))
        with (
            pytest.raises(SourceError, match=rf"site\.json: .* at port {port}, which .*; end that, or .*--out"),
            photo_site(serve, settings, tmp_path / "site.json"),
        ):
            pass


def test_by_default_a_robust_head_stands_beside_a_plain_one(photos: Path, tmp_path: Path) -> None:
    [only] = run_demo(on_photos(photos, tmp_path, epochs=12), serve)
    lines = describe(only)
    assert len(lines) == 10 and only.plain is not None
    assert "at the last epoch (11)" in lines[7] and "nobody could have chosen" in lines[7]
    shown = lines[8].split()
    assert lines[8].startswith("plain head") and "choosing its epoch is worth" in lines[8]
    log = Run(tmp_path / "runs" / "plain_head").epochs
    right = [one.test_accuracy for one in log]
    assert [float(shown[i]) for i in (5, 8)] == [pytest.approx(one, abs=0.01) for one in (right[-1], max(right))]
    settings = [Run(tmp_path / "runs" / name).config for name in ("demo", "plain_head")]
    assert [one.choose for one in settings] == ["auto", "off"]
    assert (settings[1].weighing, settings[1].hidden) == ("none", 256)
    # The features of the encoder are shared: by both heads, and by the probe on them.
    assert not (tmp_path / "runs" / "demo" / "probe_features").exists()
    assert only.built.run.encoder is not None


def test_the_recipe_from_scratch_is_the_one_that_was_measured() -> None:
    measured = json.loads((Path(__file__).parents[1] / "results/measured/demo/seeds.json").read_text())
    assert measured["command"] == "rawlabel demo --seeds 5 --recipe scratch"
    now = training_config(DemoConfig(recipe="scratch"), 0, Path()).as_json()
    assert {key: now[key] for key in measured["training"] if key in now} == {
        key: value for key, value in measured["training"].items() if key in now
    }


def test_a_network_on_pixels_is_no_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["demo", "--out", str(tmp_path / "new"), "--recipe", "transfer", "--model", "resnet18"]) == 2
    assert "--model: is about a network that --recipe scratch trains" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_another_seed_needs_another_folder(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["demo", "--out", str(out), *ARGUMENTS, "--seed", "1"]) == 2
    assert "--seed: " in capsys.readouterr().err


def test_evaluate_prints_how_many_raw_labels_were_right(
    out: Path, result: DemoResult, capsys: pytest.CaptureFixture[str]
) -> None:
    run, truth = out / "runs" / "demo", out / "truth.json"
    assert cli.run(["evaluate", str(run), "--truth", str(truth)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("(")[1].split(":")[0].rstrip(")") for line in lines[1:4]] == [
        "chosen without clean labels", "last epoch", "oracle",
    ]  # fmt: skip
    assert f"{result.raw_labels.percent:.1f} % right ({result.raw_labels.correct} of" in lines[-1]


def test_the_truth_of_another_site_is_refused(out: Path, tmp_path: Path) -> None:
    path = newest_manifest(out)
    assert path is not None
    (tmp_path / "truth.json").write_text('{"photos": {}}')
    with pytest.raises(DataError, match="lacks photo"):
        raw_label_accuracy(read_manifest(path), tmp_path / "truth.json")


def test_a_folder_of_photos_and_several_seeds_make_a_table(two_seeds: tuple[Path, list[DemoResult]]) -> None:
    out, results = two_seeds
    assert [result.seed for result in results] == [0, 1]
    saved = json.loads((out / "seeds.json").read_text())
    assert str(out) not in (out / "seeds.json").read_text()
    assert [row["selected"] for row in saved["rows"]] == [result.accuracies[0] for result in results]
    assert "--seeds 2" in saved["command"]
    table = (out / "seeds.md").read_text()
    mean = sum(result.accuracies[0] for result in results) / 2
    assert f"{mean:.2f} ±" in table

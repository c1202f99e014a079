"""The page and the endpoint of a run: the answers of `predict`, the nearest training photos, and a clean end."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

import rawlabel as rl
from rawlabel import cli
from rawlabel.chain.serving import load_served
from rawlabel.config import ServeConfig
from rawlabel.show.serve.answers import Answer, Pixels
from rawlabel.training.stage import train
from tests.helpers.browser import Browser
from tests.helpers.tiny_training import make_class_folders, tiny

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("serve")
    make_class_folders(root / "candidate", 12, 1)
    make_class_folders(root / "test", 4, 2)
    train(tiny(root, epochs=2, outpath=root / "run", test=None))
    return root


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """A server in a process of its own, by its address; it must end at Ctrl-C, and say nothing of its inside."""
    command = [sys.executable, "-m", "rawlabel", "serve", *arguments, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), process.stderr.read()
        try:
            yield line.split()[0]
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(240)
        assert code == 128 + signal.SIGINT
        assert "Traceback" not in process.stderr.read()


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with serving(str(root / "run"), "--nearest", "4") as address:
        yield address


def ask(address: str, photo: bytes, query: str = "") -> dict[str, object]:
    request = urllib.request.Request(f"{address}v1/predict{query}", photo, method="POST")  # noqa: S310
    with urllib.request.urlopen(request) as reply:  # noqa: S310
        found: dict[str, object] = json.load(reply)
    return found


def answer_of(config: ServeConfig, photo: Path) -> Answer:
    served = load_served(config)

    async def decoded() -> Pixels:
        async with served.pool:
            return await served.decode(photo.read_bytes())

    return served.answer(asyncio.run(decoded()), 1, 6)


def test_answers_are_those_of_predict_with_the_nearest_training_photos(root: Path, address: str) -> None:
    for path in sorted((root / "test").rglob("*.png")):
        found = ask(address, path.read_bytes(), "?top=3&nearest=12")
        told = [(one["class_id"], one["probability"]) for one in found["classes"]]  # type: ignore[attr-defined]
        expected = [(one.class_id, one.probability) for one in rl.predict(root / "run", path, top=3)]
        assert [one[0] for one in told] == [one[0] for one in expected]
        assert [one[1] for one in told] == pytest.approx([one[1] for one in expected], abs=1e-5)
        nearest = found["nearest"]
        assert isinstance(nearest, list) and len(nearest) == 12
        likeness = [one["likeness"] for one in nearest]
        assert likeness == sorted(likeness, reverse=True)
        with urllib.request.urlopen(f"{address}training-photos/{nearest[0]['number']}") as reply:  # noqa: S310
            assert Image.open(reply).format == "JPEG"


def test_a_training_photo_is_nearest_to_itself(root: Path, address: str) -> None:
    path = sorted((root / "candidate" / "red").iterdir())[3]
    nearest = ask(address, path.read_bytes())["nearest"]
    assert isinstance(nearest, list) and len(nearest) == 4
    assert nearest[0]["likeness"] > 0.98


def test_an_export_is_served_without_training_photos(root: Path, tmp_path: Path) -> None:
    out = rl.export_model(root / "run", out=tmp_path / "out")
    path = min((root / "test" / "blue").iterdir())
    found = answer_of(ServeConfig(run=out), path)
    best = rl.predict(root / "run", path)[0]
    [guess] = found.classes
    assert (guess.class_id, guess.name) == (best.class_id, best.class_id)
    assert guess.probability == pytest.approx(best.probability, abs=0.02)
    assert found.nearest == ()


def test_what_cannot_be_served_is_said_in_one_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["serve", str(tmp_path)]) == 2
    assert "is no run directory" in capsys.readouterr().err
    assert cli.run(["serve", str(root / "run"), "--host", "203.0.113.7"]) == 2
    assert "cannot be listened on" in capsys.readouterr().err
    assert cli.run(["serve"]) == 2
    assert "RUN: name a run directory" in capsys.readouterr().err


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light")])
def test_the_page_is_used_by_keyboard_and_read_by_everybody(
    root: Path, address: str, browser: Browser, width: int, scheme: str
) -> None:
    photo, other = min((root / "test" / "red").iterdir()), root / "run" / "log.json"
    with browser.page(address, width=width, scheme=scheme) as page:
        assert page.text("h1") == "What is on this photo?"
        page.wait("#model:not(:empty)")
        assert page.violations() == []
        page.press("Tab")
        assert page.focused().startswith("input#file")
        page.upload("#file", photo)
        page.wait("#result")
        assert page.count("#classes tr") == 3 and page.count("#nearest li") == 4
        assert page.text("#found").endswith("%")
        assert page.focused().startswith("h2#found")
        assert page.violations() == []
        assert not page.is_wider_than_screen()
        assert page.errors == []
        assert all(one.startswith((address, "blob:")) for one in page.requests)
        page.upload("#file", other)
        page.wait("#state.fault")
        assert "is not an image that can be decoded" in page.text("#state")
        assert page.count("#result", visible=True) == 0

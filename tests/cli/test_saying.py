"""What a verb says, where, and what comes next; and how to have it otherwise."""

from __future__ import annotations

import json
import logging
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rawlabel import cli
from rawlabel.base import messages, progress
from rawlabel.cli.verb_files import all_verbs


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, list[str]]:
    code = cli.run(list(map(str, arguments)))
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A tree of photos that the source `folder` reads."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("owl", "robin")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for photo in range(12):
            pixels = rng.integers(0, 120, (40, 40, 3), dtype=np.uint8) + 120 * np.uint8(number)
            Image.fromarray(pixels).save(folder / f"{photo}.png")
    return tmp_path / "photos"


@pytest.mark.integration
def test_the_main_path_is_walked_by_what_each_verb_names_as_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], photos: Path
) -> None:
    """Each result is one JSON document, and only the next verb stands between one command and the other."""
    project = tmp_path / "my birds"  # a space, so that the line must be quoted to work

    def walk(words: list[str], *flags: object) -> tuple[Any, list[str]]:
        code, out, err = run(capsys, *words, *flags, "--json")
        assert code == 0, err
        assert err[-1].startswith("next: rawlabel ")
        return json.loads(out), shlex.split(err[-1].removeprefix("next: rawlabel "))

    collected, words = walk(["collect"], "--source", "folder", "--input", photos, "--project", project)
    assert (collected["counts"]["fetched"], words) == (24, ["curate", str(project)])
    curated, words = walk(words)
    total = next(row for row in curated["funnel"] if row["class_id"] == "all")
    assert (total["found"], total["kept"], words) == (24, 24, ["train", "--root", str(project)])
    trained, words = walk(words, "--model", "small_convnet", "--image-size", 32, "--epochs", 2, "--seed", 0)
    assert trained["last_epoch"] == 1
    assert words == ["report", str(project), "--run", trained["run"]]
    page, words = walk(words, "--no-probe")
    assert Path(page["report"]).is_file()
    assert words == ["predict", trained["run"], "photo.jpg"]
    photo = photos / "owl" / "0.png"
    predicted, _ = walk([*words[:-1], str(photo)])
    assert [one["path"] for one in predicted] == [str(photo)]
    assert 0.5 <= predicted[0]["probability"] <= 1


@pytest.mark.integration
def test_quiet_says_nothing_beside_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], photos: Path
) -> None:
    arguments = ("collect", "--source", "folder", "--input", photos, "--project", tmp_path / "p")
    code, out, err = run(capsys, *arguments, "--quiet")
    assert (code, err) == (0, [])
    assert "fetched 24" in out
    assert run(capsys, *arguments)[2] != []


@pytest.mark.parametrize("verb", ["sources", "methods", "formats"])
def test_what_is_listed_is_listed_as_json_too(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    code, out, err = run(capsys, verb, "--json", "--quiet")
    assert (code, err) == (0, [])
    document = json.loads(out)
    listed = document["method"] if verb == "methods" else document["written"] if verb == "formats" else document
    assert all(name in run(capsys, verb)[1] for name in listed)


@pytest.mark.parametrize("verb", sorted(all_verbs()))
def test_every_verb_takes_quiet_and_verbose(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    out = run(capsys, verb, "--help")[1]
    assert "--quiet" in out and "--verbose" in out
    # What runs until it is stopped has no result.
    assert ("--json" in out) == (verb not in ("photo-site", "serve", "watch"))


def test_verbose_says_which_settings_hold_and_where_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "curate", "absent", "--seed", 5, "--verbose")
    assert (code, out) == (2, "")
    assert any("settings other than the defaults" in line and "'seed': 5" in line for line in err)
    assert any("Traceback" in line for line in err)
    assert err[-1].startswith("rawlabel: absent")
    assert len(run(capsys, "curate", "absent", "--seed", 5)[2]) == 1


def test_bad_input_is_one_line_with_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "curate", "absent", "--json")
    assert (code, out, len(err)) == (2, "", 1)
    code, out, err = run(capsys, "train", "--print-freq", 1, "--json")
    assert (code, out, len(err)) == (2, "", 1)
    assert "--print-freq" in err[0]


def test_messages_of_a_program_go_where_logging_is_told_to_put_them(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside the command line nothing is written that `logging` does not know of."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 3600)  # work that takes long is told of twice
    with caplog.at_level(logging.INFO, logger="rawlabel"):
        messages.note("a note")
        messages.warn("a warning")
        with progress.progress("work", 1) as task:
            task.advance()
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", "a note"), ("WARNING", "a warning"), ("INFO", "work: 1/1"),
    ]  # fmt: skip
    assert capsys.readouterr().err == ""


def test_the_command_line_shows_messages_as_lines_and_leaves_no_handler(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = list(messages.logger.handlers)
    with messages.on_stderr():
        messages.inform("a fact")
        messages.note("a note")
        messages.warn("a warning")
        messages.detail("a detail")
    assert capsys.readouterr().err == "a fact\nnote: a note\nrawlabel: a warning\n"
    assert messages.logger.handlers == before


def test_a_library_that_logs_by_the_root_logger_has_nothing_said_twice(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with messages.on_stderr():
        messages.note("a note")
    assert (capsys.readouterr().err, caplog.records) == ("note: a note\n", [])
    messages.warn("a warning")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("is_shown_too", [False, True])
def test_a_program_keeps_its_own_log_while_messages_are_shown(
    is_shown_too: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, path = logging.getLogger(), tmp_path / "program.log"
    own: list[logging.Handler] = [logging.FileHandler(path), *([logging.StreamHandler()] if is_shown_too else [])]
    for handler in own:
        root.addHandler(handler)
    before = list(messages.logger.handlers)
    try:
        with messages.on_stderr_unless_routed():
            messages.note("a note")
            messages.warn("a warning")
    finally:
        for handler in own:
            root.removeHandler(handler)
            handler.close()
    # The root logger's level lets warnings through and no notes.
    assert path.read_text() == "a warning\n"
    assert capsys.readouterr().err == "note: a note\nrawlabel: a warning\n"
    assert messages.logger.handlers == before and messages.logger.propagate


def test_progress_is_turned_off_in_one_place(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="rawlabel")
    before = progress.show(False)
    try:
        with progress.progress("work", 2) as task:
            task.advance(2)
    finally:
        progress.show(before)
    assert (before, task.done, caplog.records) == (True, 2, [])

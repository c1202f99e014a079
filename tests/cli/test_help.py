"""The command: every verb and flag explains itself, and a slip gets one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rawlabel import cli
from rawlabel import config as settings
from rawlabel.base.families import Family, names
from rawlabel.cli.verb_files import all_verbs
from rawlabel.config import SECTIONS, Section
from rawlabel.config.recipe import RECIPES, read_recipe


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_every_verb_is_listed_with_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    listed = cli.rawlabel.list_commands(None)  # type: ignore[arg-type]
    assert code == 0
    for verb in listed:
        assert all_verbs()[verb].summary in " ".join(out.split())


def processor_seconds(*arguments: str) -> float:
    """What the command took, and no other process that ended meanwhile."""
    command = [sys.executable, "-m", "rawlabel", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def test_the_first_screen_is_there_at_once() -> None:
    """In processor time, which a busy machine may stretch, but not each time."""
    assert any(processor_seconds("--help") < 0.3 for _ in range(5))


def test_the_first_screen_begins_with_the_main_path(capsys: pytest.CaptureFixture[str]) -> None:
    first = run(capsys)
    assert first == run(capsys, "help") == run(capsys, "--help")
    code, out, err = first
    assert (code, err) == (0, "")
    titles = [line.removesuffix(":") for line in out.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles == ["Main path", "Data", "Model", "Research", "Upkeep", "Options"]
    path = out.partition("Main path:\n")[2].partition("\n\n")[0]
    shown = [line.split()[0] for line in path.splitlines()]
    assert shown == ["build", "collect", "curate", "train", "report", "predict"]
    assert out.count("Example: ") == 1
    assert run(capsys, "help", "curate") == run(capsys, "curate", "--help")


@pytest.mark.parametrize("verb", ["train", "collect", "plan"])
def test_help_shows_the_flags_that_people_change_and_help_all_the_rest_in_groups(
    capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    section: type[Section] = getattr(settings, SECTIONS[verb])
    extras: dict[str, Any] = {key: field.json_schema_extra for key, field in section.model_fields.items()}
    flags = {key for key, extra in extras.items() if not extra["positional"]}
    common = {key for key in flags if extras[key]["common"]}
    assert 8 <= len(common) <= 16
    short, full = (run(capsys, verb, asked)[1] for asked in ("--help", "--help-all"))
    assert {key for key in flags if f"  --{key.replace('_', '-')} " in short} == common
    assert {key for key in flags if f"--{key.replace('_', '-')}" in full} == flags
    assert f"{len(flags) - len(common)} more flags: `rawlabel {verb} --help-all`" in short
    assert len([line for line in full.splitlines() if line.endswith(":") and line[0] != " "]) > 2


def test_help_names_the_default_of_a_recipe_that_has_another(capsys: pytest.CaptureFixture[str]) -> None:
    """Else who trains by the usual recipe reads the numbers of the published one."""
    said = " ".join(run(capsys, "train", "--help-all")[1].split())
    values = {name: read_recipe(name) for name in RECIPES}
    epochs = {name: values[name]["epochs"] for name in ("finetune", "transfer")}
    assert f"[default: 120; finetune: {epochs['finetune']}; transfer: {epochs['transfer']}]" in said
    assert f"finetune, transfer: {values['transfer']['encoder']}]" in said
    assert f"[default: resnet50; scratch: {values['scratch']['model']}]" in said
    assert "[default: 0.9]" in said  # of --momentum, which no recipe changes
    assert "transfer: weight_decay=0.1, weight_decay=0.03, weight_decay=0.01, ...]" in said


def test_what_a_verb_says_of_itself_is_all_that_the_first_screen_needs() -> None:
    """`rawlabel --help` imports no verb, no settings and nothing that takes long."""
    script = (
        "from rawlabel.cli import command; import sys; command.run(['--help']); print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.partition("no photos.")[2].split())
    assert "rawlabel.cli.verb_files" in loaded
    heavy = {"torch", "numpy", "pydantic", "rich", "pyarrow", "aiohttp", "asyncio", "rawlabel.config"}
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith("rawlabel.cli.verbs.")}


COMPLETING = """
set -e
PATH="{path}:$PATH"
eval "$(_RAWLABEL_COMPLETE=bash_source rawlabel)"
COMP_WORDS=({words}); COMP_CWORD={at}
$(complete -p rawlabel | sed 's/.*-F \\([^ ]*\\).*/\\1/') rawlabel
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rawlabel cur", {"curate"}),
        ("rawlabel train --decay-e", {"--decay-epochs"}),
        ("rawlabel train --augment crop", {"crop", "crop_flip"}),
        ("rawlabel train --quie", {"--quiet"}),
    ],
)
def test_bash_completes_verbs_flags_and_choices(tmp_path: Path, words: str, expected: set[str]) -> None:
    command = tmp_path / "rawlabel"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m rawlabel "$@"\n')
    command.chmod(0o755)
    script = COMPLETING.format(path=tmp_path, words=words, at=len(words.split()) - 1)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == expected


@pytest.mark.parametrize("name", sorted(SECTIONS))
def test_help_explains_each_flag_with_its_default(capsys: pytest.CaptureFixture[str], name: str) -> None:
    section = getattr(settings, SECTIONS[name])
    has_more = any(field.json_schema_extra["common"] for field in section.model_fields.values())
    code, out, _ = run(capsys, name.replace("_", "-"), "--help-all" if has_more else "--help")
    text = " ".join(out.split())
    assert code == 0
    flags = {key: field for key, field in section.model_fields.items() if key not in section.stages}
    for key, field in flags.items():
        assert " ".join(str(field.description).split()) in text, key
        extra = field.json_schema_extra
        if not (isinstance(extra, dict) and extra["positional"]):
            assert f"--{key.replace('_', '-')}" in out
            if isinstance(field.default, int | float | str) and not isinstance(field.default, bool):
                assert f"[default: {field.default}]" in text or f"[default: {field.default}; " in text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["trian"], "no verb 'trian'; did you mean 'train'?"),
        (["train", "--epcohs", "3"], "--epcohs"),
        (["train", "--epcohs", "3"], "--epochs"),
        (["train", "--epochs", "many"], "'many' is not a valid integer"),
        (["train", "--epochs", "0"], "--epochs: input should be greater than or equal to 1"),
        (["train", "--augment", "mirror"], "'mirror' is not one of"),
        (["train", "--config", "absent.json"], "absent.json: cannot be read"),
        (["train", "--method", "elrr", "--root", "absent"], "did you mean 'elr'"),
        (["train", "--root", "absent"], "absent"),
        (["collect"], "CLASSES: name the file of classes"),
        (["evaluate"], "RUN: name the run directory"),
        (["predict"], "RUN IMAGE: name a run directory"),
    ],
)
def test_a_slip_gets_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("rawlabel: ")
    assert err.count("\n") == 1
    assert named in err


def test_plugins_are_listed_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert "FLICKR_API_KEY" in run(capsys, "sources")[1]
    out = run(capsys, "methods")[1]
    for name in (*names(Family.METHOD), *names(Family.STOPPING_RULE)):
        assert f"\n  {name}\n" in out
    text = " ".join(out.split())
    assert "Zhang and Sabuncu, NeurIPS 2018, arXiv 1805.07836" in text
    assert "--method-option q=0.7 Near 0 it is cross-entropy" in text
    assert "--stop-option patience=10 Epochs without an improvement" in text
    assert "--student With any method: train a teacher first" in text
    assert "--confident-learning With any method: first train a network on the complement of each fold" in text

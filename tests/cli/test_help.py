"""The command: every verb and flag explains itself, and a slip gets one line."""

from __future__ import annotations

import pytest

from rawlabel import cli
from rawlabel import config as settings
from rawlabel.base.families import Family, names
from rawlabel.cli import verbs
from rawlabel.config import SECTIONS


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_every_verb_is_listed_with_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    listed = cli.rawlabel.list_commands(None)  # type: ignore[arg-type]
    assert code == 0
    assert set(listed) == set(verbs.SUMMARIES) == set(cli.ORDER)
    assert all(verb in out for verb in listed)


@pytest.mark.parametrize("name", sorted(SECTIONS))
def test_help_explains_each_flag_with_its_default(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, _ = run(capsys, name.replace("_", "-"), "--help")
    text = " ".join(out.split())
    section = getattr(settings, SECTIONS[name])
    assert code == 0
    for key, field in section.model_fields.items():
        assert " ".join(str(field.description).split()) in text, key
        extra = field.json_schema_extra
        if not (isinstance(extra, dict) and extra["positional"]):
            assert f"--{key.replace('_', '-')}" in out
            if isinstance(field.default, int | float | str) and not isinstance(field.default, bool):
                assert f"[default: {field.default}]" in text


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
        (["train", "--method", "elrr", "--root", "absent"], "absent"),
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

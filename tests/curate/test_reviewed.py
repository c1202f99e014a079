"""A person's answers: what of them stands, what they leave out, and that they survive a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.artifacts.manifest import Manifest, newest_manifest, photos_looked_at, read_manifest
from rawlabel.artifacts.photo_names import export_name
from rawlabel.artifacts.review.answer_file import AnswerFile, answers_path, read_answers
from rawlabel.artifacts.review.answers import Answer, Answers, Look, Subject
from rawlabel.cli.command import run
from rawlabel.config import CurateConfig, ExportConfig, NoiseConfig
from rawlabel.errors import DataError
from rawlabel.gather.curate.stage import curate
from rawlabel.manifests.export import export
from rawlabel.manifests.noise import write_noisy_manifest
from tests.helpers.collected_project import make_project

SUBJECTS = [Subject("flickr", photo, "owl") for photo in "abc"]


def look(name: str, *answers: tuple[int, Answer], undoes: str | None = None) -> Look:
    return Look(name, 0, "suspects", {SUBJECTS[one]: answer for one, answer in answers}, undoes)


_presses = st.lists(
    st.one_of(
        st.just(None),
        st.dictionaries(st.integers(0, 2), st.sampled_from(Answer), min_size=1),
    ),
    max_size=12,
)


@given(_presses)
def test_undo_takes_back_the_newest_look_that_stands_as_if_it_had_never_been(
    presses: list[dict[int, Answer] | None],
) -> None:
    answers, lines, stack = Answers(), list[Look](), list[Look]()
    for number, press in enumerate(presses):
        if press is not None:
            one = look(str(number), *press.items())
            stack.append(one)
        else:
            last = answers.last
            assert (last and last.look_id) == (stack[-1].look_id if stack else None)
            if last is None:
                continue
            stack.pop()
            one = look(str(number), undoes=last.look_id)
        answers.add(one)
        lines.append(one)
    expected: dict[Subject, Answer] = {}
    for one in stack:
        expected |= one.answers
    assert dict(answers.standing()) == expected
    for one in stack:
        assert answers.is_answered(*one.question.subjects)
    # The same lines twice, as a file that was copied onto itself, and the undoing before what it undoes.
    assert dict(Answers([*lines, *lines]).standing()) == expected
    undoing_first = sorted(lines, key=lambda one: one.undoes is None)
    assert dict(Answers(undoing_first).standing()) == expected


def test_a_pair_is_another_question_than_each_of_its_photos() -> None:
    answers = Answers([look("1", (0, Answer.KEEP), (1, Answer.DROP))])
    assert answers.is_answered(SUBJECTS[1], SUBJECTS[0])
    assert not answers.is_answered(SUBJECTS[0])
    assert answers.answer(SUBJECTS[1]) is Answer.DROP


def test_a_torn_last_line_loses_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    file = AnswerFile(path)
    file.append(look("1", (0, Answer.DROP)))
    file.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    file = AnswerFile(path)
    file.append(look("2", (1, Answer.DROP)))
    file.close()
    read = read_answers(path)
    assert read.torn == 1
    assert dict(read.answers.standing()) == {SUBJECTS[0]: Answer.DROP, SUBJECTS[1]: Answer.DROP}


@pytest.mark.integration
def test_what_was_answered_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from rawlabel.artifacts.review.answer_file import AnswerFile\n"
        "from rawlabel.artifacts.review.answers import Answer, Look, Subject\n"
        "file = AnswerFile(Path(sys.argv[1]))\n"
        "for number in range(10**6):\n"
        "    file.append(Look(str(number), 0, 'v', {Subject('s', str(number), 'c'): Answer.DROP}))\n"
        "    print(number, flush=True)\n"
    )
    path = tmp_path / "review.jsonl"
    process = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    answers = read_answers(path).answers
    assert all(answers.answer(Subject("s", str(number), "c")) is Answer.DROP for number in said)


def test_a_whole_line_that_is_no_answer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    path.write_text('{"id": "1", "at": 0, "answers": [{"source": "s", "photo_id": "1", "class_id": "c"}]}\n')
    with pytest.raises(DataError, match=r"review.jsonl, line 1: answers.0.answer"):
        read_answers(path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "birds")


def newest(project: Path) -> Manifest:
    path = newest_manifest(project)
    assert path is not None
    return read_manifest(path)


def reasons(manifest: Manifest) -> dict[str, str]:
    table = manifest.table.select(["photo_id", "reason"]).to_pylist()
    return {row["photo_id"]: row["reason"] for row in table if row["reason"]}


def test_answers_are_taken_and_counted_and_the_manifest_says_that_somebody_looked(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = AnswerFile(answers_path(project))
    said = {
        "0000": Answer.DROP,
        "0001": Answer.KEEP,
        "0002": Answer.NOT_SURE,
        "0003": Answer.DROP,
        "gone": Answer.DROP,
    }
    for photo, answer in said.items():
        file.append(Look(photo, 0, "suspects", {Subject("flickr", photo, "owl"): answer}))
    file.append(Look("undo", 0, undoes="0003"))
    file.close()
    assert run(["curate", str(project)]) == 0
    assert "2 photos that a person wants left out are not: say --drop" in capsys.readouterr().err
    assert newest(project).reviewed.looked_at == 0
    assert run(["curate", str(project), "--drop", str(answers_path(project))]) == 0
    manifest = newest(project)
    assert reasons(manifest) == {"0000": "reviewed"}
    # A look that was taken back was a look.
    assert manifest.reviewed.model_dump() == {
        "looked_at": 5, "entries": 4, "dropped": 1, "kept": 1, "not_sure": 1, "already_out": 0, "unmatched": 1,
    }  # fmt: skip
    out = capsys.readouterr().out
    assert "found 24 = kept 23 + rejected 1 + failed 0" in out
    assert "a person looked at 5 photos: 1 dropped, 1 kept, 1 not sure; no label was edited" in out
    assert photos_looked_at(project) == photos_looked_at(manifest.path) == 5
    noisy, _ = write_noisy_manifest(NoiseConfig(manifest=str(project), kind="symmetric", rate=0.3))
    assert read_manifest(noisy.path).reviewed.looked_at == 5


def test_a_list_names_photos_in_many_ways(project: Path, tmp_path: Path) -> None:
    kept = {row["photo_id"]: row for row in curate(CurateConfig(project=project)).kept().to_pylist()}
    out, _ = export(ExportConfig(project=project))
    exported = next((out / "robin").glob("1000_*"))
    digest = kept["0003"]["stored_sha256"]
    table = tmp_path / "list.csv"
    table.write_text(f"photo_id,stored_sha256,answer\n0001,,\n,{digest},drop\n0004,,keep\n", encoding="utf-8")
    lines = tmp_path / "list.jsonl"
    lines.write_text(f'"flickr:0005"\n{json.dumps({"path": str(exported)})}\n', encoding="utf-8")
    text = tmp_path / "list.txt"
    text.write_text(f"# mine\n0006\n\n{kept['0007']['path']}\nnothing\n", encoding="utf-8-sig")
    many = tmp_path / "list.json"
    many.write_text(json.dumps([{"photo_id": "1001", "class_id": "owl"}, "1002"]), encoding="utf-8")
    manifest = curate(CurateConfig(project=project, drop=(table, lines, text, many)))
    assert set(reasons(manifest)) == {"0001", "0003", "0005", "0006", "0007", "1000", "1002"}
    counts = manifest.reviewed
    assert (counts.entries, counts.dropped, counts.kept, counts.unmatched) == (10, 7, 1, 2)
    assert counts.looked_at == 8


def test_the_last_of_contradicting_entries_counts_and_the_entries_still_add_up(
    project: Path, tmp_path: Path
) -> None:
    table = tmp_path / "list.csv"
    table.write_text("id,answer\n0001,drop\n0001,keep\n0002,keep\n0002,drop\n", encoding="utf-8")
    manifest = curate(CurateConfig(project=project, drop=(table,)))
    counts = manifest.reviewed
    assert set(reasons(manifest)) == {"0002"}
    assert counts.entries == counts.dropped + counts.kept + counts.not_sure + counts.already_out + counts.unmatched
    assert (counts.dropped, counts.kept) == (2, 2)


def test_a_table_of_all_photos_is_no_list_to_drop_unless_somebody_insists(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = curate(CurateConfig(project=project)).path
    capsys.readouterr()
    assert run(["curate", str(project), "--drop", str(table)]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert f"--drop {table}: would leave out 24 of 24 photos" in err and "--drop-most" in err
    ids = [f"{number:04d}" for number in range(12)] + ["1000"]
    few, said = tmp_path / "few.txt", tmp_path / "said.csv"
    few.write_text("\n".join(ids[:12]), encoding="utf-8")
    assert len(reasons(curate(CurateConfig(project=project, drop=(few,))))) == 12
    few.write_text("\n".join(ids), encoding="utf-8")
    with pytest.raises(DataError, match="would leave out 13 of 24 photos"):
        curate(CurateConfig(project=project, drop=(few,)))
    assert len(reasons(curate(CurateConfig(project=project, drop=(few,), drop_most=True)))) == 13
    # Who says the answer means it.
    said.write_text("id,answer\n" + "".join(f"{one},drop\n" for one in ids), encoding="utf-8")
    assert len(reasons(curate(CurateConfig(project=project, drop=(said,))))) == 13


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.jsonl", None, "absent.jsonl: no such file"),
        ("list.csv", "picture\n1\n", "list.csv, line 2: names no photo"),
        ("list.csv", "id,answer\n1,perhaps\n", "list.csv, line 2: says 'perhaps'; say drop, keep or not_sure"),
        ("list.jsonl", "0001\n0002\n", "list.jsonl, line 1: is no JSON"),
        ("list.json", "{}", "list.json: holds no list"),
        ("list.parquet", "x", "list.parquet: is no Parquet file"),
        ("list.jsonl", "[1]\n", "list.jsonl, line 1: names no photo"),
    ],
)
def test_a_list_that_cannot_be_obeyed_is_one_line_and_nothing_is_written(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert run(["curate", str(project), "--drop", str(path)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert newest_manifest(project) is None


def test_export_names_lead_back_to_their_photos(project: Path) -> None:
    from rawlabel.artifacts.decision import decisions_of

    manifest = curate(CurateConfig(project=project))
    out, _ = export(ExportConfig(project=project))
    names = {export_name(one) for one in decisions_of(manifest.kept())}
    assert names == {f"{path.parent.name}/{path.name}" for path in out.glob("*/*")}


@pytest.mark.integration
def test_a_run_says_that_somebody_looked_at_its_photos(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rawlabel.chain.export_model import photos_of
    from rawlabel.judge.evaluate.fit_curves import write_fit_curves
    from rawlabel.training.around.holdout import data_of_run
    from rawlabel.training.stage import train
    from tests.helpers.tiny_training import tiny

    runs = []
    monkeypatch.chdir(project.parent)  # projects are mostly named from where they lie
    project = Path(project.name)
    chosen = tmp_path / "list.txt"
    chosen.write_text("0000\n", encoding="utf-8")
    for lists, looked_at in (((), 0), ((chosen,), 1)):
        curate(CurateConfig(project=project, holdout=0.3, drop=lists))
        given = {"main": None, "test": None, "epochs": 1, "inject_noise": 0.1}
        run_of = train(tiny(project, **given, outpath=tmp_path / f"run-{looked_at}"))
        assert run_of.summary().looked_at == looked_at
        written = json.loads((run_of.path / "summary.json").read_text())
        assert written.get("looked_at", 0) == looked_at
        runs.append(run_of)
    # Each is read with the manifest that it was trained on, though a newer one lies beside it.
    images = [len(data.train) + len(data.holdout) for data in map(data_of_run, runs)]
    assert images[0] == images[1] + 1
    shown = [photos_of(one.read()) for one in runs]
    assert [len(photos.train) + len(photos.holdout) for photos in shown] == images
    assert write_fit_curves(runs[0]) is not None

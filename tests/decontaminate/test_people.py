"""What people said of listed pairs is counted for the certificate: of leaks alone, and by what stands."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from rawlabel.artifacts.review.answer_file import AnswerFile, answers_path
from rawlabel.artifacts.review.answers import Answer, Answers, Look, Subject
from rawlabel.judge.decontaminate.listing import people_said
from rawlabel.judge.decontaminate.matches import Match
from tests.helpers.manifest_rows import kept_row, write_rows

OWL = Subject("flickr", "001", "owl")


def test_whether_a_photo_is_a_leak_is_another_question_than_its_label() -> None:
    answers = Answers([Look("1", 0, "suspects", {OWL: Answer.KEEP})])
    assert answers.is_answered(OWL) and not answers.is_answered(OWL, is_leak=True)
    answers.add(Look("2", 0, "leaks", {OWL: Answer.NOT_SURE}))
    answers.add(Look("3", 0, "suspects", {OWL: Answer.DROP}))
    assert answers.is_answered(OWL, is_leak=True)
    assert dict(answers.of_leaks()) == {OWL: Answer.NOT_SURE}
    answers.add(Look("4", 0, undoes="2"))
    assert dict(answers.of_leaks()) == {}


def test_pairs_and_leaks_that_are_out_are_counted_and_the_rest_is_left(tmp_path: Path) -> None:
    rows = [kept_row(number) for number in range(5)]
    rows.append(kept_row(5, verdict="rejected", reason="reviewed", split=None))
    manifest = write_rows(tmp_path, rows)
    # Photo 1 is listed beside two test images.
    pairs = [Match(place, test, "review", "whole", 70) for place, test in ((0, 0), (1, 0), (1, 1), (2, 0), (3, 0))]
    found = SimpleNamespace(review=pairs, source=SimpleNamespace(name=lambda row: rows[row]["path"]))
    assert people_said(manifest.path, found) == ({}, 5)  # type: ignore[arg-type]
    file = AnswerFile(answers_path(tmp_path))
    for number, (photo, view, answer) in enumerate((
        (1, "leaks", Answer.KEEP), (2, "leaks", Answer.NOT_SURE), (3, "suspects", Answer.KEEP),
        (5, "leaks", Answer.DROP),
    )):  # fmt: skip
        file.append(Look(str(number), 0, view, {Subject("flickr", f"{photo:03d}", "owl"): answer}))
    file.close()
    said = people_said(manifest.path, found)  # type: ignore[arg-type]
    assert said.counts == {"leak": 1, "no leak": 2, "unsure": 1}
    assert said.left == 3
    assert people_said(tmp_path / "folder", found).counts == {}  # type: ignore[arg-type]

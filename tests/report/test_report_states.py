"""What report and model card say of copies and of people, in each state in which a project may be; on records."""

from __future__ import annotations

import json

import pytest

from rawlabel.artifacts.certificate import FILE
from rawlabel.artifacts.review.answer_file import answers_path
from rawlabel.artifacts.run import Run
from rawlabel.base.files import read_json, write_json
from rawlabel.config import CurateConfig, ReportConfig
from rawlabel.gather.curate.stage import curate
from rawlabel.models.portable.records import Architecture, ModelRecord, Origin, Preprocessing
from rawlabel.records import ClassSpec
from rawlabel.show.model_card import card_files
from rawlabel.show.report.stage import build_report
from tests.helpers.certificates import certificate
from tests.helpers.doubted_labels import write_label_evidence
from tests.helpers.report_project import MATRIX, Found, Page, collect_by_hand, picture, write_run

SAYS = "2 of 4 candidates left out (1 copy, 1 star), 1000 of 1000 canaries caught"
NOT_OF_THESE = "no certificate speaks of these training and test images; 3 of 20 test images have a copy"
CLEAN = {"correct": 13, "accuracy": 100 * 13 / 17, "interval": [50.1, 93.2]}
COMPARED = {
    "never": None,
    "other": {"is_certified": False, "says": NOT_OF_THESE, "overlapping": 3, "clean": CLEAN},
    "these": {"is_certified": True, "says": SAYS},
}


def card_of(run):
    record = ModelRecord(
        classes=("bus", "n00000002", "R&D <b>"),
        preprocessing=Preprocessing(
            resize_shorter_side=64,
            interpolation="bicubic",
            crop_pct=1.0,
            image_size=64,
            mean=(0, 0, 0),
            std=(1, 1, 1),
        ),
        architecture=Architecture(library="timm", name="resnet10t"),
        origin=Origin(run=run.name, epoch=1, is_finished=True, rawlabel="0"),
    )
    return " ".join(card_files(Run(run), record)["README.md"].split())


def page_of(project):
    return Page(build_report(ReportConfig(project=project)).read_text("utf-8"))


def note_comparison(run, compared):
    summary = json.loads((run / "summary.json").read_text())
    summary["test"]["decontamination"] = COMPARED[compared]
    write_json(run / "summary.json", summary)


@pytest.mark.parametrize(
    ("has_certificate", "compared", "status", "on_page", "on_card"),
    [
        (False, "never", "not decontaminated", "no certificate binds these", "nobody searched the"),
        (False, "other", "not decontaminated", NOT_OF_THESE, f"Not decontaminated: {NOT_OF_THESE}"),
        (True, "never", "not decontaminated", "was not looked at; rawlabel evaluate does", "nobody searched the"),
        (True, "other", "not decontaminated", "it says nothing of the accuracy", "another test set or other"),
        (True, "these", "decontaminated", SAYS, f"Decontaminated (`decontamination.json`): {SAYS}"),
    ],
    ids=["none", "none, compared", "not compared", "of others", "of these"],
)  # fmt: skip
def test_a_certificate_counts_for_the_photos_and_test_set_it_names(
    project, run, has_certificate, compared, status, on_page, on_card
):
    note_comparison(run, compared)
    if has_certificate:
        write_json(run / FILE, [certificate().as_json()])
    shown = page_of(project)
    section = shown.section("certificate")
    assert section.startswith(f"Were test photos trained on? {status} ")
    assert on_page in section
    assert ("Certificate for the test set" in section) == has_certificate
    assert ("nothing of the accuracy on this page" in section) == (has_certificate and compared == "other")
    card = card_of(run)
    assert on_card in card
    assert ("There is a certificate for" in card) == (has_certificate and compared != "these")
    assert ("on the others this model has 76.47 %" in card) == (compared == "other")


def test_a_certificate_before_any_measurement_speaks_of_no_accuracy(project, manifest):
    run = write_run(project, manifest, evaluated=False)
    write_json(run / FILE, [certificate().as_json()])
    section = page_of(project).section("certificate")
    assert "no test set has been measured" in section
    assert "No accuracy has been measured of which it could speak" in section
    assert "Not yet known: no test set was measured" in card_of(run)


def test_nobody_looked_stays_true_until_answers_make_a_new_set(project, run, manifest):
    write_label_evidence(run, manifest)
    untouched = page_of(project)
    assert "nobody labelled a photo by hand" in untouched.text
    assert "and nobody looked at the photos." in card_of(run)
    # Answers that nobody applied had no part in the set, and are told.
    subject = {"source": "flickr", "photo_id": "b0", "class_id": "bus", "answer": "drop"}
    look = {"id": "one", "at": 1, "view": "suspects", "answers": [subject]}
    answers_path(project).write_text(json.dumps(look) + "\n")
    asked = page_of(project)
    assert "nobody labelled a photo by hand" in asked.text
    assert "answered about 1 photo in rawlabel review; that changes nothing until" in asked.section(
        "label-evidence"
    )
    reviewed = curate(CurateConfig(project=project, holdout=0.2, drop=(str(answers_path(project)),)))
    new = write_run(project, reviewed, name="second")
    write_label_evidence(new, reviewed)
    shown = Page(build_report(ReportConfig(project=project, run=new)).read_text("utf-8"))
    said = "a person looked at 1 photo: 1 dropped, 0 kept, 0 not sure; no label was edited"
    assert "nobody labelled a photo" not in shown.text and "nobody has looked" not in shown.text
    assert said in shown.text and f"Reviewed: {said}" in shown.section("label-evidence")
    assert "answered about" not in shown.section("label-evidence")
    card = card_of(new)
    assert f"The set is not without any person's work: {said}." in card and "nobody looked" not in card


def test_a_card_has_no_estimate_that_missed_and_no_top_5_of_three_classes(run, manifest):
    assert "which raw labels to doubt was not looked for" in card_of(run)
    write_label_evidence(run, manifest)
    card = card_of(run)
    assert "3 of 15 photos look more like another class than like their raw label" in card
    assert "wrong raw labels, by" not in card and "top-5" not in card
    assert "| this model (epoch 1) | 75.00 % | 50.90 to 91.34 % |" in card


def test_a_card_of_a_run_on_a_folder_does_not_speak_of_keywords(run):
    starts = json.loads((run / "environment.json").read_text())
    starts[0]["data"] = {"origin": str(run / "predictions.parquet"), "fingerprint": "f"}
    write_json(run / "environment.json", starts)
    card = card_of(run)
    assert "on the labels that came with its photos; who gave these is not recorded." in card
    assert "keyword whose search" not in card


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (None, "no classifier was trained on them yet; train one with rawlabel train --root "),
        (
            {"finished": False},
            "the training has not ended (3 of 4 epochs); the same rawlabel train command goes on",
        ),
        (
            {"evaluated": False, "test": False},
            "(it gives 36.0 % of 3 held-out photos their raw label, some of which",
        ),
        ({"evaluated": False}, "to measure it, run rawlabel evaluate "),
        (
            {},
            "names 75.0 % of 20 test photos rightly (50.9 to 91.3 %); it is worst at bus (6 of 10 right",
        ),
    ],
    ids=["no run", "stopped", "no test set", "not evaluated", "measured"],
)
def test_the_sentence_at_the_top_says_what_is_known_and_what_to_do(project, manifest, state, says):
    if state is not None:
        run = write_run(project, manifest, **state)
        starts = json.loads((run / "environment.json").read_text())
        write_json(run / "environment.json", [starts[0] | {"holdout_images": 3}])
    sentence = page_of(project).section("sentence").replace("\xa0", " ")
    assert says in sentence
    assert sentence.startswith("The classifier names" if state == {} else "15 of 24 search results were kept; ")


def test_the_sentence_at_the_top_names_a_class_without_photos(tmp_path):
    classes = [ClassSpec(name, name, (name,)) for name in ("bus", "tram", "ferry")]
    results = {(name, name): [Found(f"{name}{i}", picture(i + 50 * n)) for i in range(6)] for n, name in
               enumerate(("bus", "tram"))}  # fmt: skip
    collect_by_hand(tmp_path, classes, {**results, ("ferry", "ferry"): [Found("gone", None)]})
    manifest = curate(CurateConfig(project=tmp_path, holdout=0.2))
    assert (
        page_of(tmp_path).section("sentence").startswith("12 of 13 search results were kept, and ferry has none;")
    )
    write_run(tmp_path, manifest, matrix=MATRIX[:2, :2])
    said = page_of(tmp_path).section("sentence")
    assert "it does not know ferry, of which no photo was kept; it is worst at bus (6 of 10 right, taken" in said


@pytest.mark.parametrize("folder", ["", "frozen"])
def test_what_choosing_the_head_cost_stands_beside_the_accuracies(project, run, folder):
    """Also of a fine-tuned run, whose head was chosen in a folder of its own."""
    assert "Cost of choosing the head" not in page_of(project).text
    (run / folder).mkdir(exist_ok=True)
    mean = {"mean": 80.0, "standard_error": 2.5}
    tried = [{"text": text, "accuracy": mean, "loss": mean, "above": mean} for text in ("firm", "soft")]
    write_json(run / folder / "choice.json", {"photos": 9, "folds": 5, "chosen": 1, "candidates": tried})
    missing = page_of(project).section("head-choice")
    assert "not yet measured" in missing and f"rawlabel evaluate {run} measures it" in missing
    summary = read_json(run / "summary.json", "a summary")
    chosen, oracle = {"head": "soft", "accuracy": 88.25}, {"head": "firm", "accuracy": 89.0}
    summary["test"]["choice"] = {"chosen": chosen, "oracle": oracle, "regret": 0.75}
    write_json(run / "summary.json", summary)
    assert page_of(project).section("head-choice") == (
        "Cost of choosing the head 0.75 points of 2 heads, raw labels chose soft, which has 88.25 % test accuracy "
        "when the candidates are fitted anew, 0.75 points below the oracle's (firm: 89.00 %), which nobody could "
        "have chosen"
    )
    assert read_json(project / "report.json", "numbers")["head_choice"]["cost"]["regret"] == 0.75


def test_an_oracle_that_is_no_epoch_is_called_by_its_weights(project, run):
    summary = read_json(run / "summary.json", "a summary")
    summary["test"]["oracle"]["weights"] = "averaged"
    write_json(run / "summary.json", summary)
    shown = page_of(project).section("accuracy-oracle")
    assert "Test accuracy of the best weights" in shown and "14 of 20 images; averaged weights, the best" in shown
    assert "| oracle (averaged weights) | 70.00 % |" in card_of(run)

"""The page as its reader gets it: read back with an HTML parser."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rawlabel.artifacts.manifest import read_manifest, write_manifest
from rawlabel.artifacts.run_records import LeftOutCopies
from rawlabel.base.files import read_json, write_json
from rawlabel.cli import run as run_command
from rawlabel.config import (
    CurateConfig,
    DecontaminateConfig,
    NoiseConfig,
    PruneConfig,
    RebuildConfig,
    ReportConfig,
)
from rawlabel.errors import DataError
from rawlabel.gather.curate.stage import curate
from rawlabel.records import ClassSpec
from rawlabel.show.report import page
from rawlabel.show.report.evidence import read_collection
from rawlabel.show.report.provenance import trace
from rawlabel.show.report.stage import build_report
from tests.helpers.doubted_labels import write_groups, write_label_evidence
from tests.helpers.report_project import (
    HOSTILE_TITLE,
    Found,
    Page,
    collect_by_hand,
    noise_picture,
    picture,
    read_log,
    write_run,
)


def read_page(project, **settings):
    return Page(build_report(ReportConfig(project=project, **settings)).read_text("utf-8"))


def test_the_result_stands_first_with_intervals_and_image_counts(project, run):
    shown = read_page(project)
    verdict = shown.section("verdict")
    assert "epoch 1 rule noisy_holdout: highest mean; epochs count from 0 to 3" in verdict
    # 15 of 20: the exact limits, from tables of the beta distribution.
    chosen = shown.section("accuracy-selected")
    assert "75.00\xa0%" in shown.texts["accuracy-selected"]
    assert "50.90 % to 91.34 %; 15 of 20 images; epoch 1" in chosen
    assert "10 of 20 images; epoch 3" in shown.section("accuracy-last")
    assert "nobody could have chosen" in shown.section("accuracy-oracle")
    assert "What chose the epoch saw raw labels alone" in verdict
    assert "another one, which differs by chance alone, may lie outside" in verdict
    for fact in ("7", "0123456789ab", "Example Processor 9000", "2026-01-02T03:04:05Z"):
        assert fact in verdict


def test_counts_on_the_page_are_the_manifests_and_add_up(project, manifest):
    shown = read_page(project)
    header, *rows = shown.tables["funnel-table"]
    opens = [one for one in shown.all("button") if "data-group" in one]
    expected = {row["class_id"]: row for row in manifest.funnel.as_json()}
    labels = {"bus": "bus", "tram (n00000002)": "n00000002", "R&D <b>": "R&D <b>", "all classes": "all"}
    assert {row[0] for row in rows} == set(labels)
    for row in rows:
        cells, counts = dict(zip(header, row, strict=True)), expected[labels[row[0]]]
        for column in ("found", "kept", "rejected", "failed"):
            assert int(cells[column]) == counts.get(column, 0)
        lost = {key: count for key, count in counts.items() if ":" in key}
        assert int(cells["found"]) == int(cells["kept"]) + sum(lost.values())
        # Each reason has a count that opens its photos; those of all classes are named by no class.
        label = "" if row[0] == "all classes" else row[0]
        opened = {one["data-group"]: int(one["data-count"]) for one in opens if one["data-cls"] == label}
        assert {
            key.replace(":", ": ").replace("_", " "): count for key, count in lost.items()
        }.items() <= opened.items()
    total = expected["all"]
    line = (
        f"found {total['found']} = kept {total['kept']} + rejected {total['rejected']} + failed {total['failed']}"
    )
    assert shown.section("sum-line") == line


def test_keywords_say_what_the_site_reported_and_what_was_found_and_kept(project):
    rows = {row[1]: row[3:6] for row in read_page(project).tables["keyword-table"]}
    assert rows["bus"][:2] == ["500", "12"]
    # The photo and the copy that the second keyword found had been found by the first.
    assert rows["streetcar"] == ["500", "2", "0"]


def test_classes_that_share_photos_are_paired(project, run):
    (pair,) = read_page(project).tables["shared-table"][1:]
    # One photo under both classes, and one picture in two photos; 4 + 1 test images confused.
    assert pair[0] == "bus – tram (n00000002)"
    assert pair[2:] == ["2", "1", "1", "5"]


def test_text_from_photo_sites_is_inert(project, run):
    shown = read_page(project, photos_per_class=50)
    (script,) = re.findall("<script>(.*?)</script>", shown.html, re.DOTALL)
    assert len(script) < 50_000
    assert "alert" not in script
    assert not [name for _, attrs in shown.tags for name in attrs if name.startswith("on")]
    title = HOSTILE_TITLE.replace("\u202e", "")
    assert title in shown.text
    assert f"{title}, found for bus" in [image["alt"] for image in shown.all("img")]
    assert "\u202e" not in shown.html
    assert not [address for address in links(shown) if not re.match(r"https?://|#", address)]
    assert "https://photos.example/b0" in links(shown)


def links(shown):
    return [attrs["href"] for attrs in shown.all("a")]


def test_nothing_is_loaded_from_anywhere(project, run):
    shown = read_page(project, photos_per_class=50)
    loading = {"src", "srcset", "poster", "background", "action", "data", "xlink:href"}
    sources = [attrs[name] for _, attrs in shown.tags for name in loading & set(attrs)]
    assert sources
    assert all(one.startswith("data:image/webp;base64,") for one in sources)
    assert not [tag for tag, attrs in shown.tags if tag != "a" and "href" in attrs]
    assert "url(" not in shown.html
    assert "@import" not in shown.html
    outside = [attrs for attrs in shown.all("a") if not attrs["href"].startswith("#")]
    assert {attrs["rel"] for attrs in outside} == {"noopener noreferrer nofollow"}


def test_the_policy_allows_one_style_and_one_script_by_their_digests(project):
    shown = read_page(project)
    (policy,) = (one["content"] for one in shown.all("meta") if "http-equiv" in one)
    style = re.search("<style>(.*?)</style>", shown.html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["style-src"] == f"'sha256-{digest}'"
    script = re.search("<script>(.*?)</script>", shown.html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert not [attrs for _, attrs in shown.tags if "style" in attrs]


def test_every_picture_has_a_text_and_every_anchor_a_target(project, run):
    shown = read_page(project)
    assert all(image.get("alt") for image in shown.all("img"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") or "viewbox" in svg for svg in shown.all("svg"))
    ids = [attrs["id"] for _, attrs in shown.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in links(shown) if address.startswith("#")} <= set(ids)


def test_the_montage_shows_kept_rejected_and_failed_with_attribution(project):
    shown = read_page(project, photos_per_class=50)
    tiles = [attrs["class"].split()[1] for attrs in shown.all("li") if attrs.get("class", "").startswith("tile ")]
    assert (tiles.count("kept"), tiles.count("rejected"), tiles.count("failed")) == (15, 8, 1)
    for text in ("by author b0", "CC BY 2.0", "result 1 for “bus”", "rejected: too small", "failed: http gone"):
        assert text in re.sub(" ,", ",", shown.text)
    assert "the photo is gone (HTTP 404 or 410)" in shown.section("montage")


def test_terms_of_the_trade_stand_in_the_words_alone_which_explain_them(project, run):
    shown = read_page(project)
    words = shown.section("words")
    for term in ("raw label", "held out", "oracle", "95 % interval", "decontaminated", "Clopper"):
        assert term in words
    for term in ("Clopper", "calibrated", "augmentation", "Top-1", "frozen network"):
        assert shown.text.count(term) == words.count(term), term


def test_curves_mark_the_selected_the_last_and_the_oracle_epoch(project, run):
    shown = read_page(project)
    section = shown.section("curves")
    for text in ("selected: epoch 1", "oracle: epoch 2", "last: epoch 3", "lr 0.005"):
        assert text in section
    rows = shown.tables["epoch-table"][1:]
    assert [row[5] for row in rows] == [f"{entry['test']['acc1']:.2f}\xa0%" for entry in read_log(run)]
    assert [row[6] for row in rows] == ["", "selected", "oracle", "last"]
    lines = [line for line in shown.all("polyline") if "test" in line["class"]]
    # 40, 60, 70, 50 % between the axis limits 30 and 70 %.
    assert [line["points"] for line in lines] == ["0.00,75.00 33.33,25.00 66.67,0.00 100.00,50.00"]


def test_class_accuracies_are_sorted_and_untested_classes_named(project, run):
    shown = read_page(project)
    rows = shown.tables["accuracy-table"][1:]
    assert [(row[0], row[4]) for row in rows] == [("tram (n00000002)", "9 of 10"), ("bus", "6 of 10")]
    assert rows[1][3] == "26.2\xa0% to 87.8\xa0%"
    assert "Without a test image: R&D <b>." in shown.section("class-accuracy")


def test_confusions_show_test_and_training_photos(project, run):
    shown = read_page(project)
    section = shown.section("confusions")
    assert "bus → tram (n00000002) 4 of 10 test images of bus were taken for tram (n00000002): 40.0 %" in section
    assert section.index("bus → tram") < section.index("tram (n00000002) → bus")
    alts = [image["alt"] for image in shown.all("img")]
    assert alts.count("test photo of bus, taken for tram (n00000002)") == 4
    assert 1 <= alts.count("training photo with the raw label tram (n00000002)") <= 4


def test_doubted_labels_are_counted_and_shown_and_no_share_is_estimated(project, run, manifest):
    assert "rawlabel labels" in read_page(project).section("label-evidence")
    write_label_evidence(run, manifest)
    shown = read_page(project)
    section = shown.section("label-evidence")
    assert section.startswith("Which labels to doubt 3 of ")
    assert "look more like another class" in section
    # 3 of 30 intervals of such shares held the truth where it is known, so none is shown.
    assert "interval" not in section
    assert shown.tables["mistake-table"][1][:3] == ["bus", "tram (n00000002)", "3"]
    assert shown.tables["ambiguous-table"][1][0] == "bus"
    assert shown.tables["ambiguous-table"][1][2:] == ["photos go mostly to one other class", "tram (n00000002)"]
    doubted = [one for one in shown.all("li") if one.get("data-kind") == "suspect"]
    assert {(one["data-label"], one["data-like"]) for one in doubted} == {("bus", "tram (n00000002)")}
    assert "no person's answer had a part in this set" in section


def test_what_labels_counted_in_training_is_shown(project, run, manifest):
    write_label_evidence(run, manifest)
    assert "counted" not in read_page(project).section("label-evidence")
    kept = manifest.kept().select(["path", "class_id"]).to_pylist()
    doubted = [one["path"] for one in kept if one["class_id"] == "bus"][:2]
    rows = [
        (one["path"], "train", 0.25, "witnesses_prefer_another") if one["path"] in doubted
        else (one["path"], "train", 1.0, "witnesses_agree")
        for one in kept
    ]  # fmt: skip
    columns = dict(zip(("name", "part", "weight", "reason"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table(columns), run / "label_weights.parquet")
    section = read_page(project).section("label-evidence")
    assert f"likeliest for {len(kept) - 2} of {len(kept)} photos; the others" in section
    assert "counted 0.25 of a photo in the mean" in section
    assert section.count("counted 0.25 in training") == 2 and section.count("counted 1.00 in training") == 1
    (run / "label_weights.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="is no table of what labels count; train again"):
        read_page(project)


def test_the_first_sentence_says_how_right_what_is_worst_and_what_helps(project, run, manifest):
    shown = read_page(project)
    said = shown.section("sentence")
    assert "names 75.0 % of 20 test photos rightly (50.9 to 91.3 %)" in said
    assert "it is worst at bus (6 of 10 right, taken for tram (n00000002) 4 times)" in said
    # One photo and one picture of twelve were found for both.
    assert "both searches return the same photos (2)" in said
    numbers = json.loads((project / "report.json").read_text())
    assert " ".join(said.split()).startswith(numbers["sentence"]["how_right"].replace("\xa0", " "))
    shutil.rmtree(run)
    write_run(project, manifest, evaluated=False)
    assert "has not been measured; to measure it, run rawlabel evaluate" in read_page(project).section("sentence")


def test_every_number_that_is_drawn_is_in_the_json_beside_the_page(project, run):
    read_page(project)
    numbers = json.loads((project / "report.json").read_text())
    assert [one["test"]["acc1"] for one in numbers["curves"]["epochs"]] == [40.0, 60.0, 70.0, 50.0]
    assert numbers["class_accuracies"]["rows"][1]["correct"] == 6
    counts = [[cell["count"] for cell in row] for row in numbers["confusions"]["heat_map"]["cells"]]
    assert sorted(count for row in counts for count in row) == [1, 4, 6, 9]
    assert numbers["funnel"]["total"]["found"] == sum(one["found"] for one in numbers["funnel"]["classes"])
    assert "data:image" not in (project / "report.json").read_text()


def test_rules_show_what_each_would_have_chosen_with_the_signals_of_the_log(project, run):
    rows = {row[0]: row[1:] for row in read_page(project).tables["rules-table"][1:]}
    assert rows["noisy holdout (of this run)"][:2] == ["1", "60.00\xa0%"]
    assert rows["last epoch"][:2] == ["3", "50.00\xa0%"]
    assert rows["gwa"][0] == "–"
    assert rows["gwa"][2].startswith("the log has no alignment")


def test_groups_of_suspects_and_what_is_nearest_to_a_confusion_are_shown(project, run, manifest):
    write_label_evidence(run, manifest)
    assert "Photos labeled bus that look like tram (n00000002) author" in read_page(project).section("confusions")
    write_groups(run, manifest)
    shown = read_page(project)
    section = shown.section("label-evidence")
    assert "6 of the 8 suspected photos (no count of wrong labels) are in 2 groups" in section
    assert "3 photos labeled bus look like tram (n00000002) Found by “bus <i>” (3)." in section
    assert "3 photos labeled R&D <b> look like none of the classes" in section
    tiles = [one for one in shown.all("li") if "data-kind" in one]
    grouped = [(one["data-label"], one["data-like"]) for one in tiles if one["data-kind"] == "group"]
    assert grouped == [("bus", "tram (n00000002)")] * 3 + [("R&D <b>", "")] * 3
    (near,) = {(one["data-true"], one["data-predicted"]) for one in tiles if one["data-kind"] == "responsible"}
    assert near == ("bus", "tram (n00000002)")
    confusions = shown.section("confusions")
    assert "Training photos labeled tram (n00000002) that look most like them" in confusions
    assert [f"near {n} of 4" in confusions for n in (4, 3, 2, 1)] == [True, True, True, False]
    numbers = json.loads((project / "report.json").read_text())
    assert [one["count"] for one in numbers["groups"]["groups"]] == [3, 3]


@pytest.mark.parametrize("name", ["label_groups.json", "responsible.json"])
def test_damaged_evidence_names_its_file(project, run, manifest, name):
    write_label_evidence(run, manifest)
    (run / name).write_text('{"groups": 1}')
    with pytest.raises(DataError, match=name):
        build_report(ReportConfig(project=project))


def test_simulated_photos_say_so_show_the_truth_and_link_to_nobody(project, run, manifest):
    settings = json.loads((project / "collect.json").read_text())
    write_json(project / "collect.json", settings | {"base_url": ["http://127.0.0.1:1/"], "allow_loopback": True})
    ids = set(manifest.table["photo_id"].to_pylist())
    truth = {one: {"content": "bus"} for one in ids}
    truth[manifest.kept()["photo_id"][0].as_py()]["copy_of_test"] = "bus/1.png"
    write_json(project / "truth.json", {"photos": truth})
    shown = read_page(project, photos_per_class=50)
    assert re.search(r"of 1 collected photos? that .* 0 were found and left out, 1 was missed", shown.text)
    assert "Simulated photos" in shown.text
    assert re.search(r"[0-9]+ of 15 kept raw labels are right", shown.text)
    assert "site’s truth: bus" in shown.text
    assert not [address for address in links(shown) if not address.startswith("#")]


def test_what_does_not_fit_lies_beside_the_page_and_old_lists_go(project, run, monkeypatch):
    folder = project / "report_photos"
    monkeypatch.setattr("rawlabel.show.report.photos.more.MOST_KEPT", 1)
    shown = read_page(project, photos_per_class=1)
    (first,) = (one for one in shown.all("a") if one.get("data-cls") == "bus")
    listed = Page((project / first["href"]).read_text("utf-8"))
    kept = next(row[3] for row in shown.tables["funnel-table"] if row[0] == "bus")
    assert len(listed.all("li")) == int(kept)
    assert all((folder / one["src"]).is_file() for one in listed.all("img"))
    assert HOSTILE_TITLE.replace("\u202e", "") in listed.text
    assert not listed.all("script")
    monkeypatch.undo()
    read_page(project)
    assert not folder.exists()


def test_confusions_without_the_test_folder_say_so(project, run):
    shutil.rmtree(project / "test")
    shown = read_page(project)
    assert "is not there any more" in shown.section("confusions")
    assert not [image for image in shown.all("img") if image["alt"].startswith("test photo")]


def test_files_outside_the_test_folder_are_not_shown(project, run):

    table = pq.read_table(run / "predictions.parquet")
    (project / "secret.png").write_bytes(picture(5, 32, "PNG"))
    table = table.set_column(0, "file", pa.array(["../secret.png"] * table.num_rows))
    pq.write_table(table, run / "predictions.parquet")
    shown = read_page(project)
    assert not [image for image in shown.all("img") if image["alt"].startswith("test photo")]


def test_provenance_has_commands_that_the_command_line_takes_and_no_private_address(project, run):
    shown = read_page(project)
    commands = shown.texts["commands"].strip().splitlines()
    assert [line.split()[1] for line in commands] == ["collect", "curate", "train", "evaluate", "report"]
    assert (
        commands[2]
        == f"rawlabel train --root {project} --test test --epochs 4 --lr 0.05 --decay-epochs 2 --seed 7"
    )
    assert commands[3] == f"rawlabel evaluate {run}"
    # Three photos came with a license address that is no web address.
    assert shown.tables["license-table"][1:] == [["CC BY 2.0", "12"], ["CC BY 2.0", "3"]]
    assert "me@example.org" not in shown.html
    assert ["packages.torch", "2.11.0"] in shown.tables["environment-table"]


def test_a_collection_without_a_run_has_a_page(project):
    shown = read_page(project)
    assert "There is no training run yet" in shown.text
    for section in ("verdict", "curves", "class-accuracy", "confusions"):
        assert "not yet measured" in shown.section(section).lower()


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"evaluated": False}, "run rawlabel evaluate"),
        ({"evaluated": False, "test": False}, "--test FOLDER with photos that somebody checked"),
        ({"finished": False}, "The training is not finished: 3 of 4 epochs are logged"),
    ],
    ids=["not evaluated", "no test set", "not finished"],
)
def test_a_run_without_evaluation_has_its_curves_and_says_what_is_missing(project, manifest, state, says):
    write_run(project, manifest, **state)
    shown = read_page(project)
    assert says in re.sub(r"\s+", " ", shown.text)
    assert "epoch 1" in shown.section("verdict")
    assert "not yet measured" in shown.section("accuracy-selected")
    assert len(shown.tables["epoch-table"]) == (4 if "finished" in state else 5)
    assert ("Not measured in this run: test" in shown.section("curves")) == ("test" in state)


def test_the_newest_run_is_taken_unless_one_is_named(project, manifest):
    old, new = write_run(project, manifest, name="old"), write_run(project, manifest, name="new")
    for run, time in ((old, 1_000), (new, 2_000)):
        for name in ("log.json", "summary.json"):
            os.utime(run / name, (time, time))
    assert f"evaluate {new}" in read_page(project).text
    assert f"evaluate {old}" in read_page(project, run=old).text


def test_a_run_that_left_copies_of_test_images_out_was_trained_on_the_manifest(project, manifest, run):
    summary = read_json(run / "summary.json", "a summary")
    write_json(run / "summary.json", summary | {"data": "0" * 64})
    assert "trained on other data" in read_page(project).text
    photos = [row["path"] for row in manifest.kept().to_pylist()]
    left_out = LeftOutCopies(data=manifest.fingerprint, rows=(0,), images=(photos[0],))
    write_json(run / "test_copies.json", left_out.as_json())
    shown = read_page(project)
    assert "trained on other data" not in shown.text
    assert [image for image in shown.all("img") if image["alt"].startswith("training photo")]


def test_inputs_that_do_not_belong_together_are_pointed_out(project, run):
    curate(CurateConfig(project=project, holdout=0.3))
    with_other = read_page(project)
    assert "trained on other data than the manifest shown here" in with_other.text
    assert not [image for image in with_other.all("img") if image["alt"].startswith("training photo")]
    keywords = {"bus": ("bus",), "n00000002": ("tram", "streetcar"), "R&D <b>": ("lab",)}
    classes = [ClassSpec(class_id, class_id, words) for class_id, words in keywords.items()]
    later = {
        (class_id, word): [Found("later", picture(77))] for class_id, words in keywords.items() for word in words
    }
    collect_by_hand(project, classes, later)
    assert "catalogue has changed since the curation" in read_page(project).text


@pytest.mark.integration
def test_the_same_inputs_give_the_same_bytes(project, run, tmp_path):
    first = build_report(ReportConfig(project=project)).read_bytes()
    program = (
        "import sys; from pathlib import Path; from rawlabel.config import ReportConfig; "
        "from rawlabel.show.report.stage import build_report; "
        "build_report(ReportConfig(project=Path(sys.argv[1]), out=Path(sys.argv[2]))); "
        "assert not {'torch', 'timm'} & set(sys.modules)"
    )
    second = tmp_path / "elsewhere" / "again.html"
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, str(project), str(second)], check=True, env=environment)
    assert second.read_bytes() == first


@pytest.mark.integration
def test_many_classes_get_fewer_photos_so_that_the_page_stays_small(tmp_path, monkeypatch):
    assert page.MOST_BYTES <= 15_000_000
    noise = np.random.default_rng(0)
    classes = [ClassSpec(f"class {i}", f"class {i}", (f"word {i}",)) for i in range(10)]
    facts = {"title": '<&"' * 60, "author": '"' * 300, "page_url": "https://photos.example/?" + "&a" * 200}

    results = {
        (one.class_id, one.keywords[0]): [
            Found(f"{one.class_id}-{i}", noise_picture(noise), facts) for i in range(6)
        ]
        for one in classes
    }
    collect_by_hand(tmp_path, classes, results)
    curate(CurateConfig(project=tmp_path))
    whole = build_report(ReportConfig(project=tmp_path, photos_per_class=6))
    assert "were asked for" not in whole.read_text("utf-8")
    limit = whole.stat().st_size // 2
    monkeypatch.setattr(page, "MOST_BYTES", limit)
    less = build_report(ReportConfig(project=tmp_path, photos_per_class=6))
    assert limit / 3 < less.stat().st_size <= limit
    shown = Page(less.read_text("utf-8"))
    per_class = len(shown.all("img")) // len(classes)
    assert 1 <= per_class < 6
    assert f"6 photos of each class were asked for; {per_class} are shown" in shown.section("montage")
    monkeypatch.setattr(page, "MOST_BYTES", 60_000)
    none = read_page(tmp_path, photos_per_class=6)
    assert not none.all("img")
    assert "No photos are shown" in none.section("montage")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", b"{"),
        ("summary.json", b'{"rule": "last_epoch"}'),
        ("summary.json", b"[]"),
        ("log.json", b'[{"epoch": 0, "train": {"acc1": "much"}}]'),
        ("log.json", b'[{"epoch": 0, "test": {"acc1": NaN}}]'),
        ("config.json", b'{"epochs": "many"}'),
        ("environment.json", b'{"a": 1}'),
        ("confmat.npy", b"\x93NUMPY nothing"),
        ("idx2cls.json", b'{"0": "bus"}'),
        ("predictions.parquet", b"PAR1"),
    ],
)
def test_a_damaged_run_is_one_line_that_names_the_file(project, run, name, content):
    (run / name).write_bytes(content)
    with pytest.raises(DataError, match=re.escape(name)) as caught:
        build_report(ReportConfig(project=project))
    assert "\n" not in str(caught.value)
    assert not (project / "report.html").exists()


def test_damaged_counts_are_found(project, run):
    np.save(run / "confmat.npy", np.eye(3, dtype=int))
    with pytest.raises(DataError, match=r"confmat\.npy"):
        build_report(ReportConfig(project=project))


def test_photos_that_are_gone_leave_a_tile_that_says_so(project):
    shutil.rmtree(project / "images")
    shown = read_page(project)
    assert not shown.all("img")
    assert "file missing or unreadable" in shown.section("montage")


def test_the_command_writes_the_page_and_names_what_is_missing(project, run, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert (
        run_command(["report", str(project), "--run", str(run), "--out", str(out), "--photos-per-class", "0"]) == 0
    )
    assert capsys.readouterr().out == f"report: {out}\nnumbers: {out.with_suffix('.json')}\n"
    assert "No photos were asked for" in Page(out.read_text("utf-8")).section("montage")
    assert run_command(["report", str(tmp_path / "nowhere")]) == 2
    assert "run `rawlabel collect` first" in capsys.readouterr().err
    shutil.rmtree(project / "manifests")
    assert run_command(["report", str(project)]) == 2
    assert "run `rawlabel curate` first" in capsys.readouterr().err
    assert run_command(["report", str(project), "--run", str(tmp_path)]) == 2


@pytest.mark.integration
def test_the_page_reads_what_the_stages_write(tmp_path):
    from rawlabel.config import CollectConfig, EvaluateConfig, PhotoSiteConfig, TrainConfig
    from rawlabel.gather.collect.stage import collect
    from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
    from rawlabel.training.stage import train
    from rawlabel_photo_site.web.server import running
    from rawlabel_photo_site.world.site import PhotoSite

    project = tmp_path / "digits"
    site = PhotoSite.build(PhotoSiteConfig(per_class=24))
    names = site.classes[:4]
    site.write_test_set(project / "test", names)
    for folder in (project / "test").iterdir():
        for left_out in sorted(folder.iterdir())[8:]:
            left_out.unlink()
    (tmp_path / "classes.txt").write_text("\n".join(names) + "\n", "utf-8")
    with running(site) as served:
        settings = CollectConfig(
            classes=tmp_path / "classes.txt",
            project=project,
            source=("flickr",),
            base_url=(served.base_url,),
            allow_loopback=True,
        )
        collect(settings, api_key="any")
    curate(CurateConfig(project=project))
    network = {"model": "cifar_resnet8", "image_size": 32, "augment": "crop"}
    config = TrainConfig(root=project, test="test", epochs=2, lr=0.01, seed=0, **network)
    run = train(config, make_epoch_evaluator)
    test = evaluate(EvaluateConfig(run=run.path)).test
    assert run_command(["report", str(project)]) == 0
    shown = Page((project / "report.html").read_text("utf-8"))
    peers = shown.tables["peer-table"][1:]
    assert [row[0].split(",")[0] for row in peers] == ["the run", "linear", "nearest neighbors"]
    assert all("%" in row[2] and "%" in row[3] for row in peers)
    assert "independent peer, are not yet measured" in shown.section("peers-missing")
    written = (run.path / "probe.json").stat().st_mtime_ns
    assert run_command(["report", str(project)]) == 0
    assert (run.path / "probe.json").stat().st_mtime_ns == written  # measured once
    ledger = (run.path / "test-ledger.jsonl").read_text().splitlines()
    assert [json.loads(line)["by"] for line in ledger] == ["evaluate", "probe"]
    for name in ("selected", "last", "oracle"):
        assert f"{getattr(test, name).top1.accuracy:.2f}\xa0%" in shown.texts[f"accuracy-{name}"]
    assert len(shown.tables["epoch-table"]) == 3
    assert any(image["alt"].startswith("test photo of") for image in shown.all("img"))
    assert any(image["alt"].startswith("training photo") for image in shown.all("img"))


@pytest.mark.parametrize(
    "section",
    [
        DecontaminateConfig(test="clean photos"),
        NoiseConfig(rate=0.3),
        PruneConfig(most_gone=0.9),
        RebuildConfig(resize=200),
    ],
    ids=lambda section: type(section).__name__,
)
def test_a_manifest_that_another_verb_made_is_shown_with_both(project, run, manifest, section):
    """Settings of `decontaminate` were taken for unknown ones of `curate`, and no report was made."""
    verb = type(section).__name__.removesuffix("Config").lower()
    settings = section.as_json() | ({"injected": {"seed": 1}} if verb == "noise" else {})
    made = read_manifest(manifest.path).table.slice(1)
    write_manifest(
        project, made, manifest.all_classes, config=settings, catalogue_fingerprint="", parent=manifest.fingerprint
    )
    commands = trace(read_collection(project), None, ReportConfig(project=project)).commands
    assert [one.split()[1] for one in commands] == ["collect", "curate", verb, "report"]
    assert build_report(ReportConfig(project=project, run=run)).is_file()

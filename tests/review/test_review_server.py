"""The review page's server: nobody else is answered, every answer is kept, and nothing is asked twice."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.review_order import chance, is_wrong_of, look
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from rawlabel.artifacts.copies.listed import EQUAL, FILE, LOOK_ALIKE, ListedCopy, table_of_copies
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import Manifest, newest_manifest, read_manifest
from rawlabel.artifacts.review.answer_file import AnswerFile, answers_path, read_answers
from rawlabel.artifacts.review.answers import Answer
from rawlabel.artifacts.review.photo_groups import PhotoGroup, PhotoGroups
from rawlabel.cli.command import run
from rawlabel.config import CollectConfig, CurateConfig, PhotoSiteConfig
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate.stage import curate
from rawlabel.show.review.index import evidence_of, open_index
from rawlabel.show.review.pictures import Pictures
from rawlabel.show.review.session import Session
from rawlabel.show.review.stage import FOLDER, open_session
from rawlabel_photo_site.web.server import running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.formats_project import SECRET
from tests.helpers.formats_project import picture as written
from tests.helpers.review_server import TOKEN, Served, serving


def rows(questions: list) -> list[list[int]]:
    return [[card["row"] for card in one["photos"]] for one in questions]


def test_suspects_come_most_suspicious_first_and_never_twice(served: Served) -> None:
    first = served.queue()
    assert [one["suspicion"] for one in first] == sorted((one["suspicion"] for one in first), reverse=True)
    (row,) = rows(first)[0]
    status, progress = served.answer({row: "keep"})
    assert (status, progress["looked_at"], progress["kept"]) == (200, 1, 1)
    assert [row] not in rows(served.queue())
    assert progress["left"]["suspects"] == 22
    undone = served.undo()
    assert undone["undone"] == {"view": "suspects", "rows": [row], "place": first[0]["place"]}
    assert rows(served.queue())[0] == [row]
    # A look that was taken back was a look.
    assert undone["progress"]["looked_at"] == 1
    assert served.undo()["undone"] is None


def test_the_next_sitting_asks_only_what_has_no_answer(served: Served) -> None:
    asked = served.queue()
    for one, answer in zip(asked, ("drop", "keep", "not_sure"), strict=False):
        served.answer({one["photos"][0]["row"]: answer})
    leak = served.queue("leaks")[0] if served.queue("leaks") else None
    manifest = newest_manifest(served.project)
    assert manifest is not None
    with serving(served.project, manifest) as again:
        assert rows(again.queue())[0] == rows(asked)[3]
        progress = again.ask("api/about")[1]["progress"]
        assert (progress["dropped"], progress["kept"], progress["not_sure"], progress["looked_at"]) == (1, 1, 1, 3)
        assert leak is None or rows(again.queue("leaks")) == rows([leak])


def test_conflicts_leaks_and_groups_are_there_to_be_looked_at(served: Served) -> None:
    left = served.ask("api/about")[1]["progress"]["left"]
    assert left == {"suspects": 23, "classes": 23, "conflicts": 1, "leaks": 1, "groups": 1}
    (conflict,) = served.queue("conflicts")
    assert {card["class_id"] for card in conflict["photos"]} == {"owl", "robin"}
    (leak,) = served.queue("leaks")
    assert leak["has_file"]
    assert leak["note"] == "the photo is like its part from 0 to 90 % across and 2.5 to 100 % down, mirrored"
    # That a label is right does not say that the photo shows no test picture, and the other way round.
    row = leak["photos"][0]["row"]
    served.answer({row: "keep"}, "suspects")
    assert len(served.queue("leaks")) == 1
    served.undo()
    served.answer({row: "keep"}, "leaks")
    assert served.queue("leaks") == [] and row in [one["photos"][0]["row"] for one in served.queue()]
    served.undo()
    for path in (f"test-pictures/{leak['place']}/large", f"pictures/{leak['photos'][0]['row']}/small"):
        kind, data = served.fetch(path)
        assert (kind, data[:4]) == ("image/webp", b"RIFF")
    (group,) = served.ask("api/groups")[1]
    assert (group["photos"], group["class_id"], group["preferred"]) == (4, "owl", "robin")
    grid = served.ask(f"api/groups/{group['place']}")[1]
    served.answer({card["row"]: "drop" for card in grid["photos"]}, "groups")
    progress = served.ask("api/about")[1]["progress"]
    # What is to be left out is no suspect any more.
    assert (progress["dropped"], progress["left"]["groups"], progress["left"]["suspects"]) == (4, 0, 19)


def test_near_copies_are_shown_and_equal_pixels_are_not(project: Path) -> None:
    path = newest_manifest(project)
    assert path is not None

    def listed(copy: str, kind: str, of: str = "owl") -> ListedCopy:
        return ListedCopy("flickr:o0", kind, 3, 0.9, "flickr:o0", "owl", None, None, copy, of, None, None)

    copies = [listed("flickr:o1", EQUAL), listed("flickr:o2", "near copy"), listed("flickr:gone", "near copy")]
    # What pixels do not confirm contradicts no label, whatever the class.
    copies.append(listed("flickr:r0", LOOK_ALIKE, "robin"))
    pq.write_table(table_of_copies(copies), path.with_name(FILE))
    with serving(project, path) as page:
        pair, alike = page.queue("copies")
        assert pair["note"] == "near copy" and len(pair["photos"]) == 2 and alike["note"] == LOOK_ALIKE
        assert page.queue("conflicts") == []
        assert (
            page.answer({pair["photos"][0]["row"]: "drop", pair["photos"][1]["row"]: "keep"}, "copies")[0] == 200
        )
        assert [one["note"] for one in page.queue("copies")] == [LOOK_ALIKE]


def test_a_pair_that_was_answered_is_not_asked_again_but_its_photos_may_be(served: Served) -> None:
    (conflict,) = served.queue("conflicts")
    served.answer({card["row"]: "keep" for card in conflict["photos"]}, "conflicts")
    assert served.queue("conflicts") == []
    assert served.undo()["undone"]["place"] == conflict["place"]
    assert rows(served.queue("conflicts")) == rows([conflict])


def test_pages_of_a_class_hold_all_its_photos_once(served: Served) -> None:
    seen, after = [], ""
    while True:
        page = served.ask(f"api/class?name=robin{after}")[1]
        seen += [card["row"] for card in page["photos"]]
        if page["after"] is None:
            break
        after = f"&after={page['after']}"
    assert len(seen) == len(set(seen)) == page["total"] == 12


def test_what_the_page_asks_is_found_by_an_index_however_many_photos_there_are(project: Path) -> None:
    path = newest_manifest(project)
    assert path is not None
    database = open_index(evidence_of(project, path), project / FOLDER)
    session = Session(database, read_answers(answers_path(project)).answers, AnswerFile(answers_path(project)))
    asked: list[str] = []
    database.set_trace_callback(asked.append)
    (question, *_) = session.queue("suspects", 0).questions
    for pairs in ("copies", "conflicts", "leaks"):
        session.queue(pairs, 0)
    session.answer("0" * 16, "suspects", {question.photos[0].row: Answer.DROP})
    session.classes()
    session.of_class("owl", None)
    session.of_class("owl", 5)
    for group in session.groups():
        session.of_group(group.place, 3)
    session.undo("1" * 16)
    session.progress()
    session.path(question.photos[0].row)
    database.set_trace_callback(None)
    assert len(asked) > 20
    plans = {one: [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {one}")] for one in asked}
    session.close()
    # Groups alone are gone through, with their photos.
    slow = r"SCAN (photo|suspect|pair|one|other)\b"
    assert not [one for one, plan in plans.items() if any(re.match(slow, step) for step in plan)]


def _told(answers: dict[str, str], look: str = "0" * 16) -> dict[str, object]:
    return {"id": look, "view": "suspects", "answers": answers}


STRANGE = [
    ("api/about", None, {"Host": "evil.example"}, 421),
    ("api/about", None, {"Host": "127.0.0.1.evil.example:80"}, 421),
    ("api/about", None, {"Sec_Fetch_Site": "cross-site"}, 403),
    ("api/answers", _told({"0": "drop"}), {"Origin": "http://evil.example"}, 403),
    ("api/answers", _told({"0": "drop"}), {"Content_Type": "text/plain"}, 415),
    ("api/answers", _told({"999999": "drop"}), {}, 400),
    ("api/answers", _told({"9" * 400: "drop"}), {}, 400),
    ("api/answers", _told({"0": "delete"}), {}, 400),
    ("api/answers", _told({"0": "drop"}, "../x"), {}, 400),
    ("api/answers", _told({}), {}, 400),
    ("api/answers", _told({str(n): "drop" for n in range(201)}), {}, 400),
    ("api/answers", b"{", {}, 400),
    ("api/answers", b"[" * 50_000, {}, 400),
    ("api/answers", b" " * 100_000, {}, 413),
    ("api/queue/suspects?after=-1", None, {}, 400),
    ("api/queue/suspects?after=99999999999999999999", None, {}, 400),
    ("api/queue/photo", None, {}, 404),
    ("api/class?name=%27%20OR%201%3D1", None, {}, 200),
    ("pictures/999999/small", None, {}, 404),
    ("pictures/99999999999999999999/small", None, {}, 404),
    ("pictures/..%2F..%2Fcatalogue.sqlite/small", None, {}, 404),
    ("static/..%2F..%2Fapplication.py", None, {}, 404),
    ("static/../../../etc/passwd", None, {}, 404),
]


def test_what_the_page_would_not_ask_is_refused(served: Served) -> None:
    for path, body, headers, status in STRANGE:
        found, answer = served.ask(path, body, **headers)
        assert (path, found) == (path, status)
        assert answer["photos"] == [] if status == 200 else set(answer) == {"error"}
    assert not read_answers(answers_path(served.project)).answers.looked_at


def test_without_the_token_there_is_no_page(served: Served) -> None:
    for token in ("", "wrong", TOKEN[:-1], "%C3%A9" * 8):
        status, said = served.ask(f"http://127.0.0.1:{served.port}/{token}/api/about")
        assert (token, status, set(said)) == (token, 404, {"error"})


def test_every_answer_forbids_scripts_of_others_and_embedding(served: Served) -> None:
    policy, data = served.fetch("", "Content-Security-Policy")
    html = data.decode()
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert not re.search(r"<script(?! src=)|<style|\son\w+=|\sstyle=", html)


def test_answers_of_several_tabs_at_once_are_all_kept(served: Served) -> None:
    targets = [
        card["row"] for name in ("owl", "robin") for card in served.ask(f"api/class?name={name}")[1]["photos"]
    ]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda row: served.answer({row: "drop"}, "classes")[0], targets))
        # A request that a browser sent twice counts once.
        list(pool.map(lambda _: served.answer({targets[0]: "keep"}, "classes", "ab" * 12), range(8)))
    assert done == [200] * len(targets)
    answers = read_answers(answers_path(served.project)).answers
    assert sum(answer is Answer.DROP for _, answer in answers.standing()) == len(targets) - 1
    lines = answers_path(served.project).read_text().splitlines()
    assert len(lines) == len(targets) + 1


@pytest.mark.integration
def test_the_command_serves_is_killed_and_goes_on(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "rawlabel", "review", str(project)]

    def start() -> tuple[subprocess.Popen[str], Served]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        found = re.search(r"http://127.0.0.1:(\d+)/(\S+)/", process.stdout.readline())
        assert found
        return process, Served(project, int(found[1]), found[2])

    process, page = start()
    second = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert second.returncode == 2
    assert "another `rawlabel review` serves it" in second.stderr and second.stderr.count("\n") == 1
    kept = [one["photos"][0]["row"] for one in page.queue()[:3]]
    assert [page.answer({row: "drop"})[0] for row in kept] == [200] * 3
    process.kill()
    process.communicate()
    process, page = start()
    assert not set(kept) & {one["photos"][0]["row"] for one in page.queue()}
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0
    assert "3 photos looked at so far: 3 to drop" in out
    assert f"next: rawlabel curate {project} --drop {answers_path(project)}" in err
    assert run(["curate", str(project), "--drop", str(answers_path(project))]) == 0
    assert "3 to drop +" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: has no manifest to look at; run `rawlabel curate` first"),
        (["{project}", "--run", "{project}/runs/two"], "suspicion.parquet: no such file; run `rawlabel labels"),
    ],
)
def test_what_cannot_be_looked_at_is_said_in_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(["review", *(one.format(project=project) for one in arguments)]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_pictures_carry_nothing_that_strangers_wrote_into_files(tmp_path: Path) -> None:
    pictures = Pictures(ProjectPhotos(tmp_path), tmp_path / "kept")
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        original = tmp_path / kind
        original.write_bytes(written(kind, 1))
        made = pictures.of_file(original, "large")
        assert made is not None and made[:4] == b"RIFF" and SECRET not in made and SECRET in original.read_bytes()
    broken = tmp_path / "broken"
    broken.write_bytes(b"\xff\xd8\xff\xe0")
    assert pictures.of_file(broken, "small") is None


@pytest.mark.integration
def test_the_page_s_order_finds_more_wrong_photos_than_chance(tmp_path: Path) -> None:
    """Digits of a simulated site, doubted by a small classifier of edges; the truth plays the person."""
    site = PhotoSite.build(PhotoSiteConfig(seed=5, per_class=120, noise=0.3), NO_FAULTS)
    classes = tmp_path / "classes.txt"
    classes.write_text("two\nthree\nseven\n")
    site.write_truth(tmp_path / "truth.json")
    with running(site) as at:
        given = CollectConfig(
            classes=classes, project=tmp_path, source=("flickr",), base_url=(at.base_url,), per_class=120,
            allow_loopback=True,
        )  # fmt: skip
        collect(given, api_key="any")
    manifest = curate(CurateConfig(project=tmp_path))
    doubt_by_edges(manifest)
    is_wrong = is_wrong_of(manifest, tmp_path / "truth.json")
    session = open_session(tmp_path, evidence_of(tmp_path, manifest.path))
    wrong, looks = sum(is_wrong.values()), 40
    seen = look(session, is_wrong, manifest.table["photo_id"].to_pylist(), looks)
    session.close()
    _, _, most_by_chance = chance(len(is_wrong), wrong, looks)
    assert len(seen) == looks and sum(seen) > most_by_chance
    again = curate(CurateConfig(project=tmp_path, drop=(answers_path(tmp_path),)))
    assert sum(is_wrong_of(again, tmp_path / "truth.json").values()) == wrong - sum(seen)
    assert again.reviewed.looked_at == looks


def doubt_by_edges(manifest: Manifest) -> None:
    """Write the suspicion of labels by a logistic regression on histograms of edges, fitted to the other folds."""
    kept = manifest.kept().select(["path", "class_id", "group"]).to_pylist()
    edges = []
    for row in kept:
        with Image.open(manifest.project / row["path"]) as image:
            pixels = np.asarray(image.convert("L").resize((32, 32)), dtype=np.float64)
        down, across = np.gradient(pixels)
        bins = (np.arctan2(down, across) % np.pi / np.pi * 8).astype(int).clip(0, 7)
        cells = (np.indices(pixels.shape) // 8 * [[[4]], [[1]]]).sum(axis=0) * 8 + bins
        histogram = np.bincount(cells.ravel(), np.hypot(down, across).ravel(), 128)
        edges.append(histogram / np.linalg.norm(histogram))
    classes = manifest.class_ids
    labels = np.array([classes.index(row["class_id"]) for row in kept])
    model, groups = LogisticRegression(C=10), [row["group"] for row in kept]
    said = cross_val_predict(
        model, np.array(edges), labels, cv=GroupKFold(4), groups=groups, method="predict_proba"
    )
    own = said[np.arange(len(labels)), labels]
    said_of_others = said.copy()
    said_of_others[np.arange(len(labels)), labels] = 0
    doubts = (1 + said_of_others.max(axis=1) - own) / 2
    rows = [
        {"photo": kept[i]["path"], "label": kept[i]["class_id"], "preferred_class": classes[said[i].argmax()],
         "suspicion": float(doubts[i])}
        for i in np.argsort(-doubts)
    ]  # fmt: skip
    folder = manifest.project / "runs" / "by-edges"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "suspicion.parquet")


def test_groups_that_labels_found_are_offered_in_place_of_those_of_one_author(project: Path) -> None:
    path = newest_manifest(project)
    assert path is not None
    kept = read_manifest(path).kept().select(["path", "class_id"]).to_pylist()
    owls = [row["path"] for row in kept if row["class_id"] == "owl"]
    stray = PhotoGroup(
        label="owl",
        looks_like=None,
        suspicion=0.9,
        photos=tuple(reversed(owls[2:8])),
        keywords={"barn <b>": 4, "owl": 2},
    )
    robin = PhotoGroup(label="owl", looks_like="robin", suspicion=0.8, photos=(*owls[:2], "gone.jpg"), keywords={})
    PhotoGroups(photos=23, suspected=9, scattered=0, groups=(stray, robin)).write(project / "runs" / "one")
    with serving(project, path) as page:
        first, second = page.ask("api/groups")[1]
        assert (first["photos"], first["preferred"], first["found_by"]) == (
            6,
            "",
            "found by “barn <b>” 4, “owl” 2",
        )
        # A photo that this manifest does not keep is passed over.
        assert (second["photos"], second["preferred"], second["found_by"]) == (2, "robin", "")
        grid = page.ask(f"api/groups/{first['place']}")[1]
        assert [row["row"] for row in grid["photos"]] == sorted(
            (row["row"] for row in grid["photos"]), reverse=True
        )
        page.answer({card["row"]: "drop" for card in grid["photos"]}, "groups")
        assert [row["place"] for row in page.ask("api/groups")[1]] == [second["place"]]

"""Tables of addresses as they are in the world: none has to be rewritten, and no row is lost."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import CollectConfig
from rawlabel.errors import RawlabelError
from rawlabel.gather.collect.reading.tables import Table
from rawlabel.gather.collect.source import Search, SourceContext
from rawlabel.gather.collect.sources.urls import UNPLACED_FILE, Urls
from rawlabel.gather.collect.stage import collect
from tests.helpers.faulty_site import json_values

BY = "https://creativecommons.org/licenses/by/2.0/"
FLICKR = "https://live.staticflickr.com/65535/123456_abcdef_b.jpg"
Rows = list[dict[str, Any]]


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_packed(path: Path, rows: Rows) -> None:
    plain = path.with_suffix("")
    {".csv": write_csv, ".jsonl": write_jsonl}[plain.suffix](plain, rows)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_tsv(path: Path, rows: Rows) -> None:
    lines = ["\t".join(rows[0]), *("\t".join(map(str, row.values())) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    "t.csv": write_csv,
    "t.tsv": write_tsv,
    "t.csv.gz": write_packed,
    "t.jsonl": write_jsonl,
    "t.jsonl.gz": write_packed,
    "t.parquet": lambda path, rows: pq.write_table(pa.Table.from_pylist(rows), path),
}


def collected(
    table: Path, folder: Path, classes: dict[str, list[str]] | None = None, **more: Any
) -> list[Candidate]:
    if classes is not None:
        (folder / "classes.json").write_text(json.dumps(classes))
        more["classes"] = folder / "classes.json"
    config = CollectConfig(
        source=("urls",), input=table, project=folder / "p", per_class=0, search_only=True, **more
    )  # fmt: skip
    collect(config)
    with Catalogue(catalogue_path(config.project)) as catalogue:
        return list(catalogue.candidates())


def labels(candidates: Iterable[Candidate]) -> set[tuple[str, str | None]]:
    return {(one.event.class_id, one.photo.url) for one in candidates}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_table_gives_the_same_photos(name: str, tmp_path: Path) -> None:
    author = "Bé ta" if name == "t.tsv" else "Bé\nta"
    rows = [
        {"url": "https://h/1.jpg", "label": "owl", "author": "Ann", "license": BY},
        {"url": "https://h/2.jpg", "label": "barn, \"owl\"", "author": author, "license": "CC0"},
        {"url": FLICKR, "label": "owl", "author": "", "license": ""},
    ]  # fmt: skip
    WRITERS[name](tmp_path / name, rows)
    found = collected(tmp_path / name, tmp_path, {"owl": ["owl"], "barn owl": ["barn owl"]})
    assert labels(found) == {
        ("owl", "https://h/1.jpg"),
        ("barn owl", "https://h/2.jpg"),
        ("owl", FLICKR),
    }
    by_url = {one.photo.url: one.photo for one in found}
    assert by_url["https://h/1.jpg"].license_url == BY
    assert (by_url["https://h/2.jpg"].license_name, by_url["https://h/2.jpg"].author) == ("CC0", author)
    assert by_url[FLICKR].identity == "flickr:123456"


def test_the_class_column_brings_the_classes(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [{"url": f"https://h/{n}", "class": "ab"[n % 2]} for n in range(5)])
    assert len(collected(tmp_path / "t.csv", tmp_path)) == 5
    write_csv(
        tmp_path / "odd.csv", [{"where": f"https://h/{n}", "what": "ab"[n % 2], "url": ""} for n in range(5)]
    )
    (tmp_path / "q").mkdir()
    found = collected(tmp_path / "odd.csv", tmp_path / "q", url_column="where", class_column="what")
    assert {one.event.class_id for one in found} == {"a", "b"}


def test_captions_are_searched_for_keywords(tmp_path: Path) -> None:
    captions = ["A Barn-Owl at night", "barnacle", "the owl", "owls", None]
    rows = [{"URL": f"https://h/{n}", "TEXT": caption, "key": str(n)} for n, caption in enumerate(captions)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    with pytest.raises(RawlabelError, match="has captions and no classes; give a class file"):
        collected(tmp_path / "t.parquet", tmp_path)
    found = collected(tmp_path / "t.parquet", tmp_path, {"owl": ["owl", "barn owl"], "none": ["none"]})
    assert {(one.event.keyword, one.photo.url) for one in found} == {
        ("barn owl", "https://h/0"),
        ("owl", "https://h/0"),
        ("owl", "https://h/2"),
    }


def test_the_tables_that_img2dataset_writes(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for shard in range(2):
        rows = [
            {
                "url": f"https://h/{shard}/{n}.jpg", "caption": "an owl", "key": f"{shard:05}{n:04}",
                "status": "success" if n else "failed_to_download", "error_message": None if n else "HTTP 503",
                "width": 256, "height": 256, "original_width": 640, "original_height": 480, "exif": "{}",
                "sha256": "ab" * 32, "jpg": b"\xff\xd8\xff",
            }
            for n in range(3)
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "out" / f"{shard:05}.parquet")
        (tmp_path / "out" / f"{shard:05}_stats.json").write_text("{}")
    found = collected(tmp_path / "out", tmp_path, {"owl": ["owl"]})
    assert len(found) == 6
    assert {(one.photo.width, one.photo.height) for one in found} == {(640, 480)}


def test_the_three_tables_of_open_images(tmp_path: Path) -> None:
    folder = tmp_path / "oi"
    folder.mkdir()
    page = "https://www.flickr.com/photos/someone/4567"
    write_csv(folder / "images.csv", [
        {"ImageID": f"{n:016x}", "Subset": "train",
         "OriginalURL": f"https://farm1.staticflickr.com/8/{4567 + n}_ab_o.jpg",
         "OriginalLandingURL": page, "License": BY,
         "AuthorProfileURL": "https://www.flickr.com/people/someone/", "Author": "Some One", "Title": "An owl",
         "OriginalSize": 5, "OriginalMD5": "x==", "Thumbnail300KURL": "", "Rotation": "0.0"}
        for n in range(3)
    ])  # fmt: skip
    write_csv(folder / "labels.csv", [
        {"ImageID": f"{n:016x}", "Source": "verification", "LabelName": label, "Confidence": confidence}
        for n, label, confidence in
        ((0, "/m/1", "1"), (1, "/m/1", "0"), (1, "/m/2", "0.8"), (2, "/m/2", "1"), (2, "/m/1", 1))
    ])  # fmt: skip
    (folder / "class-descriptions.csv").write_text("/m/1,Barn owl\n/m/2,Robin\n")
    found = collected(folder, tmp_path)
    assert {(one.event.class_id, (one.photo.url or "")[-13:-9]) for one in found} == {
        ("Barn owl", "4567"), ("Robin", "4568"), ("Robin", "4569"), ("Barn owl", "4569"),
    }  # fmt: skip
    assert found[0].photo.author == "Some One"
    assert found[0].photo.license_url == BY
    assert found[0].photo.page_url == page


def test_no_row_is_lost(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    good = [{"url": "https://h/1", "class": "owl"}, {"url": "https://h/1", "class": "robin"}]
    bad = [{"class": "owl"}, {"url": 5, "class": "owl"}, {"url": "no address", "class": "owl"}]
    odd = ['{"url": "https://h/9"}', "not json", "[1]", ""]
    table.write_text("\n".join([*map(json.dumps, [*good, *bad]), *odd]))
    found = collected(table, tmp_path, {"owl": ["owl"], "robin": ["robin"]})
    assert len({one.photo.photo_id for one in found if one.photo.url}) == 1
    assert sorted((one.event.class_id, one.photo.url is None) for one in found) == [
        ("owl", False), ("owl", True), ("owl", True), ("owl", True), ("robin", False),
    ]  # fmt: skip
    unplaced = (tmp_path / "p" / UNPLACED_FILE).read_text().splitlines()
    assert unplaced == [
        "file,row,fault", "t.jsonl,6,has no class", "t.jsonl,7,is not JSON", "t.jsonl,8,is no JSON object",
    ]  # fmt: skip


NAMES = st.sampled_from(["owl", "C", "C++", "barn owl", 'screech "owl"', "é", "x-ray", "A+"])


@given(
    st.lists(
        st.tuples(NAMES, st.sampled_from(["", "note", 'a "b" c', "two\nlines", "a, b", 'x",\n"y', "\n"])),
        min_size=1,
    ),
    st.sets(st.integers(0, 40), max_size=3),
    st.booleans(),
)
# The next row's first quote closes the lone one, so that the mistake shows one row later.
@example([("owl", ""), ('screech "owl"', "\n")], {0}, False)
def test_a_quote_that_opens_by_mistake_hides_no_line(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str]], broken: set[int], class_first: bool
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    stream = io.StringIO()
    writer = csv.writer(stream)
    order = ("class", "url", "note") if class_first else ("note", "url", "class")
    writer.writerow(order)
    for number, (name, remark) in enumerate(drawn):
        values = {"class": name, "url": f"https://h/{number}.jpg", "note": remark}
        if number in broken:
            # Somebody typed an inch sign, and no writer of CSV saw it.
            plain = values | {"class": '"owl', "note": ""}
            stream.write(",".join(plain[column] for column in order) + "\n")
        else:
            writer.writerow([values[column] for column in order])
    path.write_text(stream.getvalue(), encoding="utf-8", newline="")
    rows = list(Table(path).rows())
    seen = {row.values.get("url"): row.values.get("class", "").strip() for row in rows}
    for number, (name, _) in enumerate(drawn):
        if number in broken:
            assert seen[f"https://h/{number}.jpg"] == "owl"
        else:
            assert seen[f"https://h/{number}.jpg"] == name
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))


def test_an_empty_cell_in_quotes_stays_empty_on_a_line_whose_quotes_do_not_match(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('note,class,url\n"",owl,"https://h/1.jpg\nx,owl,https://h/2.jpg\n')
    rows = [row.values for row in Table(tmp_path / "t.csv").rows()]
    assert rows == [{"note": note, "class": "owl", "url": f"https://h/{n}.jpg"} for n, note in ((1, ""), (2, "x"))]


@pytest.mark.usefixtures("messages_on_stderr")
def test_a_lone_quote_costs_no_other_row_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, mark in (("t.tsv", "\t"), ("t.csv", ",")):
        quotes = {10: '"', 50: '"', 90: '"'}
        lines = [f"https://h/{n}.jpg{mark}{quotes.get(n, '')}owl\n" for n in range(100)]
        (tmp_path / name).write_text(f"url{mark}class\n" + "".join(lines))
        (tmp_path / name[-3:]).mkdir()
        found = collected(tmp_path / name, tmp_path / name[-3:], {"owl": ["owl"]})
        assert len(found) == 100
    told = capsys.readouterr().err
    # A quote is no more than a letter in TSV.
    assert "3 of 100 rows are damaged, the first in t.csv, row 11: 3 that opens a quote" in told


def test_a_line_of_column_names_with_a_lone_quote_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('url,"class\n' + "https://h/1.jpg,owl\n" * 9_000)
    with pytest.raises(RawlabelError, match="line of column names opens a quote") as caught:
        collected(tmp_path / "t.csv", tmp_path)
    assert len(str(caught.value)) < 300


def test_values_in_messages_are_cut(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"url,class\nhttps://h/1.jpg,{'?' * 50_000}\n")
    with pytest.raises(RawlabelError, match="cannot be a folder name") as caught:
        collected(tmp_path / "t.csv", tmp_path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_class_columns_of_whole_floats_are_class_ids(name: str, tmp_path: Path) -> None:
    rows = [{"url": f"https://h/{n}", "class": float(n % 2), "width": 640.0} for n in range(4)]
    WRITERS[name](tmp_path / name, rows)
    assert labels(collected(tmp_path / name, tmp_path)) == {
        ("0", "https://h/0"), ("1", "https://h/1"), ("0", "https://h/2"), ("1", "https://h/3")
    }  # fmt: skip


def test_labels_that_were_denied_as_a_float_are_denied(tmp_path: Path) -> None:
    folder = tmp_path / "oi"
    folder.mkdir()
    write_csv(folder / "images.csv", [{"ImageID": "a", "OriginalURL": "https://h/a.jpg"}])
    rows = [{"ImageID": "a", "LabelName": one, "Confidence": sure} for one, sure in (("owl", 1.0), ("cat", 0.0))]
    pq.write_table(pa.Table.from_pylist(rows), folder / "labels.parquet")
    assert labels(collected(folder, tmp_path)) == {("owl", "https://h/a.jpg")}


@pytest.mark.usefixtures("messages_on_stderr")
def test_addresses_without_scheme_mean_https_and_escaped_ones_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"url": one, "class": "owl"} for one in ("//h/a.jpg", "https://h/b?x=1&amp;y=2", "https://h/c?x&y")]
    write_csv(tmp_path / "t.csv", rows)
    assert {url for _, url in labels(collected(tmp_path / "t.csv", tmp_path))} == {
        "https://h/a.jpg", "https://h/b?x=1&amp;y=2", "https://h/c?x&y"
    }  # fmt: skip
    assert "1 of 3 addresses hold '&amp;'" in capsys.readouterr().err


@pytest.mark.usefixtures("messages_on_stderr")
def test_labels_that_fall_together_are_kept_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["C", "C++", "A", "A+", "x ray", "x-ray", "barn owl", "barn_owl", "\u00e9", "e\u0301", "Barn-Owl"]
    write_csv(tmp_path / "t.csv", [{"url": f"https://h/{n}", "class": name} for n, name in enumerate(names)])
    classes = {name: [name] for name in names[:9]}
    found = labels(collected(tmp_path / "t.csv", tmp_path, classes))
    assert found == {(name, f"https://h/{n}") for n, name in enumerate(names[:9])} | {("\u00e9", "https://h/9")}
    assert "1 of 11 rows stand for no class" in capsys.readouterr().err
    (line,) = (tmp_path / "p" / UNPLACED_FILE).read_text().splitlines()[1:]
    assert line == (
        "t.csv,11,\"'Barn-Owl' may mean any of the classes 'barn owl', 'barn_owl'; write the class's own name\""
    )


def test_captions_that_cannot_tell_two_classes_apart_are_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [{"url": "https://h/1", "caption": "an x-ray"}])
    with pytest.raises(RawlabelError, match="captions cannot tell apart; leave out one, or change its keyword"):
        collected(tmp_path / "t.csv", tmp_path, {"a": ["x ray"], "b": ["x-ray"]})
    # One keyword that two classes share on purpose brings each photo under both, as a search does.
    (tmp_path / "q").mkdir()
    found = collected(tmp_path / "t.csv", tmp_path / "q", {"a": ["x-ray"], "b": ["x-ray"]})
    assert {one for one, _ in labels(found)} == {"a", "b"}


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("t.csv", b"", "has no column of addresses; name it with --url-column"),
        ("t.csv", b"url,x\nhttps://h/1,2\n", "has no column of classes; name it with --class-column"),
        ("t.parquet", b"PAR1 not", "is damaged or no table of its kind"),
        ("t.csv.gz", b"not gzip", "is damaged or no table of its kind"),
        (
            "t.csv.gz",
            gzip.compress(b"url,class\n" + b"h,a\n" * 99_999)[:-30],
            "is damaged or no table of its kind",
        ),
        ("t.xlsx", b"x", "is no table that is read here"),
        ("t.csv", b"url,class\nhttps://h/1,../x\n", "cannot be a folder name"),
        ("t.csv", b"url,class\nhttps://h/1,CON\n", "cannot be a folder name"),
        ("t.csv", b"url,class\nhttps://h/1,a\nhttps://h/2,A\n", "would share one folder"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_line(tmp_path: Path, name: str, content: bytes, named: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RawlabelError, match=named) as caught:
        collected(tmp_path / name, tmp_path)
    assert "\n" not in str(caught.value)


row_like = st.dictionaries(
    st.sampled_from(["url", "class", "author", "license", "page_url", "width"]), json_values
)


@pytest.mark.integration
@settings(max_examples=30)
@given(rows=st.lists(row_like, max_size=6), noise=st.binary(max_size=40))
def test_no_table_brings_a_traceback(tmp_path_factory: pytest.TempPathFactory, rows: Rows, noise: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    lines = [json.dumps({"url": "https://h/0", "class": "owl"}), *map(json.dumps, rows)]
    (folder / "t.jsonl").write_bytes("\n".join(lines).encode() + b"\n" + noise)
    try:
        found = collected(folder / "t.jsonl", folder, {"owl": ["owl"]})
    except RawlabelError as error:
        assert "\n" not in str(error)
        return
    assert ("owl", "https://h/0") in labels(found)


@pytest.mark.integration
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    peaks = []
    for count in (3_000, 18_000):
        table = tmp_path / f"{count}.csv"
        with table.open("w") as stream:
            stream.write("url,class\n")
            stream.writelines(f"https://host/{n}.jpg,{'owl' if n % 2 else 'robin'}\n" for n in range(count))
        config = CollectConfig(source=("urls",), input=table, project=tmp_path / "p")
        tracemalloc.start()
        source = Urls(SourceContext(None, config, ""))  # type: ignore[arg-type]
        asyncio.run(source.prepare())
        page = asyncio.run(source.search(Search("owl", "owl", {}, None, None)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (page.total_reported, len(page.photos)) == (count // 2, 500)
    assert peaks[1] < 1.5 * peaks[0]


def test_what_was_refused_here_is_asked_when_it_is_permitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(tmp_path / "t.csv", [{"url": "http://127.0.0.1:9/a.jpg", "class": "owl"}])
    command = ["collect", "--source", "urls", "--input", str(tmp_path / "t.csv"), "--project", str(tmp_path / "p")]
    told = []
    for more in ([], ["--allow-loopback", "--attempts", "1"]):
        assert cli.run([*command, *more]) == 1
        told.append(capsys.readouterr())
    assert "this machine itself without --allow-loopback" in told[0].out
    assert "the image host could not be reached" in told[1].out
    assert "none of the photos could be downloaded" in told[1].err


def test_a_collection_that_finds_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(tmp_path / "t.csv", [{"url": "https://h/a.jpg", "class": "owl"}])
    (tmp_path / "classes.txt").write_text("robin\n")
    command = ["collect", str(tmp_path / "classes.txt"), "--source", "urls", "--input", str(tmp_path / "t.csv")]
    assert cli.run([*command, "--project", str(tmp_path / "p")]) == 1
    assert "no search found a photo; check the keywords" in capsys.readouterr().err

"""Rules that the page rests on, for all inputs."""

from __future__ import annotations

import shlex
import unicodedata
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape

from rawlabel.artifacts.manifest_rows import ManifestRows
from rawlabel.artifacts.run_records import Epoch, accuracies_on_test, oracle_epoch
from rawlabel.base.untrusted_text import plain_text, web_address
from rawlabel.config import CollectConfig, TrainConfig
from rawlabel.show.report.montage import share_out
from rawlabel.show.report.photos import beside
from rawlabel.show.report.photos.counting import count_photos
from rawlabel.show.report.provenance import command_line

counts = st.integers(0, 10_000)


@given(st.integers(0, 60), st.tuples(counts, counts, counts))
def test_a_sample_has_the_wanted_size_and_room_for_what_was_lost(wanted, sizes):
    shares = share_out(wanted, sizes)
    size = min(wanted, sum(sizes))
    assert sum(shares) == size
    assert all(0 <= share <= available for share, available in zip(shares, sizes, strict=True))
    assert shares[1] >= min(sizes[1], size // 4)
    assert shares[2] >= min(sizes[2], size // 8)


def test_a_sample_is_in_proportion_where_the_shares_are_large_enough():
    assert share_out(12, (500, 333, 167)) == [6, 4, 2]


@given(st.text())
def test_shown_text_is_one_short_line_without_control_characters(text):
    shown = plain_text(text)
    assert len(shown) <= 80
    assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("address", "linked"),
    [
        ("https://www.flickr.com/photos/1/2", True),
        ("http://127.0.0.1:8765/photos/1/2?a=b&c=d", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("javascript://photos.example/%0aalert(1)", False),
        ("java\nscript:alert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("file:///etc/passwd", False),
        ("//photos.example/1", False),
        ("https:photos.example", False),
        ("https://[broken", False),
        ("https://photos.example/ onclick=x", False),
        ("https://photos.example/" + "a" * 600, False),
        ("", False),
        (None, False),
    ],
)
def test_only_plain_web_addresses_become_links(address, linked):
    assert web_address(address) == (address if linked else None)


def test_the_oracle_is_the_earliest_of_the_best_tested_epochs():
    tested = [None, 70.0, 50.0, 70.0]
    assert (
        oracle_epoch(accuracies_on_test([Epoch(epoch=i, test={"acc1": value}) for i, value in enumerate(tested)]))
        == 1
    )
    assert oracle_epoch(accuracies_on_test([Epoch(epoch=0)])) is None


def test_a_command_gives_its_settings_again():
    settings = TrainConfig(
        root="my photos; rm -rf", pretrained=True, lr=0.025, seed=3, method="gce", method_option=("q=0.5", "k=1")
    )
    words = shlex.split(command_line("train", settings))
    assert words == [
        "rawlabel", "train", "--root", "my photos; rm -rf", "--pretrained", "--method", "gce",
        "--method-option", "q=0.5", "--method-option", "k=1", "--lr", "0.025", "--seed", "3",
    ]  # fmt: skip
    assert command_line("collect", CollectConfig(contact="me@example.org")) == "rawlabel collect"


odd_texts = st.one_of(
    st.none(),
    st.text(max_size=100),
    st.sampled_from(["", " two  spaces", "“ünï” & <b>", "x" * 81, "a\u200bb", "\ud7ff"]),
)


@given(st.lists(odd_texts, max_size=20))
@example(["<&>'\"", "a b", "a\tb", "é" * 80, "é" * 81, "tail ", None])
def test_lists_beside_the_page_show_texts_as_the_page_does(texts):
    column = pa.chunked_array([pa.array(texts, pa.string())])
    assert beside._shown(column).to_pylist() == [str(escape(plain_text(one))) or None for one in texts]


@given(st.lists(st.one_of(odd_texts, st.from_regex(r"(http|ftp)s?://[a-z.\\[:0-9]{0,9}(/[!-~é ]*)?"))))
def test_lists_beside_the_page_link_as_the_page_does(addresses):
    column = pa.chunked_array([pa.array(addresses, pa.string())])
    changed = beside._changed(column, beside._PLAIN_ADDRESS, web_address, beside.LONGEST_ADDRESS)
    assert changed.to_pylist() == list(map(web_address, addresses))


events = st.tuples(
    st.integers(0, 5).map(str), st.sampled_from("abc"), st.sampled_from([None, "p", "q", "r"]), st.booleans(),
    st.sampled_from([None, "placeholder"]), st.sampled_from([None, "CC BY", "CC0"]),
)  # fmt: skip


@given(st.lists(events, max_size=30), st.integers(1, 7))
def test_what_is_counted_a_few_rows_at_a_time_is_what_all_rows_say(tmp_path_factory, rows, group_size):
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    photo, classes, pixels, kept, reason, name = columns
    table = pa.table(
        {
            "source": pa.array(["s"] * len(rows), pa.string()), "photo_id": pa.array(photo, pa.string()),
            "pixel_sha256": pa.array(pixels, pa.string()), "class_id": pa.array(classes, pa.string()),
            "verdict": pa.array(["kept" if one else "rejected" for one in kept], pa.string()),
            "reason": pa.array(reason, pa.string()), "license_name": pa.array(name, pa.string()),
            "license_url": pa.nulls(len(rows), pa.string()), "license_id": pa.array(name, pa.string()),
        }
    )  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "counted.parquet"
    pq.write_table(table, path, row_group_size=group_size)
    counted = count_photos(ManifestRows(path))
    assert counted.photos == len(set(photo))
    licensed = {(one[0], one[5]) for one in rows if one[3]}
    assert sum(counted.licenses.values()) == len(licensed)
    assert counted.licenses.get(("CC0", None, "CC0"), 0) == sum(one == "CC0" for _, one in licensed)
    shared = defaultdict(lambda: defaultdict(set))
    for photo_id, class_id, picture, _, why, _ in rows:
        if why is None:
            shared[picture or f"s:{photo_id}"][class_id].add(f"s:{photo_id}")
    wanted = [dict(one) for one in shared.values() if len(one) > 1]
    assert sorted(map(dict, counted.shared), key=str) == sorted(wanted, key=str)
    places = np.random.default_rng(len(rows)).integers(0, max(len(rows), 1), 9 if rows else 0)
    taken = ManifestRows(path).take(places, ["photo_id", "class_id"])
    assert taken.to_pylist() == [{"photo_id": rows[i][0], "class_id": rows[i][1]} for i in places]

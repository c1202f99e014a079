"""Rules that the page rests on, for all inputs."""

from __future__ import annotations

import shlex
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.artifacts.run_records import Epoch, accuracies_on_test, oracle_epoch
from rawlabel.base.untrusted_text import plain_text, web_address
from rawlabel.config import CollectConfig, TrainConfig
from rawlabel.show.report.montage import share_out
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

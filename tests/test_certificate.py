"""The certificate of a decontamination speaks of two sets by their pixels alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rawlabel.artifacts.certificate import FILE, digest_of, read_certificates
from rawlabel.errors import DataError
from tests.helpers.certificates import certificate


def test_it_is_read_as_it_was_written_and_speaks_of_its_two_sets_alone(tmp_path: Path) -> None:
    assert read_certificates(tmp_path) == ()
    (tmp_path / FILE).write_text(json.dumps([certificate().as_json()]))
    (read,) = read_certificates(tmp_path)
    assert read == certificate()
    assert read.matches("b", "c") and not read.matches("a", "c") and not read.matches("b", "d")
    assert read.describe() == (
        "2 of 4 candidates left out (1 copy, 1 star), 1000 of 1000 canaries caught "
        "(95 % interval of the recall: 99.6 to 100.0 %)"
    )


def test_it_quotes_what_people_decided_and_what_nobody_has() -> None:
    said = certificate().decided({"leak": 1, "no leak": 2, "unsure": 1}, 3)
    assert said.for_review == 3 and said.removed == certificate().removed
    assert said.describe().endswith(", people said of listed pairs: 1 leak, 2 no leak, 1 unsure")


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[{}]")
    with pytest.raises(DataError, match=rf"{FILE}: 0\.fingerprints is not as expected"):
        read_certificates(tmp_path)


def test_a_digest_tells_sets_and_not_orders_apart() -> None:
    assert digest_of([b"a", None, b"b"]) == digest_of([b"b", b"a"]) != digest_of([b"a", b"b", b"b"])

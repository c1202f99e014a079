"""Which photos are held out: by a hash, and of few photos enough of each class."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.artifacts.split import held_out, held_out_of_classes, key_of, least_held_out, splits_of


def keys_of(names: list[str]) -> np.ndarray:
    return np.array([key_of(name) for name in names], dtype=np.uint64)


def fourteen_each(tag: str) -> tuple[np.ndarray, np.ndarray]:
    """28 photos of two classes, as the issue of small sets has them."""
    names = [f"{where}/{tag}-{number}.jpg" for where in ("owl", "robin") for number in range(14)]
    return keys_of(names), np.repeat([0, 1], 14)


def test_the_hash_alone_leaves_classes_of_28_photos_without_a_holdout_and_the_split_does_not() -> None:
    alone, mended = [], []
    for number in range(200):
        keys, labels = fourteen_each(str(number))
        alone.append(np.bincount(labels[held_out(keys, 0, 0.1)], minlength=2).min())
        mended.append(np.bincount(labels[held_out_of_classes(keys, labels, 0, 0.1)], minlength=2).min())
    assert min(alone) == 0
    assert min(mended) == 1


@pytest.mark.parametrize(("count", "least"), [(1, 0), (2, 1), (14, 1), (40, 2), (100, 5), (5000, 5)])
def test_the_least_number_of_a_class_is_half_its_share_from_1_up_to_5(count: int, least: int) -> None:
    assert least_held_out(np.array([count]), 0.1).tolist() == [least]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=80),
    st.integers(0, 1000),
    st.floats(0.01, 0.9),
)
def test_no_class_is_short_on_either_side_and_no_group_is_on_both(
    photos: list[tuple[int, int]], seed: int, share: float
) -> None:
    """A photo is a class and an author."""
    classes, authors = [str(one) for one, _ in photos], [f"flickr:{author}" for _, author in photos]
    found = splits_of(authors, classes, seed, share)
    by_author: dict[str, set[str]] = {}
    for author, part in zip(authors, found, strict=True):
        by_author.setdefault(author, set()).add(part)
    assert all(len(parts) == 1 for parts in by_author.values())
    reordered = splits_of(authors[::-1], classes[::-1], seed, share)[::-1]
    assert found == reordered
    for name in set(classes):
        own = [author for author, where in zip(authors, classes, strict=True) if where == name]
        parts = [part for part, where in zip(found, classes, strict=True) if where == name]
        # Where each author has one photo, no group stands in the way.
        if len(set(authors)) == len(authors):
            assert parts.count("holdout") >= min(least_held_out(len(own), share), len(own) // 2)
            assert "train" in parts


@given(st.integers(0, 1000))
def test_photos_that_are_added_move_others_only_where_a_class_was_short(seed: int) -> None:
    names = [f"{where}/{number}.jpg" for where in ("owl", "robin") for number in range(60)]
    keys, labels = keys_of(names), np.repeat([0, 1], 60)
    few = np.r_[:14, 60:74]
    before, after = (
        held_out_of_classes(keys[few], labels[few], seed, 0.1),
        held_out_of_classes(keys, labels, seed, 0.1),
    )
    by_hash = held_out(keys, seed, 0.1)
    assert (before >= by_hash[few]).all() and (after >= by_hash).all()
    moved = before != after[few]
    for one in (0, 1):
        is_short = by_hash[few][labels[few] == one].sum() < 1 or by_hash[labels == one].sum() < 3
        assert is_short or not moved[labels[few] == one].any()
        assert moved[labels[few] == one].sum() <= 3


@pytest.mark.parametrize("seed", range(5))
def test_where_the_hash_leaves_no_class_short_it_alone_decides(seed: int) -> None:
    """So the splits of published numbers are what they were: those had hundreds of photos a class."""
    keys = keys_of([str(number) for number in range(2000)])
    labels = np.arange(2000) % 10
    assert (held_out_of_classes(keys, labels, seed, 0.1) == held_out(keys, seed, 0.1)).all()
    groups, classes = [f"flickr:{number // 4}" for number in range(2000)], [str(one) for one in labels.tolist()]
    hashes = [hashlib.sha256(f"{seed}:{group}".encode()).hexdigest() for group in groups]
    by_hash = ["holdout" if int(one[:16], 16) / 2**64 < 0.1 else "train" for one in hashes]
    assert splits_of(groups, classes, seed, 0.1) == by_hash


def test_an_author_of_most_of_a_class_is_not_held_out_to_fill_it_up() -> None:
    authors = ["flickr:many"] * 12 + ["flickr:few"] * 2
    for seed in range(50):
        found = splits_of(authors, ["owl"] * 14, seed, 0.0001)
        assert (found[0], found[-1]) == ("train", "holdout")


def test_nothing_is_held_out_where_nothing_shall_be() -> None:
    keys, labels = fourteen_each("")
    assert not held_out_of_classes(keys, labels, 0, 0).any()

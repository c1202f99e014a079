"""Suspicious photos stand above the others; planted ambiguous classes stand first, each with its signature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from rawlabel.errors import DataError
from rawlabel.judge.label_evidence.ambiguity import Signature, find_ambiguous_classes, shared_shares
from rawlabel.judge.label_evidence.held_out import Pool
from rawlabel.judge.label_evidence.of_runs import found_together, shared_photos
from rawlabel.judge.label_evidence.suspicion import held_out_suspicion, training_suspicion
from tests.helpers.manifest_rows import kept_row, write_rows
from tests.helpers.simulated_evidence import flip, held_out, predict


def test_wrong_labels_are_more_suspicious_and_no_label_is_changed() -> None:
    rng = np.random.default_rng(1)
    true = rng.integers(0, 4, 800)
    labels = flip(true, 0.2, rng)
    photos = held_out(labels, predict(true, 0.9, rng))
    found = held_out_suspicion(photos)
    assert roc_auc_score(labels != true, found.score) > 0.9
    assert (found.preferred[labels != true] == true[labels != true]).mean() > 0.8
    assert (photos.labels == labels).all()
    assert found.score.min() >= 0 and found.score.max() <= 1


def test_training_epochs_that_contradict_a_label_count_and_a_tie_leaves_the_label() -> None:
    predictions = np.array([[1, 2, -1, -1], [1, 0, -1, 3], [1, 2, -1, 1], [0, 0, -1, 3]], dtype=np.int32)
    found = training_suspicion(predictions, np.array([0, 0, 2, 3]))
    assert found.score[[0, 1, 3]] == pytest.approx([3 / 4, 1 / 2, 1 / 3])
    assert np.isnan(found.score[2])
    assert found.preferred.tolist() == [1, 0, 2, 3]
    with pytest.raises(DataError, match="training predictions"):
        training_suspicion(predictions[:0], np.array([0, 0, 2, 3]))


def blobs(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Features of one group a class, which is what a class of one meaning gives."""
    centers = rng.normal(0, 4, (4, 8))
    return centers[labels] + rng.normal(0, 1, (len(labels), 8))


def test_a_pair_that_networks_cannot_tell_apart_collapses_onto_each_other() -> None:
    rng = np.random.default_rng(2)
    true = rng.integers(0, 4, 1200)
    swapped = (true >= 2) & (rng.random(1200) < 0.4)
    labels = np.where(swapped, 5 - true, true)
    signs = find_ambiguous_classes(Pool.of([held_out(labels, predict(true, 0.95, rng), blobs(true, rng))]))
    assert {one.class_index for one in signs[:2]} == {2, 3}
    assert [one.signature for one in signs] == [Signature.SIBLING_COLLAPSE] * 2 + [Signature.NONE] * 2
    assert {(one.class_index, one.sibling) for one in signs[:2]} == {(2, 3), (3, 2)}


def test_a_class_of_two_meanings_is_a_diffuse_loss_though_networks_agree_with_its_labels() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 1200)
    features = blobs(labels, rng)
    features[(labels == 1) & (rng.random(1200) < 0.4)] += 9
    signs = find_ambiguous_classes(Pool.of([held_out(labels, predict(labels, 0.97, rng), features)]))
    assert signs[0].class_index == 1
    assert signs[0].signature is Signature.DIFFUSE_LOSS
    assert all(one.signature is Signature.NONE for one in signs[1:])


def test_photos_found_for_two_classes_name_them_even_where_networks_do_not_confuse_them() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 4, 1200)
    shared = shared_shares([(0, 3, 60)], [150, 300, 300, 150])
    signs = find_ambiguous_classes(
        Pool.of([held_out(labels, predict(labels, 0.97, rng), blobs(labels, rng))]), shared
    )
    assert [(one.class_index, one.sibling, one.signature.value) for one in signs[:2]] in (
        [(0, 3, "sibling collapse"), (3, 0, "sibling collapse")],
        [(3, 0, "sibling collapse"), (0, 3, "sibling collapse")],
    )
    assert signs[0].shared == pytest.approx(0.4)


def test_noise_that_all_classes_share_makes_none_of_them_ambiguous() -> None:
    rng = np.random.default_rng(5)
    true = rng.integers(0, 4, 2000)
    found = find_ambiguous_classes(
        Pool.of([held_out(flip(true, 0.4, rng), predict(true, 0.8, rng), blobs(true, rng))])
    )
    assert all(one.signature is Signature.NONE for one in found)
    assert all(one.lost > 0.3 for one in found)


def test_photos_found_for_two_classes_and_near_copies_across_classes_are_shared_and_named(tmp_path: Path) -> None:
    rows = [
        kept_row(1), kept_row(1, "robin"),
        kept_row(2, copy_group="flickr:002"), kept_row(3, "robin", copy_group="flickr:002"),
        kept_row(4), kept_row(5), kept_row(6, "robin"), kept_row(7, "robin"),
    ]  # fmt: skip
    manifest = write_rows(tmp_path, rows)
    assert shared_photos(manifest, ["owl", "robin"])[0, 1] == pytest.approx(2 / 4)
    (found,) = found_together(manifest)
    assert (found["classes"], found["shared_photos"], found["copies"], found["share"]) == (
        ["owl", "robin"], 1, 1, 0.5,
    )  # fmt: skip
    assert "'owl' and 'robin' found 1 photos and 1 copies in common, 50.0 % of the smaller class" in found["says"]

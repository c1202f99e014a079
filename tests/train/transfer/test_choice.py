"""The head is chosen by raw labels that it was not fitted to, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rawlabel.config import TrainConfig, load_training
from rawlabel.config.training.transfer import CHOSEN, HeadCandidate, read_candidates
from rawlabel.errors import ConfigError
from rawlabel.images.image_source import ImageFiles, LabeledImages
from rawlabel.models.transfer.choice import (
    Scores,
    class_balanced,
    compared_on,
    cross_fitted_heads,
    score,
    within_reach,
)
from rawlabel.training.around.choosing import is_balanced
from rawlabel.training.data import TrainingData

PLAIN, FIRM = HeadCandidate(weight_decay=0.0003), HeadCandidate(weight_decay=0.1)
WEIGHED = HeadCandidate(weighing="soft", weighing_power=1.0, weight_decay=0.03)
SCALED = HeadCandidate(feature_scale="deviation", method="gce", weight_decay=0.01)
CANDIDATES = [PLAIN, FIRM, WEIGHED, SCALED]
CLASSES = 4


def photos(share_wrong: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features of four overlapping classes, their right and raw labels, and folds."""
    rng = np.random.default_rng(seed)
    right = rng.integers(0, CLASSES, 400)
    features = rng.normal(size=(400, 40)) + 1.6 * np.eye(40)[right]
    wrong = rng.random(400) < share_wrong
    raw = np.where(wrong, (right + rng.integers(1, CLASSES, 400)) % CLASSES, right)
    return features.astype(np.float32), right, raw, rng.integers(0, 5, 400)


def test_many_wrong_labels_ask_for_a_firmer_head() -> None:
    """Raw labels alone rank the candidates as the right ones do, where these differ clearly."""
    features, right, raw, folds = photos(0.4)
    said = cross_fitted_heads(features, raw, CLASSES, folds, CANDIDATES)
    clean = np.array([(one.argmax(axis=1) == right).mean() for one in said])
    scores = score(features, raw, CLASSES, folds, CANDIDATES)
    assert scores.chosen() != CANDIDATES.index(PLAIN)
    assert clean[scores.chosen()] > clean[0] + 0.05
    assert clean[scores.chosen()] > clean.max() - 0.02
    rows = scores.table()
    for key in ("behind", "above"):
        assert {"mean": 0, "standard_error": 0} in [row[key] for row in rows]
        assert all(row[key]["mean"] >= 0 for row in rows)
    assert rows[1]["accuracy"]["mean"] == pytest.approx(100 * (said[1].argmax(axis=1) == raw).mean())


@pytest.mark.parametrize(("more", "chosen"), [(40, 1), (1, 0)])
def test_a_likelier_head_must_say_as_many_raw_labels(more: int, chosen: int) -> None:
    """A head that expects which labels are wrong is likelier; where it says fewer raw labels, it is not taken."""
    rng = np.random.default_rng(0)
    likelier = rng.random(1000) < 0.5
    other = likelier.copy()
    other[np.flatnonzero(~likelier)[: 20 + more]] = True
    other[np.flatnonzero(likelier)[:20]] = False
    losses = np.stack([np.full(1000, 1.30), np.full(1000, 1.33)], axis=1)
    scores = Scores(np.stack([likelier, other], axis=1), losses)
    assert scores.chosen() == chosen
    assert [row["behind"]["mean"] for row in scores.table()] == pytest.approx([more / 10, 0])
    assert [row["above"]["mean"] for row in scores.table()] == pytest.approx([0, 0.03])


def test_where_classes_are_uneven_a_head_that_forgets_the_small_one_is_not_taken() -> None:
    labels = np.repeat([0, 1], [90, 10])
    forgets, knows = labels == 0, np.arange(100) % 5 > 0
    scores = Scores(np.stack([forgets, knows], axis=1), np.ones((100, 2)))
    assert scores.chosen() == 0
    balanced = replace(scores, weights=class_balanced(labels))
    assert balanced.chosen() == 1
    assert [row["accuracy"]["mean"] for row in balanced.table()] == pytest.approx([50, 80])


@pytest.mark.parametrize(
    ("sizes", "options", "expected"),
    [((20, 20), (), False), ((41, 20), (), True), ((41, 20), ("balanced=never",), False),
     ((20, 20), ("window=3", "balanced=always"), True)],
)  # fmt: skip
def test_classes_count_alike_in_the_choice_as_they_do_for_the_rule(
    sizes: tuple[int, int], options: tuple[str, ...], expected: bool
) -> None:
    images = LabeledImages(ImageFiles([""] * sum(sizes)), np.repeat([0, 1], sizes))
    data = TrainingData(("a", "b"), images, LabeledImages.nothing(), "", Path())
    assert is_balanced(TrainConfig(stop_option=options), data) is expected


def test_what_is_said_of_a_photo_depends_on_no_label_of_its_fold() -> None:
    features, _, raw, folds = photos(0.2)
    other = np.where(folds == 2, (raw + 1) % CLASSES, raw)
    before = cross_fitted_heads(features, raw, CLASSES, folds, CANDIDATES)
    after = cross_fitted_heads(features, other, CLASSES, folds, CANDIDATES)
    for one, two in zip(before, after, strict=True):
        np.testing.assert_allclose(one[folds == 2], two[folds == 2], atol=1e-4)
        assert np.abs(one[folds != 2] - two[folds != 2]).max() > 0.01


def test_a_class_of_one_photo_and_a_constant_feature_break_nothing() -> None:
    features, _, raw, folds = photos(0.0)
    features[:, 3] = 7
    raw = np.where(np.arange(400) == 5, CLASSES, raw)
    scores = score(features, raw, CLASSES + 1, folds, CANDIDATES)
    assert np.isfinite(scores.losses).all()


def test_it_takes_part_of_many_photos_and_fewer_candidates_of_many_classes() -> None:
    keys = np.random.default_rng(0).permutation(50_000).astype(np.uint64)
    rows = compared_on(keys, 10, 18)
    assert len(rows) == 6000 and (np.diff(rows) > 0).all() and (keys[rows] < 6000).all()
    assert len(compared_on(keys, 100, 18)) == 1666
    assert len(compared_on(keys, 1000, 4)) == 10_000
    assert len(within_reach(CANDIDATES * 5, 10)) == 20
    assert len(within_reach(CANDIDATES * 5, 1000)) == 3


def test_what_is_given_is_not_chosen() -> None:
    assert load_training(None, {"recipe": "transfer"}).choose == "auto"
    assert load_training(None, {"recipe": "transfer", "weight_decay": 0.01}).choose == "off"
    assert load_training(None, {"recipe": "transfer", "hidden": 64}).choose == "off"
    assert load_training(None, {"recipe": "paper"}).choose == "off"
    own = ("weighing=soft weight_decay=0.5",)
    config = load_training(None, {"recipe": "transfer", "weight_decay": 0.01, "choose": "auto", "candidate": own})
    assert config.choose == "auto"
    (candidate,) = read_candidates(config.candidate)
    assert (candidate.weighing, candidate.weight_decay) == ("soft", 0.5)
    assert type(config).model_fields.keys() >= CHOSEN


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("weightdecay=1", "weightdecay"), ("weight_decay=-1", "weight_decay"), ("weighing", "weighing")],
)
def test_a_candidate_that_is_none_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=f"--candidate.*'{text}': {complaint}"):
        load_training(None, {"recipe": "transfer", "candidate": (text,)})


def test_heads_that_are_fitted_together_say_what_each_says_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _, raw, folds = photos(0.3)
    together = cross_fitted_heads(features, raw, CLASSES, folds, CANDIDATES)
    monkeypatch.setattr("rawlabel.models.transfer.choice.MOST_NUMBERS", 1)
    alone = cross_fitted_heads(features, raw, CLASSES, folds, CANDIDATES)
    for one, two in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


def test_each_candidate_weighs_in_its_own_number_of_rounds() -> None:
    """One that names none is asked in the run's, and one call for several says what a call for each says."""
    features, _, raw, folds = photos(0.4)
    asked = [WEIGHED.model_copy(update={"weighing_rounds": count}) for count in (5, 1, None)]
    together = cross_fitted_heads(features, raw, CLASSES, folds, asked, rounds=2)
    for count, said in zip((5, 1, 2), together, strict=True):
        (alone,) = cross_fitted_heads(features, raw, CLASSES, folds, [WEIGHED], rounds=count)
        np.testing.assert_allclose(said, alone, atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 0.01
    (read,) = read_candidates(["weighing=soft weighing_rounds=1"])
    assert (read.weighing_rounds, str(read)) == (1, "weighing=soft weighing_rounds=1")
    given = load_training(None, {"recipe": "transfer", "weighing_rounds": 5})
    assert (given.choose, given.weighing_rounds) == ("auto", 5)

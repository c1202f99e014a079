"""Suspicion by agreement: functions of features and raw labels, on labels that the test makes wrong."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from rawlabel.judge.label_evidence.by_agreement import AgreementEvidence
from rawlabel.judge.label_evidence.groups import find_groups
from rawlabel.judge.label_evidence.witnesses import agreement_suspicion, ask
from rawlabel.models.transfer.agreement import directions
from rawlabel.models.transfer.likeness import class_middles, own_likeness


def photos(seed: int, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, raw labels of which `share` is wrong, and right ones."""
    rng = np.random.default_rng(seed)
    true = np.repeat(np.arange(4), 60)
    features = (np.eye(12)[true] + rng.normal(size=(240, 12)) / 4 + 3).astype(np.float32)
    raw = np.where(rng.random(240) < share, (true + rng.integers(1, 4, 240)) % 4, true)
    return features, raw, true


def test_wrong_labels_are_the_most_suspicious_and_the_right_class_is_preferred() -> None:
    features, raw, true = photos(0, 0.4)
    said = ask(features, raw, 4, np.arange(240) % 5)
    found = agreement_suspicion(said, raw)
    assert roc_auc_score(raw != true, found.score) > 0.97
    assert (found.preferred == true).mean() > 0.95
    assert ((found.score >= 0) & (found.score <= 1)).all()
    clean = agreement_suspicion(ask(features, true, 4, np.arange(240) % 5), true)
    # What strays from its class by chance is suspected as well.
    assert clean.score.mean() < 0.25 < found.score[raw != true].mean() - 0.4


def test_photos_of_another_thing_of_the_same_name_are_found_though_they_agree_with_each_other() -> None:
    features, raw, _ = photos(2, 0.0)
    rng = np.random.default_rng(3)
    features[:12] = np.eye(12)[11] + rng.normal(size=(12, 12)) / 8 + 3
    found = agreement_suspicion(ask(features, raw, 4, np.arange(240) % 5), raw)
    assert roc_auc_score(np.arange(240) < 12, found.score) > 0.95


def with_groups() -> tuple[np.ndarray, np.ndarray]:
    """Features and raw labels of four classes of 100 photos: 20 of class 0 are all alike and like no class, closer
    to each other than photos of a class are, and 24 of class 1 show class 2."""
    rng = np.random.default_rng(3)
    raw = np.repeat(np.arange(4), 100)
    features = np.eye(40)[raw] + rng.normal(size=(400, 40)) / 4 + 3
    features[:20] = 2 * np.eye(40)[39] + rng.normal(size=(20, 40)) / 30 + 3
    features[100:124] = np.eye(40)[2] + rng.normal(size=(24, 40)) / 4 + 3
    return features.astype(np.float32), raw


def test_a_compact_group_does_not_pass_for_its_class_because_it_moves_the_middle() -> None:
    features, raw = with_groups()
    found = agreement_suspicion(ask(features, raw, 4, np.arange(400) % 5), raw)
    assert found.score[:20].min() > 0.5
    assert np.quantile(found.score[20:100], 0.9) < 0.5 and np.quantile(found.score[124:], 0.9) < 0.5


def test_groups_hold_what_looks_like_another_class_and_like_none_with_their_keywords() -> None:
    features, raw = with_groups()
    said = ask(features, raw, 4, np.arange(400) % 5)
    names = tuple(f"{row}.jpg" for row in range(400))
    pointed = directions(features, features.mean(axis=0))
    evidence = AgreementEvidence(names, raw, agreement_suspicion(said, raw), said.strayed, pointed)
    keywords = {name: "jaguar car" if row < 8 else "jaguar" for row, name in enumerate(names)}
    found = find_groups(evidence, ["jaguar", "lynx", "puma", "ocelot"], keywords)
    taken, strays = found.groups[:2]
    assert (taken.label, taken.looks_like, strays.label, strays.looks_like) == ("lynx", "puma", "jaguar", None)
    assert set(strays.photos) == set(names[:20]) and strays.keywords == {"jaguar": 12, "jaguar car": 8}
    assert len(set(taken.photos) & set(names[100:124])) >= 22
    assert (
        "20 photos labeled 'jaguar' look like no class (keywords: 'jaguar' 12, 'jaguar car' 8)"
        in strays.describe()
    )
    # Nothing is lost: every suspected photo is in one group or counted as scattered.
    assert found.suspected == found.scattered + sum(len(one.photos) for one in found.groups)


def test_a_photo_adds_nothing_to_the_middle_that_it_is_compared_with() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(30, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels, weights = np.arange(30) % 3, rng.random(30)
    found = own_likeness(features, labels, weights, 3)
    for one in (0, 7):
        rest = np.arange(30) != one
        middles = class_middles(features[rest], labels[rest], weights[rest], 3)
        assert np.allclose(found[one], middles @ features[one], atol=1e-5)

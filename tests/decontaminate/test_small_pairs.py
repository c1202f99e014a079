"""Counting copies of small images leaves out most of the work, and none of the copies."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from rawlabel.images.image_source import ImageArray
from rawlabel.judge.decontaminate import correlation
from rawlabel.judge.decontaminate.correlation import alike, features
from rawlabel.judge.decontaminate.decontaminating import decontaminate
from rawlabel.judge.evaluate.left_out import QUICK


def pictures(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    spots = rng.integers(0, 256, (count, 5, 5, 3), dtype=np.uint8)
    soft = [cv2.resize(one, (32, 32), interpolation=cv2.INTER_CUBIC) for one in spots]
    return np.clip(np.asarray(soft, float) + rng.normal(0, 12, (count, 32, 32, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("least", [0.3, 0.6, 0.9])
def test_pairs_are_those_of_all_products(least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlation, "_TEST_BLOCK", 16)
    monkeypatch.setattr(correlation, "_CANDIDATE_BLOCK", 25)
    tests = np.concatenate([pictures(40, 1), np.full((2, 32, 32, 3), 90, np.uint8)])
    mixed = 0.7 * tests[:30] + 0.3 * pictures(30, 3)
    candidates = np.concatenate([pictures(30, 2), mixed.astype(np.uint8), tests[:5]])
    products = (features(tests) @ features(candidates).T).numpy()
    found = alike(tests, candidates, least)
    pairs = set(zip(found.tests.tolist(), found.candidates.tolist(), strict=True))
    sure, possible = (set(map(tuple, np.argwhere(products >= least + by).tolist())) for by in (1e-5, -1e-5))
    assert sure <= pairs <= possible and len(pairs) > 4
    assert np.allclose(found.correlations, products[found.tests, found.candidates], atol=1e-5)


def test_a_count_finds_what_a_pass_with_a_list_finds() -> None:
    tests = pictures(30, 1)
    candidates = np.concatenate([pictures(30, 2), tests[:3], (0.9 * tests[3:6]).astype(np.uint8)])
    count, listed = (
        decontaminate(ImageArray(candidates, "photos"), ImageArray(tests, "tests"), None, settings=settings)
        for settings in (QUICK, replace(QUICK, listed=10))
    )
    assert count.left_out.tolist() == listed.left_out.tolist() == [30, 31, 32, 33, 34, 35]
    assert [(one.test, one.candidate, one.tier) for one in count.outcome.hits] == [
        (one.test, one.candidate, one.tier) for one in listed.outcome.hits
    ]
    assert not count.review and listed.review

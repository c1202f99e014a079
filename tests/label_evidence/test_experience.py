"""What is said beside each estimate of how such estimates fared is what the committed results say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rawlabel.judge.label_evidence.experience import IN_ALL, OF_ESTIMATE
from rawlabel.judge.label_evidence.noise_share import _WORDS

RESULTS = Path(__file__).parents[2] / "results" / "measured" / "label_evidence"
HUMAN = json.loads((RESULTS / "cifar10n.json").read_text())["noises"]
SITES = json.loads((RESULTS / "photo_site.json").read_text())["sites"]
JUDGED: list[dict[str, Any]] = [share for one in (*HUMAN.values(), *SITES) for share in one["shares"]]
"""Each estimate on each data set whose truth is known."""


def numbers(text: str) -> list[str]:
    return re.findall(r"(?<![-\d])\d+(?:\.\d+)?", text)


def test_every_estimate_that_is_made_has_its_experience() -> None:
    assert set(OF_ESTIMATE) == set(_WORDS) == {one["estimator"] for one in JUDGED}


@pytest.mark.parametrize("name", OF_ESTIMATE)
def test_what_is_said_of_an_estimate_stands_in_the_results(name: str) -> None:
    own = [one for one in JUDGED if one["estimator"] == name]
    errors = [100 * (one["estimate"] - one["true"]) for one in own]
    held = sum(one["is_covered"] for one in own)
    said = OF_ESTIMATE[name]
    assert numbers(said) == [str(held), str(len(own)), f"{abs(min(errors)):.1f}", f"{max(errors):.1f}"]
    assert ("too low" in said) == (min(errors) < 0) and max(errors) > 0
    assert held == sum(one["lower"] <= one["true"] <= one["upper"] for one in own)


def test_what_is_said_of_all_of_them_stands_in_the_results() -> None:
    worst = HUMAN["worst"]["shares"]
    assert not any(one["is_covered"] for one in worst) and len(worst) == 3
    assert (len(HUMAN), len(SITES)) == (3, 7)
    expected = [sum(one["is_covered"] for one in JUDGED), len(JUDGED), f"{100 * worst[0]['true']:.1f}"]
    assert numbers(IN_ALL) == [str(one) for one in expected]

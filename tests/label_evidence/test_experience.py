"""What is said of why no share of wrong labels is told is what the committed results say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rawlabel.judge.label_evidence.experience import IN_ALL

RESULTS = Path(__file__).parents[2] / "results" / "measured" / "label_evidence"
HUMAN = json.loads((RESULTS / "cifar10n.json").read_text())["noises"]
SITES = json.loads((RESULTS / "photo_site.json").read_text())["sites"]
PAGE = (RESULTS / "README.md").read_text().splitlines()
JUDGED: list[dict[str, Any]] = [share for one in (*HUMAN.values(), *SITES) for share in one["shares"]]
"""Each estimate on each data set whose truth is known."""


def numbers(text: str) -> list[str]:
    return re.findall(r"(?<![-\d])\d+(?:\.\d+)?", text)


def test_what_is_said_of_all_of_them_stands_in_the_results() -> None:
    worst = HUMAN["worst"]["shares"]
    assert not any(one["is_covered"] for one in worst) and len(worst) == 3
    assert (len(HUMAN), len(SITES)) == (3, 7)
    on_features = [row for row in PAGE if re.match(r"\| [\w.-]+, (?:mistaken for another|off topic) \|", row)]
    held = sum(row.endswith("| yes |") for row in on_features)
    expected = [
        sum(one["is_covered"] for one in JUDGED), len(JUDGED), f"{100 * worst[0]['true']:.1f}",
        held, len(on_features),
    ]  # fmt: skip
    assert numbers(IN_ALL) == [str(one) for one in expected]

"""Every plug-in there is, found by itself: a new file is tested without a line here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel import plugins
from rawlabel.errors import PluginError
from rawlabel.plugins import Family
from rawlabel.records import EpochRecord

EVERY = [(family, name) for family in Family for name in plugins.names(family)]


@pytest.mark.parametrize(("family", "name"), EVERY, ids=[f"{family.label}: {name}" for family, name in EVERY])
def test_every_plugin_loads_and_says_what_it_does(family: Family, name: str) -> None:
    assert isinstance(plugins.load(family, name), type)
    assert len(plugins.describe(family, name)) > 20


def test_a_misspelt_name_suggests_the_right_one() -> None:
    with pytest.raises(PluginError, match="no source is called 'flikr'; did you mean 'flickr'"):
        plugins.load(Family.SOURCE, "flikr")


def test_a_file_dropped_in_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dropped_in.py").write_text('class Rule:\n    """A rule for a test."""\nPLUGIN = Rule\n')
    import rawlabel.train.stopping as package

    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "rawlabel.train.stopping.dropped_in", raising=False)
    assert "dropped_in" in plugins.names(Family.STOPPING_RULE)
    assert plugins.describe(Family.STOPPING_RULE, "dropped_in") == "A rule for a test."


percent = st.floats(0, 100)
curves = st.lists(st.tuples(percent, percent), min_size=1, max_size=12)


@pytest.mark.parametrize("name", plugins.names(Family.STOPPING_RULE))
@given(curve=curves)
def test_a_rule_moves_to_the_new_epoch_or_stays(name: str, curve: list[tuple[float, float]]) -> None:
    """Weights of other epochs are not kept, so a selection may not jump elsewhere."""
    rule = plugins.load(Family.STOPPING_RULE, name)()
    records = [EpochRecord(i, 0.1, 1.0, train, 1.0, held) for i, (train, held) in enumerate(curve)]
    before = 0
    for stop in range(1, len(records) + 1):
        selection = rule.select(records[:stop])
        assert selection.epoch in (before, stop - 1)
        assert selection.why
        before = selection.epoch


def test_the_record_that_rules_see_has_no_field_for_a_clean_label() -> None:
    for name in EpochRecord.__dataclass_fields__:
        assert not any(word in name for word in ("test", "clean", "true", "oracle"))


def test_noisy_holdout_takes_the_highest_three_epoch_mean() -> None:
    held = [10.0, 70.0, 20.0, 50.0, 60.0, 55.0, 50.0]  # a lone peak at 1, a plateau that ends at 5
    records = [EpochRecord(i, 0.1, 1.0, 50.0, 1.0, accuracy) for i, accuracy in enumerate(held)]
    selection = plugins.load(Family.STOPPING_RULE, "noisy_holdout")().select(records)
    assert (selection.epoch, selection.why) == (5, "highest 3-epoch mean of raw holdout accuracy, 55.00 %")

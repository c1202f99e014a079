"""Every plug-in there is, found by itself: a new file is tested without a line here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rawlabel.base import families
from rawlabel.base.families import Family
from rawlabel.errors import PluginError
from rawlabel.records import EpochRecord

EVERY = [(family, name) for family in Family for name in families.names(family)]


@pytest.mark.parametrize(("family", "name"), EVERY, ids=[f"{family.label}: {name}" for family, name in EVERY])
def test_every_plugin_loads_and_says_what_it_does(family: Family, name: str) -> None:
    assert isinstance(families.load(family, name), type)
    assert len(families.describe(family, name)) > 20


def test_a_misspelt_name_suggests_the_right_one() -> None:
    with pytest.raises(PluginError, match="no source is called 'flikr'; did you mean 'flickr'"):
        families.load(Family.SOURCE, "flikr")


def test_a_file_dropped_in_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dropped_in.py").write_text('class Rule:\n    """A rule for a test."""\nPLUGIN = Rule\n')
    import rawlabel.training.stopping as package

    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "rawlabel.training.stopping_rule.dropped_in", raising=False)
    assert "dropped_in" in families.names(Family.STOPPING_RULE)
    assert families.describe(Family.STOPPING_RULE, "dropped_in") == "A rule for a test."


def test_the_record_that_rules_see_has_no_field_for_a_clean_label() -> None:
    for name in EpochRecord.__dataclass_fields__:
        assert not any(word in name for word in ("test", "clean", "true", "oracle"))

"""The meanings of words, from the tables that come with timm, and the lists of ImageNet's classes."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from rawlabel.errors import DataError
from rawlabel.gather.classes import wordnet
from rawlabel.gather.classes.wordnet import Synset, WordNet, imagenet_ids, load_wordnet, split_words

SMALL = WordNet(
    [
        Synset("n00000001", ("demoiselle", "Anthropoides virgo"), "a small crane"),
        Synset("n00000002", ("whooping crane",), "a rare bird"),
        Synset("n00000003", ("wader", "crane"), "a bird with long legs"),
        Synset("n00000004", ("crane",), "lifts heavy objects"),
        Synset("n00000005", ("cranefly",), "an insect"),
        Synset("n00000006", ("Tree-House",), "a house in a tree"),
    ]
)


def test_the_tables_hold_the_documented_numbers_of_classes() -> None:
    synsets = load_wordnet().synsets
    sizes = {name: len(set(imagenet_ids(name))) for name in wordnet.IMAGENET_LISTS}
    assert len(synsets) == 21_844
    assert sizes == {"imagenet-1k": 1000, "imagenet-12k": 11_821, "imagenet-21k": 21_843}
    assert all(set(imagenet_ids(name)) <= set(synsets) for name in wordnet.IMAGENET_LISTS)
    assert set(imagenet_ids("imagenet-1k")) - set(imagenet_ids("imagenet-21k")) == {"n04399382"}
    assert set(synsets) - set(imagenet_ids("imagenet-21k")) == {"n04399382"}


def test_a_synset_has_its_words_and_its_definition() -> None:
    tench = load_wordnet().synsets["n01440764"]
    assert tench.lemmas == ("tench", "Tinca tinca")
    assert tench.definition.startswith("freshwater")


def test_a_search_puts_the_best_fit_first() -> None:
    found = [synset.wordnet_id for synset in SMALL.search("Crane")]
    assert found == ["n00000004", "n00000003", "n00000002", "n00000005"]
    assert [one.wordnet_id for one in SMALL.search("crane", ["n00000005", "n00000002"])] == [
        "n00000002",
        "n00000005",
    ]


def test_definitions_are_searched_where_no_name_fits() -> None:
    assert [synset.wordnet_id for synset in SMALL.search("heavy objects")] == ["n00000004"]
    assert [synset.wordnet_id for synset in SMALL.search("legs bird")] == ["n00000003"]
    assert SMALL.search("hovercraft") == []


@pytest.mark.parametrize("name", ["tree house", "TREE_HOUSE", "Tree-House"])
def test_names_are_compared_by_their_words(name: str) -> None:
    assert [synset.wordnet_id for synset in SMALL.meanings(name)] == ["n00000006"]


def test_the_meaning_that_a_word_usually_has_comes_first() -> None:
    assert [synset.wordnet_id for synset in SMALL.meanings("crane")] == ["n00000004", "n00000003"]


def test_words_keep_their_apostrophes_and_signs_stay_what_they_are() -> None:
    assert split_words("Plumber's Helper") == ("plumber's", "helper")
    assert split_words("?!") == ("?!",)


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        (None, "timm is not installed"),
        ({}, "imagenet_synset_to_lemma.txt: cannot be read, so WordNet's words are missing; install timm"),
        ({"lemma": "n1\ttench\nn2\n", "definition": "n1\ta fish\n"}, "the line 'n2' has no text after its id"),
        ({"lemma": "n1\ttench\n", "definition": "n2\ta fish\n"}, "of different synsets; reinstall timm"),
    ],
)
def test_missing_and_damaged_tables_are_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: dict[str, str] | None, named: str
) -> None:
    folder = tmp_path / "data" / "_info"
    folder.mkdir(parents=True)
    for name, text in (tables or {}).items():
        (folder / f"imagenet_synset_to_{name}.txt").write_text(text, "utf-8")
    found = ModuleSpec("timm", None, is_package=True)
    found.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if tables is None else found)
    with pytest.raises(DataError) as caught:
        load_wordnet.__wrapped__()
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)

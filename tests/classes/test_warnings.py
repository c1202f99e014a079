"""Warnings about class lists: each rule finds what it is for, and says nothing about what is fine."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from rawlabel.gather.classes.reading import read_classes
from rawlabel.gather.classes.warnings import FREQUENCY_FACTOR, ClassWarning, WarningKind, find_warnings
from rawlabel.gather.classes.wordnet import Synset, WordNet, imagenet_ids, load_wordnet
from rawlabel.records import ClassSpec

WORDNET = WordNet(
    [
        Synset("n04099969", ("rocking chair", "rocker"), "a chair mounted on rockers"),
        Synset("n04098513", ("rocker",), "a curved support"),
        Synset("n04098795", ("cradle", "rocker"), "a trough"),
        Synset("n02129165", ("lion",), "large cat"),
        Synset("n03262932", ("easy chair",), "a chair to rest in"),
    ]
)


def classes(**keywords: tuple[str, ...]) -> list[ClassSpec]:
    return [ClassSpec(class_id, class_id, words) for class_id, words in keywords.items()]


def warn(
    specs: list[ClassSpec], totals: Mapping[tuple[str, str], int] | None = None, wanted: int = 0
) -> list[ClassWarning]:
    return find_warnings(specs, totals, wanted, WORDNET)


def test_a_list_without_faults_gets_no_warning() -> None:
    specs = classes(lion=("lion",), chair=("rocking chair",), lioness=("lioness",))
    totals = {("lion", "lion"): 900, ("chair", "rocking chair"): 5000, ("lioness", "lioness"): 400}
    assert warn(specs, totals, wanted=400) == []


def test_a_keyword_of_two_classes_is_named_once_with_both() -> None:
    (warning,) = warn(classes(van=("paddy wagon", "Wagon"), car=("wagon",)))
    assert (warning.kind, warning.class_ids) == (WarningKind.SHARED_KEYWORD, ("van", "car"))
    assert "'Wagon' is a keyword of 'van' and of 'car'" in warning.message


@pytest.mark.parametrize(("inner", "outer", "warns"), [
    ("lion", "mountain lion", True),
    ("Sea-Lion", "big sea lion", True),
    ("lion", "dandelion", False),
    ("sea lion", "lion sea", False),
])  # fmt: skip
def test_a_keyword_inside_that_of_another_class_counts_as_whole_words(inner: str, outer: str, warns: bool) -> None:
    found = warn(classes(one=(inner,), other=(outer,)))
    assert [(one.kind, one.class_ids, one.keyword) for one in found] == (
        [(WarningKind.KEYWORD_INSIDE_ANOTHER, ("one", "other"), inner)] if warns else []
    )


def test_keywords_inside_others_of_the_same_class_are_fine_and_many_containers_make_one_warning() -> None:
    assert warn(classes(dog=("dog", "German shepherd dog"))) == []
    others = {f"c{n}": (f"{word} dog",) for n, word in enumerate(["hot", "guide", "sea", "sheep", "prairie"])}
    (warning,) = warn(classes(dog=("dog", "domestic dog"), **others))
    assert "'sea dog' of 'c2' and 2 more" in warning.message
    assert warning.message.endswith("search for 'domestic dog' instead")


@pytest.mark.parametrize(("class_id", "keywords", "meanings"), [
    ("n04099969", ("rocking chair", "rocker"), "2 other meanings, the first: 'a curved support'"),
    ("chair", ("rocker", "rocking chair"), "2 other meanings"),  # two words for one thing tell which is meant
    ("band", ("rocker", "rock musician"), "3 meanings"),  # nothing tells, so all count
    ("chair", ("rocker",), None),  # there is no longer name to search for
    ("lion", ("lion", "king of beasts"), None),  # it has this meaning only
    ("n02129165", ("lion", "king of beasts"), None),
])  # fmt: skip
def test_a_single_word_with_other_meanings_is_named_where_a_longer_name_is_there(
    class_id: str, keywords: tuple[str, ...], meanings: str | None
) -> None:
    found = warn([ClassSpec(class_id, class_id, keywords)])
    assert len(found) == (meanings is not None)
    for warning in found:
        assert (warning.kind, warning.keyword) == (WarningKind.AMBIGUOUS_WORD, "rocker")
        assert str(meanings) in warning.message
        assert f"'{next(word for word in keywords if ' ' in word)}' may be enough" in warning.message


def test_the_longer_name_proposed_is_one_without_other_meanings() -> None:
    (warning,) = warn([ClassSpec("n04099969", "rocker", ("rocker", "easy chair", "rocking chair"))])
    assert warning.message.endswith("the longer name 'rocking chair' may be enough")


@pytest.mark.parametrize(
    "word",
    ["crane", "jaguar", "Mouse", "bass", "turkey", "cranes", "matches", "flies", "galaxies", "basses", "mice"],
)
def test_an_everyday_name_of_two_things_is_told_with_names_that_tell_them_apart(word: str) -> None:
    (warning,) = find_warnings(classes(own=(word,), lion=("lion",)), None, 0)
    assert (warning.kind, warning.class_ids, warning.keyword) == (WarningKind.AMBIGUOUS_WORD, ("own",), word)
    assert re.search(r"is the name of more than one thing.*; use a name such as '.+' or '.+'$", warning.message)
    assert not find_warnings(classes(own=(word,)), None, 0, is_searched=False)


@pytest.mark.parametrize(
    "word", ["crane bird", "construction crane", "bus", "owl", "glass", "robin", "horse", "stares"]
)
def test_what_has_two_words_or_one_meaning_for_most_is_let_be(word: str) -> None:
    assert find_warnings(classes(own=(word,)), None, 0) == []


def test_where_the_class_has_a_longer_name_one_warning_is_enough() -> None:
    (warning,) = find_warnings(classes(bird=("crane", "crane bird")), None, 0)
    assert warning.message.endswith("the longer name 'crane bird' may be enough")


@pytest.mark.parametrize(
    "keywords",
    [("crane", "Crane", "cranes"), ("crane", "Crane", "cranes", "crane bird"), ("cranes", "crane", "crane-bird")],
)
def test_the_spellings_of_a_word_in_one_class_get_one_warning(keywords: tuple[str, ...]) -> None:
    (warning,) = find_warnings(classes(own=keywords), None, 0)
    assert warning.keyword in keywords[:2]


@pytest.mark.parametrize(
    ("class_id", "keywords", "name"),
    [
        ("n02012849", ("crane",), "crane bird"),
        ("n03126707", ("crane",), "construction crane"),  # by the definition of the other meaning
        ("n00000000", ("crane",), "'crane bird' or 'construction crane'"),  # no meaning that is known
        ("crane_bird", ("crane", "Crane"), "crane bird"),
        ("crane", ("crane", "bird"), "crane bird"),
        ("crane", ("cranes", "construction"), "construction crane"),
        ("match", ("matches", "of wood"), "'matchstick' or 'football match'"),
    ],
)
def test_where_a_class_says_which_thing_it_means_only_that_name_is_offered(
    class_id: str, keywords: tuple[str, ...], name: str
) -> None:
    (warning,) = find_warnings([ClassSpec(class_id, class_id, keywords)], None, 0)
    assert warning.message.endswith(f"use a name such as {name if ' or ' in name else repr(name)}")


def test_the_names_of_two_unlike_classes_of_imagenet_are_among_those_known() -> None:
    """What the packaged encoder was taught under one name twice: an animal, and a thing that was made."""
    wordnet, kinds = load_wordnet(), defaultdict(set)
    for wordnet_id in imagenet_ids("imagenet-1k"):
        for lemma in wordnet.synsets[wordnet_id].lemmas:
            # WordNet numbers its meanings by what kind of thing they are; animals end here.
            kinds[lemma.casefold()].add(wordnet_id < "n02670000")
    of_two = [name for name, found in kinds.items() if len(found) > 1]
    assert {"crane", "cardigan"} <= set(of_two)
    for name in of_two:
        assert find_warnings(classes(own=(name,)), None, 0)


@pytest.mark.parametrize(("count", "kind"), [
    (100 * FREQUENCY_FACTOR + 100, WarningKind.FAR_MORE_FREQUENT),
    (100 * FREQUENCY_FACTOR // 2, None),
    (100 // FREQUENCY_FACTOR - 2, WarningKind.FAR_LESS_FREQUENT),
    (0, WarningKind.FAR_LESS_FREQUENT),
    (100 // FREQUENCY_FACTOR * 2, None),
])  # fmt: skip
def test_a_keyword_is_compared_with_its_siblings_or_the_only_one_with_other_classes(
    count: int, kind: WarningKind | None
) -> None:
    expected = [] if kind is None else [kind]
    specs = classes(owl=("a", "b", "c", "d"), gull=("e",), wren=("f",))
    siblings = {("owl", "a"): 80, ("owl", "b"): 100, ("owl", "c"): 120, ("gull", "e"): 90, ("wren", "f"): 110}
    among_siblings = warn(specs, {**siblings, ("owl", "d"): count})
    assert [(one.kind, one.keyword) for one in among_siblings] == [(kind, "d") for kind in expected]
    alone = warn(specs, {**siblings, ("wren", "f"): count})
    assert [(one.kind, one.keyword) for one in alone] == [(kind, "f") for kind in expected]


def test_of_two_siblings_only_the_odd_one_is_named() -> None:
    specs = classes(owl=("a", "b"), gull=("e",), wren=("f",))
    totals = {("owl", "a"): 100, ("owl", "b"): 90_000, ("gull", "e"): 90, ("wren", "f"): 110}
    assert [(one.kind, one.keyword) for one in warn(specs, totals)] == [(WarningKind.FAR_MORE_FREQUENT, "b")]


def test_too_few_photos_are_counted_over_all_keywords_and_only_when_all_counts_are_known() -> None:
    specs = classes(owl=("a", "b"), gull=("e",), wren=("f",))
    totals = {("owl", "a"): 400, ("owl", "b"): 599, ("gull", "e"): 1000}
    (warning,) = warn(specs, totals, wanted=1000)
    assert (warning.kind, warning.class_ids, warning.keyword) == (WarningKind.TOO_FEW_PHOTOS, ("owl",), None)
    assert "at most 999 photos under all 2 keywords, and 1,000 are wanted" in warning.message


def test_the_gravest_kind_comes_first_and_the_worst_of_a_kind_before_the_others() -> None:
    specs = classes(owl=("a", "rocker", "rocking chair"), gull=("a",), wren=("f",), robin=("f bird",))
    totals = {(spec.class_id, word): 10 for spec in specs for word in spec.keywords} | {("wren", "f"): 5}
    found = warn(specs, totals, wanted=20)
    kinds = [one.kind for one in found]
    assert kinds == sorted(kinds, key=list(WarningKind).index)
    too_few = [one.class_ids[0] for one in found if one.kind is WarningKind.TOO_FEW_PHOTOS]
    assert too_few == ["wren", "gull", "robin"]
    assert {WarningKind.SHARED_KEYWORD, WarningKind.AMBIGUOUS_WORD} < set(kinds)
    assert all("\n" not in one.message for one in found)
    assert all(kind.describe() for kind in WarningKind)


def test_the_papers_own_class_file(paper: Path) -> None:
    specs = read_classes(paper / "metadata" / "tiny_classes_to_search.json")
    found = find_warnings(specs, None, 1000)
    keywords = {kind: [one.keyword for one in found if one.kind is kind] for kind in WarningKind}
    assert keywords[WarningKind.SHARED_KEYWORD] == ["wagon"]
    assert sorted(map(str, keywords[WarningKind.KEYWORD_INSIDE_ANOTHER])) == ["cliff", "lion", "pig", "slug"]
    assert {"drop", "board", "monarch", "organ", "rocker"} < set(keywords[WarningKind.AMBIGUOUS_WORD])
    assert Counter(one.kind for one in found)[WarningKind.AMBIGUOUS_WORD] == 39

"""What is likely to go wrong with a class list, found before anything is searched or downloaded.

Two keywords count as the same search when they have the same words: case, hyphens and punctuation do not
count. The rules:

- *Shared keyword*: two classes have it, so the same photos come under both and one of the labels is wrong.
- *Keyword inside another*: its words stand, side by side, in a keyword of another class, so its search also
  brings that class's photos.
- *Ambiguous word*: a keyword of one word that WordNet knows in another meaning than the class's, where the
  class has a longer name that could be searched instead; or one of the everyday names of two things that have
  nothing to do with each other (`homonyms.toml`), such as crane, whatever else the class has. One warning is
  enough for all spellings of a word in a class.
- *Far more* or *far less frequent* than its siblings: its number of photos is at least `FREQUENCY_FACTOR` times,
  or at most that part of, the median of the other keywords of its class, on a logarithmic scale. Of two keywords
  that are each other's only sibling just one is named: the one further from the median over all classes. A
  class's only keyword is compared with that median, which is taken over the classes' own medians.
- *Too few photos*: those of all its keywords together, photos found twice counted twice, are fewer than wanted.
"""

from __future__ import annotations

import math
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from statistics import median

from rawlabel.gather.classes.reading import is_wordnet_id
from rawlabel.gather.classes.wordnet import Synset, WordNet, load_wordnet, split_words
from rawlabel.records import ClassSpec

FREQUENCY_FACTOR = 20
_NAMED = 3


class WarningKind(StrEnum):
    """The closed list of what `find_warnings` warns about, the gravest first; `describe` puts each into words."""

    TOO_FEW_PHOTOS = "too_few_photos"
    SHARED_KEYWORD = "shared_keyword"
    AMBIGUOUS_WORD = "ambiguous_word"
    FAR_MORE_FREQUENT = "far_more_frequent"
    KEYWORD_INSIDE_ANOTHER = "keyword_inside_another"
    FAR_LESS_FREQUENT = "far_less_frequent"

    def describe(self) -> str:
        """One phrase for people, as a heading over the warnings of this kind."""
        return _KIND_TEXT[self]


_KIND_TEXT = {
    WarningKind.TOO_FEW_PHOTOS: "classes with too few photos",
    WarningKind.SHARED_KEYWORD: "keywords that several classes share",
    WarningKind.AMBIGUOUS_WORD: "single words with other meanings",
    WarningKind.FAR_MORE_FREQUENT: "keywords far more frequent than their siblings",
    WarningKind.KEYWORD_INSIDE_ANOTHER: "keywords inside a keyword of another class",
    WarningKind.FAR_LESS_FREQUENT: "keywords far less frequent than their siblings",
}


@dataclass(frozen=True, slots=True)
class ClassWarning:
    """One warning: about which class or keyword, and a sentence that says what is wrong and what to do."""

    kind: WarningKind
    class_ids: tuple[str, ...]
    """The class that the warning is about, then the other classes that it involves."""
    keyword: str | None
    """None when the warning is about the class as a whole."""
    message: str
    weight: float
    """How bad it is among those of its kind; more is worse."""


def find_warnings(
    classes: Sequence[ClassSpec],
    totals: Mapping[tuple[str, str], int] | None,
    wanted_per_class: int,
    wordnet: WordNet | None = None,
    *,
    is_searched: bool = True,
) -> list[ClassWarning]:
    """Return all warnings about `classes`, by kind (the gravest first), within a kind the worst first.

    `totals` is the number of photos that the sites report for each (class id, keyword); without it, and for
    keywords that it lacks, the rules that need numbers are left out. `wordnet` is by default the one that comes
    with timm; raises `DataError` when that is missing. Where keywords are not searched for, but name what is at
    hand, homonyms are let be.
    """
    searches = _searches(classes)
    warnings = [*_shared(searches), *_inside_another(searches)]
    wordnet = wordnet or load_wordnet()
    ambiguous = list(_ambiguous(classes, wordnet))
    warnings += ambiguous
    if is_searched:
        told = {(one.class_ids[0], _homonym(one.keyword or "")) for one in ambiguous}
        warnings += _homonyms(classes, wordnet, told)
    if totals is not None:
        warnings += [*_unlike_siblings(classes, totals), *_too_few(classes, totals, wanted_per_class)]
    order = list(WarningKind)
    return sorted(warnings, key=lambda one: (order.index(one.kind), -one.weight, one.class_ids, one.keyword or ""))


def find_shared_keywords(classes: Sequence[ClassSpec]) -> list[ClassWarning]:
    """The warnings about shared keywords alone, in the order of the classes; they need no table and no number."""
    return list(_shared(_searches(classes)))


_Words = tuple[str, ...]
_Searches = Mapping[_Words, Mapping[str, tuple[ClassSpec, str]]]


def _searches(classes: Sequence[ClassSpec]) -> _Searches:
    """For each search (as words), the classes that make it, by id, with the keyword as they write it."""
    searches: dict[_Words, dict[str, tuple[ClassSpec, str]]] = defaultdict(dict)
    for spec in classes:
        for keyword in spec.keywords:
            searches[split_words(keyword)].setdefault(spec.class_id, (spec, keyword))
    return searches


def _shared(searches: _Searches) -> Iterator[ClassWarning]:
    for users in searches.values():
        if len(users) > 1:
            (first, keyword), *others = users.values()
            yield ClassWarning(
                WarningKind.SHARED_KEYWORD,
                tuple(users),
                keyword,
                f"'{keyword}' is a keyword of {_label(first)} and of {_some([_label(one) for one, _ in others])}: "
                "each of its photos comes under all of them; leave it to one class, or to none",
                len(users),
            )


def _inside_another(searches: _Searches) -> Iterator[ClassWarning]:
    """One warning for each class and keyword that others contain, however many they are."""
    outer: dict[tuple[str, _Words], dict[str, str]] = defaultdict(dict)
    for words, holders in searches.items():
        for inner in _parts(words):
            for class_id in searches.get(inner, {}):
                for holder_id, (holder, keyword) in holders.items():
                    # A class that has the inner keyword too is named by the warning about shared keywords.
                    if holder_id not in searches[inner]:
                        outer[class_id, inner].setdefault(holder_id, f"'{keyword}' of {_label(holder)}")
    for (class_id, inner), containing in outer.items():
        spec, keyword = searches[inner][class_id]
        longer = [one for one in _longer_names(spec, inner) if inner in _parts(split_words(one))]
        remedy = f"search for '{longer[0]}' instead" if longer else "add a word that only this class has"
        yield ClassWarning(
            WarningKind.KEYWORD_INSIDE_ANOTHER,
            (class_id, *containing),
            keyword,
            f"'{keyword}' of {_label(spec)} stands inside {_some(list(containing.values()))}, so its search "
            f"brings photos of the other too; {remedy}",
            len(containing),
        )


def _parts(words: _Words) -> set[_Words]:
    """The runs of words inside `words` that are shorter than it."""
    length = len(words)
    return {
        words[start:end] for start in range(length) for end in range(start + 1, length + 1) if end - start < length
    }


def _ambiguous(classes: Sequence[ClassSpec], wordnet: WordNet) -> Iterator[ClassWarning]:
    for spec in classes:
        own = _own_synset(spec, wordnet)
        keywords = {split_words(keyword): keyword for keyword in reversed(spec.keywords)}
        for words, keyword in reversed(keywords.items()):
            longer = _longer_names(spec, words) if len(words) == 1 else []
            others = [one for one in wordnet.meanings(keyword) if one != own]
            # Without a meaning of its own, a word that has just one meaning is not ambiguous.
            if not longer or len(others) < (1 if own else 2):
                continue
            clear = [one for one in longer if all(meaning == own for meaning in wordnet.meanings(one))]
            what = (
                "one other meaning"
                if len(others) == 1
                else f"{len(others)} {'other ' if own else ''}meanings, the first"
            )
            yield ClassWarning(
                WarningKind.AMBIGUOUS_WORD,
                (spec.class_id,),
                keyword,
                f"'{keyword}' of {_label(spec)} has {what}: '{others[0].definition}'; "
                f"the longer name '{(clear or longer)[0]}' may be enough",
                len(others),
            )


def _homonyms(
    classes: Sequence[ClassSpec], wordnet: WordNet, told: set[tuple[str, str | None]]
) -> Iterator[ClassWarning]:
    """One warning for each class and word, but those that are `told` (class id, word in the singular)."""
    for spec in classes:
        found: dict[str, str] = {}
        for keyword in spec.keywords:
            word = _homonym(keyword)
            if word is not None and (spec.class_id, word) not in told:
                found.setdefault(word, keyword)
        for word, keyword in found.items():
            names = _names_that_fit(spec, word, wordnet)
            yield ClassWarning(
                WarningKind.AMBIGUOUS_WORD,
                (spec.class_id,),
                keyword,
                f"'{keyword}' of {_label(spec)} is the name of more than one thing, and a search brings all; "
                f"use a name such as {' or '.join(map(repr, names))}",
                1,
            )


def _homonym(keyword: str) -> str | None:
    """The word of `homonyms.toml` that `keyword` is, in the singular or the plural; None where it is none."""
    word, *others = split_words(keyword)
    forms = [word, word.removesuffix("s")]
    if word.endswith(("ses", "xes", "zes", "ches", "shes")):
        forms.append(word.removesuffix("es"))
    if word.endswith("ies"):
        forms.append(f"{word.removesuffix('ies')}y")
    return next((one for one in forms if one in _known_homonyms()), None) if not others else None


def _names_that_fit(spec: ClassSpec, word: str, wordnet: WordNet) -> Sequence[str]:
    """Of the two names that tell the meanings of `word` apart, the one that the class means, else both.

    The class says so where its id, its name, its other keywords or the definition of its own WordNet id have a
    word of just one of them; such an id also does where the definition of another meaning has.
    """
    own, names = wordnet.synsets.get(spec.class_id), _known_homonyms()[word]
    no_sign = {word, "and", "of", "or"}
    said = _words_of([spec.class_id, spec.name, *spec.keywords, *([own.definition] if own else [])]) - no_sign
    fitting = [one for one in names if said & _words_of([one])]
    if own and not fitting:
        others = _words_of([one.definition for one in wordnet.meanings(word) if one != own]) - no_sign
        fitting = [one for one in names if not others & _words_of([one])]
    return fitting if len(fitting) == 1 else names


def _words_of(texts: Sequence[str]) -> set[str]:
    return {word for text in texts for word in split_words(text)}


@cache
def _known_homonyms() -> Mapping[str, tuple[str, str]]:
    table = resources.files(__package__).joinpath("homonyms.toml")
    return {word: (one, other) for word, (one, other) in tomllib.loads(table.read_text("utf-8")).items()}


def _own_synset(spec: ClassSpec, wordnet: WordNet) -> Synset | None:
    """The meaning of a class: its id says it, or two keywords that are words for one thing."""
    if is_wordnet_id(spec.class_id):
        return wordnet.synsets.get(spec.class_id)
    counts: dict[str, int] = defaultdict(int)
    for words in dict.fromkeys(split_words(keyword) for keyword in spec.keywords):
        for synset in wordnet.meanings(" ".join(words)):
            counts[synset.wordnet_id] += 1
    best = max(counts, key=lambda one: counts[one], default=None)
    return wordnet.synsets[best] if best is not None and counts[best] > 1 else None


def _longer_names(spec: ClassSpec, words: _Words) -> list[str]:
    """The keywords of the class that have more words, those that hold `words` first."""
    longer = [keyword for keyword in spec.keywords if len(split_words(keyword)) > len(words)]
    return sorted(longer, key=lambda keyword: words not in _parts(split_words(keyword)))


def _unlike_siblings(
    classes: Sequence[ClassSpec], totals: Mapping[tuple[str, str], int]
) -> Iterator[ClassWarning]:
    # One is added so that a search without a result has a logarithm.
    logs = {
        spec.class_id: {
            word: math.log1p(totals[spec.class_id, word])
            for word in spec.keywords
            if (spec.class_id, word) in totals
        }
        for spec in classes
    }
    medians = [median(one.values()) for one in logs.values() if one]
    overall = median(medians) if medians else 0.0
    for spec in classes:
        own = logs[spec.class_id]
        candidates = list(own)
        if len(own) == 2:
            candidates = [max(own, key=lambda word: abs(own[word] - overall))]
        for keyword in candidates:
            siblings = [value for word, value in own.items() if word != keyword]
            usual = median(siblings) if siblings else overall
            if abs(own[keyword] - usual) >= math.log(FREQUENCY_FACTOR):
                yield _unlike(spec, keyword, own[keyword], usual, has_siblings=bool(siblings))


def _unlike(spec: ClassSpec, keyword: str, value: float, usual: float, *, has_siblings: bool) -> ClassWarning:
    found, expected = round(math.expm1(value)), round(math.expm1(usual))
    whose = "its other keywords" if has_siblings else "other classes"
    if value > usual:
        kind, remedy = WarningKind.FAR_MORE_FREQUENT, "it may mean something else too; look at some"
    else:
        kind = WarningKind.FAR_LESS_FREQUENT
        remedy = f"check its spelling, or {'leave it out' if has_siblings else 'add another name'}"
    message = f"'{keyword}' of {_label(spec)} finds {found:,} photos, {whose} {expected:,} in the median; {remedy}"
    return ClassWarning(kind, (spec.class_id,), keyword, message, abs(value - usual))


def _too_few(
    classes: Sequence[ClassSpec], totals: Mapping[tuple[str, str], int], wanted: int
) -> Iterator[ClassWarning]:
    for spec in classes:
        counts = [totals.get((spec.class_id, keyword)) for keyword in spec.keywords]
        known = [count for count in counts if count is not None]
        if len(known) == len(counts) and sum(known) < wanted:
            keywords = f"'{spec.keywords[0]}'" if len(counts) == 1 else f"all {len(counts)} keywords"
            yield ClassWarning(
                WarningKind.TOO_FEW_PHOTOS,
                (spec.class_id,),
                None,
                f"{_label(spec)} has at most {sum(known):,} photos under {keywords}, and {wanted:,} are wanted; "
                "add other names for it, or ask for fewer photos",
                wanted - sum(known),
            )


def _label(spec: ClassSpec) -> str:
    return f"{spec.class_id} ({spec.name})" if spec.name != spec.class_id else f"'{spec.class_id}'"


def _some(texts: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    rest = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")

"""What words mean: the synsets of WordNet that ImageNet has classes for, from tables that come with timm.

A *synset* is one meaning, with its id (`n` and eight digits), its *lemmas* (the words that have this meaning, the
usual one first) and a definition. The tables hold 21,844 synsets, all nouns, so a word that has one meaning here
may have more in a dictionary.

The lists of ImageNet's classes are files beside the tables (names as in `timm.data.ImageNetInfo`):

- 1k: `imagenet_synsets.txt`, the 1,000 classes of ILSVRC 2012.
- 12k: `imagenet12k_synsets.txt`, timm's own choice of 11,821 classes with enough images.
- 21k: `imagenet21k_goog_synsets.txt`, the 21,843 classes on which models called "ImageNet-21k" are trained. They
  are the 21,841 of the release of fall 2011 (`imagenet22k_synsets.txt`, often called 22k) and two more (bleacher
  and picture). Neither list has the teddy bear (n04399382), which is one of the 1,000; so 1k is no part of 21k.

timm is never imported, since that would load torch; only its folder is looked up.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from rawlabel.errors import DataError

IMAGENET_LISTS = {
    "imagenet-1k": "imagenet_synsets.txt",
    "imagenet-12k": "imagenet12k_synsets.txt",
    "imagenet-21k": "imagenet21k_goog_synsets.txt",
}
_LEMMAS, _DEFINITIONS = "imagenet_synset_to_lemma.txt", "imagenet_synset_to_definition.txt"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_EXACT, _WHOLE_WORDS, _SUBSTRING, _NOT = range(4)


@dataclass(frozen=True, slots=True)
class Synset:
    """One meaning: its WordNet id, the words that have it, and what they mean."""

    wordnet_id: str
    lemmas: tuple[str, ...]
    definition: str


class WordNet:
    """The synsets by id, in the order of the tables, and what can be asked of them."""

    def __init__(self, synsets: Iterable[Synset]) -> None:
        self.synsets: Mapping[str, Synset] = {synset.wordnet_id: synset for synset in synsets}

    @cached_property
    def _by_words(self) -> Mapping[tuple[str, ...], Sequence[Synset]]:
        """Synsets by each of their lemmas; those that the lemma usually stands for come first."""
        ranked: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
        for synset in self.synsets.values():
            for rank, lemma in enumerate(synset.lemmas):
                ranked[split_words(lemma)].setdefault(synset.wordnet_id, rank)
        return {
            words: [self.synsets[one] for one in sorted(ranks, key=lambda one: (ranks[one], one))]
            for words, ranks in ranked.items()
        }

    def meanings(self, name: str) -> Sequence[Synset]:
        """The synsets that have `name` as a lemma (case, hyphens and underscores aside), likeliest first."""
        return self._by_words.get(split_words(name), ())

    def search(self, words: str, within: Iterable[str] | None = None) -> list[Synset]:
        """The synsets whose lemmas hold `words`, best first, of the ids `within` or of all.

        A lemma that is `words` comes before one that holds them as whole words, and that before one that holds
        them inside a word; among equals the synset's usual lemma and the shorter one come first. Where no lemma
        fits, the synsets whose definition has each of the words.
        """
        wanted = split_words(words)
        synsets = [self.synsets[one] for one in (self.synsets if within is None else within)]
        ranked = [(_best_fit(wanted, synset.lemmas), synset.wordnet_id, synset) for synset in synsets]
        found = [one for one in ranked if one[0][0] != _NOT]
        if found:
            return [synset for _, _, synset in sorted(found, key=lambda one: one[:2])]
        return [synset for synset in synsets if set(wanted) <= set(split_words(synset.definition))]


def split_words(text: str) -> tuple[str, ...]:
    """The words of `text` as a search engine tells them apart: case, hyphens and punctuation do not count."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return tuple(_WORD.findall(folded)) or (folded,)


@cache
def load_wordnet() -> WordNet:
    """Read the tables; raises `DataError` when timm or a table is missing or damaged."""
    lemmas, definitions = _table(_LEMMAS), _table(_DEFINITIONS)
    if lemmas.keys() != definitions.keys():
        raise DataError(f"{_folder()}: the lemmas and definitions are of different synsets; reinstall timm")
    return WordNet(Synset(one, tuple(words.split(", ")), definitions[one]) for one, words in lemmas.items())


def imagenet_ids(name: str) -> list[str]:
    """The WordNet ids of the ImageNet list `name` (a key of `IMAGENET_LISTS`), in the order of its classes."""
    return _lines(IMAGENET_LISTS[name])


def _best_fit(wanted: tuple[str, ...], lemmas: Sequence[str]) -> tuple[int, int, int]:
    """Kind of the fit, place of the lemma in the synset, its length: less is better."""
    return min((_fit(wanted, split_words(lemma)), place, len(lemma)) for place, lemma in enumerate(lemmas))


def _fit(wanted: tuple[str, ...], words: tuple[str, ...]) -> int:
    if words == wanted:
        return _EXACT
    # Spaces around make the comparison one of whole words.
    inner, outer = " ".join(wanted), " ".join(words)
    if f" {inner} " in f" {outer} ":
        return _WHOLE_WORDS
    return _SUBSTRING if inner in outer else _NOT


def _table(name: str) -> dict[str, str]:
    rows = [line.partition("\t") for line in _lines(name)]
    damaged = next((key for key, tab, value in rows if not (tab and value)), None)
    if damaged is not None:
        raise DataError(f"{_folder() / name}: the line '{damaged}' has no text after its id; reinstall timm")
    return {key: value for key, _, value in rows}


def _lines(name: str) -> list[str]:
    path = _folder() / name
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read, so WordNet's words are missing; install timm 1.0.15 or newer"
        ) from error


def _folder() -> Path:
    spec = importlib.util.find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("timm is not installed, and WordNet's words come with it; run `pip install timm`")
    return Path(spec.submodule_search_locations[0], "data", "_info")

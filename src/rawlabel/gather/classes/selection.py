"""Put a list of classes together: ImageNet's and the paper's lists, WordNet ids, names, a search."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources

from rawlabel.config import ClassesConfig
from rawlabel.errors import ClassFileError, ConfigError
from rawlabel.gather.classes.reading import class_spec, is_wordnet_id, read_classes, refuse_collisions
from rawlabel.gather.classes.wordnet import IMAGENET_LISTS, Synset, WordNet, imagenet_ids, load_wordnet
from rawlabel.records import ClassSpec

_ARGUMENT = "CLASSES"


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen classes, and what a person should see beside them."""

    classes: tuple[ClassSpec, ...]
    meanings: Mapping[str, Sequence[Synset]]
    """Of each class that was given by its name: what the name may mean. Shown only; its keywords are its own."""
    found: int
    """How many synsets the search found, of which the classes hold the first ones; 0 without a search."""


def select(config: ClassesConfig) -> Selection:
    """Return the classes that the settings ask for: of the subset or search, then the file, then the arguments.

    A class that is asked for twice in the same way is taken once. Raises `ConfigError` or `ClassFileError` that
    names the flag or file, and `DataError` when WordNet's tables are missing.
    """
    if not (config.subset or config.search is not None or config.names or config.classes):
        raise ConfigError(f"{_ARGUMENT}: give WordNet ids or names, or --subset, --names or --search")
    wordnet = load_wordnet()
    ids = subset_ids(config.subset) if config.subset else None
    found = _search(config.search, wordnet, ids) if config.search is not None else []
    if config.search is not None:
        ids = [synset.wordnet_id for synset in found[: config.limit]]
    classes = [wordnet_class(wordnet, one, "--subset") for one in ids or ()]
    named = [(str(config.names), spec) for spec in read_classes(config.names)] if config.names else []
    named += [(_ARGUMENT, class_spec(_ARGUMENT, word, word)) for word in config.classes]
    given = [(spec, _known(wordnet, spec, where)) for where, spec in named]
    unique = tuple(dict.fromkeys([*classes, *(spec for _, spec in given)]))
    refuse_collisions(_ARGUMENT, unique)
    own_names = [spec for spec, taken in given if spec == taken and not is_wordnet_id(spec.class_id)]
    return Selection(unique, {spec.class_id: wordnet.meanings(spec.name) for spec in own_names}, len(found))


def subset_ids(name: str) -> list[str]:
    """The WordNet ids of a subset, in the order of its classes.

    `paper-200` are the classes in the paper's file of keywords to search, in that file's order, `paper-135` those
    that it trained on, and `paper-100` those left of these when classes with poor search results were left out.
    """
    if name in IMAGENET_LISTS:
        return imagenet_ids(name)
    table = resources.files(__package__).joinpath("paper_subsets.json")
    ids = json.loads(table.read_text("utf-8"))[name]
    assert isinstance(ids, list)
    return ids


def wordnet_class(wordnet: WordNet, wordnet_id: str, where: str) -> ClassSpec:
    """The class of a synset, with its lemmas as keywords; raises `ClassFileError` when the id is unknown."""
    synset = wordnet.synsets.get(wordnet_id)
    if synset is None:
        remedy = "find ids with `rawlabel classes --search WORD`"
        raise ClassFileError(f"{where}: {wordnet_id} is no WordNet id that ImageNet uses; {remedy}")
    return ClassSpec(wordnet_id, synset.lemmas[0], synset.lemmas, synset.definition)


def _known(wordnet: WordNet, spec: ClassSpec, where: str) -> ClassSpec:
    """Fill in what WordNet knows about a class with a WordNet id; what the user wrote stays."""
    if re.fullmatch(r"n\d+", spec.class_id) and not is_wordnet_id(spec.class_id):
        raise ClassFileError(f"{where}: '{spec.class_id}' is not a WordNet id; these are n and eight digits")
    if not is_wordnet_id(spec.class_id):
        return spec
    if spec.keywords == (spec.class_id,):
        return wordnet_class(wordnet, spec.class_id, where)
    synset = wordnet.synsets.get(spec.class_id)
    return replace(spec, definition=spec.definition or (synset.definition if synset else ""))


def _search(words: str, wordnet: WordNet, within: Iterable[str] | None) -> list[Synset]:
    if not words.strip():
        raise ConfigError("--search: give at least one word")
    found = wordnet.search(words, within)
    if not found:
        lemmas = {lemma for synset in wordnet.synsets.values() for lemma in synset.lemmas}
        close = difflib.get_close_matches(words, lemmas, n=1, cutoff=0.75)
        hint = f"did you mean '{close[0]}'?" if close else "try another word"
        raise ConfigError(f"--search: no name or definition has '{words}'; {hint}")
    return found

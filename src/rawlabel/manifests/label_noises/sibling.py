"""Sibling noise: a class is mistaken for the classes most like it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from rawlabel.config.declaring import Section, setting
from rawlabel.errors import ConfigError, DataError
from rawlabel.gather.classes.wordnet import Synset, WordNet, load_wordnet
from rawlabel.manifests.label_noise import Evidence, LabelNoise, Labels, NoisyLabels
from rawlabel.manifests.label_noises._class_names import class_names, index_of
from rawlabel.manifests.label_noises._exact import flip, relabeled

_WORDNET_ID = re.compile("n[0-9]{8}")


class SiblingOptions(Section):
    """Which classes are siblings."""

    groups: str = setting(
        "", "Groups of siblings, such as cat,dog;owl,hawk,robin; by default each class's nearest by WordNet."
    )
    neighbors: int = setting(1, "Without groups: siblings of each class, nearest first.", ge=1)


class Sibling(LabelNoise[SiblingOptions]):
    """A share of the labels of each class that has siblings becomes one of these, each as often, up to one.

    Siblings are given as groups, or are the classes whose words and definition in WordNet are nearest: cosine of
    TF-IDF vectors of the glosses, as in gloss overlap (Lesk, SIGDOC 1986). The hierarchy itself is not at hand. A
    class that shares no word with another has no sibling and keeps its labels.
    """

    Options = SiblingOptions

    def apply(self, labels: Labels, num_classes: int, rng: np.random.Generator, evidence: Evidence) -> NoisyLabels:
        """Flip labels [n] to classes that the map or word net calls siblings, class by class exactly.

        Raises `ConfigError` or `DataError` where no siblings are known.
        """
        targets = self._siblings(num_classes, evidence)
        text = f"{self.rate:.4g} of the labels of {sum(map(bool, targets))} classes became a sibling class"
        return relabeled(labels, flip(labels, targets, self.rate, rng), num_classes, text)

    def _siblings(self, num_classes: int, evidence: Evidence) -> list[list[int]]:
        if self.options.groups:
            return self._from_groups(class_names(evidence, num_classes), num_classes)
        if len(evidence.class_ids) != num_classes or not all(map(_WORDNET_ID.fullmatch, evidence.class_ids)):
            raise ConfigError(
                "option groups: these classes are no WordNet ids (n02229544); give groups such as "
                "'cat,dog;owl,hawk'"
            )
        return nearest_by_gloss(evidence.class_ids, self.options.neighbors, load_wordnet())

    def _from_groups(self, known: dict[str, int], num_classes: int) -> list[list[int]]:
        targets: list[list[int]] = [[] for _ in range(num_classes)]
        for group in self.options.groups.split(";"):
            members = list(dict.fromkeys(index_of(name, known) for name in group.split(",")))
            for one in members:
                if targets[one]:
                    raise ConfigError(f"option groups: a class of '{group}' is in another group too")
                targets[one] = [other for other in members if other != one]
        return targets


def nearest_by_gloss(wordnet_ids: Sequence[str], neighbors: int, wordnet: WordNet) -> list[list[int]]:
    """The indices of the nearest of `wordnet_ids` for each, nearest first; less where no other shares a word.

    Raises `DataError` for an id that WordNet's tables lack.
    """
    unknown = next((one for one in wordnet_ids if one not in wordnet.synsets), None)
    if unknown is not None:
        raise DataError(f"class '{unknown}': is not in WordNet's tables; give the option groups=... instead")
    vectors = _vectorizer(wordnet).transform([_gloss(wordnet.synsets[one]) for one in wordnet_ids])
    likeness = (vectors @ vectors.T).toarray()
    np.fill_diagonal(likeness, 0)
    order = np.argsort(-likeness, axis=1, kind="stable")[:, :neighbors]
    return [[int(one) for one in row if likeness[index, one] > 0] for index, row in enumerate(order)]


@cache
def _vectorizer(wordnet: WordNet) -> Any:
    """Weights of the words by how rare they are in all of WordNet; takes a second, so it is done once."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(stop_words="english", sublinear_tf=True).fit(map(_gloss, wordnet.synsets.values()))


def _gloss(synset: Synset) -> str:
    return " ".join((*synset.lemmas, synset.definition))


PLUGIN = Sibling

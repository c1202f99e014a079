"""What neighbors, a head and the rest of a class say of each raw label: functions of features and raw labels.

Nobody is asked about a photo who has learned from its label: heads are cross-fitted, and a photo is no neighbor of
its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from rawlabel.judge.label_evidence.held_out import Floats, Labels
from rawlabel.judge.label_evidence.suspicion import Suspicion
from rawlabel.models.transfer.agreement import Features, agree, directions
from rawlabel.models.transfer.strays import LIMIT, strays

_STEEPNESS = 4.0
"""Of suspicion around the limit from which on photos stray from their class, at which it is one half."""


@dataclass(frozen=True, eq=False)
class Witnesses:
    """Probabilities [photos, classes] that rows of features were given, and how near photos are to their class."""

    neighbors: Floats
    """Votes of the nearest photos, all labels counting the same."""
    head: Floats
    """A head that was fitted to the other folds, all labels counting the same."""
    agreement: Floats
    """The mean of both after rounds of agreement, in which doubted labels count less."""
    weights: Floats
    """What each label counts after these rounds [photos], 0 to 1."""
    strayed: Floats
    """By how many spreads each photo and those near it are less like their class than is usual [photos]."""


def ask(features: Features, labels: Labels, num_classes: int, folds: Labels) -> Witnesses:
    """Ask all witnesses about `features` [photos, features], of any length and not centred.

    `folds` [photos] are the parts, from 0 on, that heads are fitted without; photos of one author are in one.
    """
    pointed = directions(features, features.mean(axis=0))
    first = agree(pointed, labels, num_classes, folds, rounds=1)
    last = agree(pointed, labels, num_classes, folds)
    strayed = strays(pointed, labels, last.weights, num_classes)
    return Witnesses(first.neighbors, first.head, (last.neighbors + last.head) / 2, last.weights, strayed)


def agreement_suspicion(said: Witnesses, labels: Labels) -> Suspicion:
    """How suspicious each label is by all witnesses together [0 to 1].

    Two parts of what agreement does not give to the label, and one part of the margin by which the mean of
    neighbors, head and agreement prefers another class; or, if more, how far it strays from its class together
    with others, since photos of another thing of the same name agree with each other. All this was picked on the
    worst and the aggregate labels of CIFAR-10N and on one simulated site of flowers.
    """
    rows = np.arange(len(labels))
    mean = (said.neighbors + said.head + said.agreement) / 3
    others = mean.copy()
    others[rows, labels] = 0
    margin = (1 + others.max(axis=1) - mean[rows, labels]) / 2
    own = said.agreement[rows, labels]
    # A row of probabilities may sum to a little more than 1.
    score = np.clip(np.maximum((2 * (1 - own) + margin) / 3, expit(_STEEPNESS * (said.strayed - LIMIT))), 0, 1)
    return Suspicion(said.agreement.argmax(axis=1), own, score)

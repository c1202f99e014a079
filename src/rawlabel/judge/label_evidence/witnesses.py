"""What neighbors, a head and a class's own middle say of each raw label: functions of features and raw labels.

Nobody is asked about a photo who has learned from its label: heads are cross-fitted, a photo is no neighbor of its
own, and the middle of its class is taken without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from rawlabel.judge.label_evidence.held_out import Floats, Labels
from rawlabel.judge.label_evidence.suspicion import Suspicion
from rawlabel.models.transfer.agreement import Features, agree, directions
from rawlabel.models.transfer.likeness import find_cores

STRAYED = 3.5
"""Spreads from a class's core at which a photo is as suspicious as not."""


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
    """By how many spreads each photo is farther from the core of its class than is usual there [photos]."""


def ask(features: Features, labels: Labels, num_classes: int, folds: Labels) -> Witnesses:
    """Ask all witnesses about `features` [photos, features], of any length and not centred.

    `folds` [photos] are the parts, from 0 on, that heads are fitted without; photos of one author are in one.
    """
    pointed = directions(features, features.mean(axis=0))
    first = agree(pointed, labels, num_classes, folds, rounds=1)
    last = agree(pointed, labels, num_classes, folds)
    strayed = find_cores(pointed, labels, last.weights, num_classes).strayed(labels)
    return Witnesses(first.neighbors, first.head, (last.neighbors + last.head) / 2, last.weights, strayed)


def agreement_suspicion(said: Witnesses, labels: Labels) -> Suspicion:
    """How suspicious each label is by all witnesses together [0 to 1].

    Two parts of what agreement does not give to the label, and one part of the margin by which the mean of
    neighbors, head and agreement prefers another class; or, if more, how far the photo strays from its class,
    since photos of another thing of the same name agree with each other. All this was picked on the worst labels
    of CIFAR-10N and on one simulated site of flowers.
    """
    rows = np.arange(len(labels))
    mean = (said.neighbors + said.head + said.agreement) / 3
    others = mean.copy()
    others[rows, labels] = 0
    margin = (1 + others.max(axis=1) - mean[rows, labels]) / 2
    own = said.agreement[rows, labels]
    # A row of probabilities may sum to a little more than 1.
    score = np.clip(np.maximum((2 * (1 - own) + margin) / 3, expit(2 * (said.strayed - STRAYED))), 0, 1)
    return Suspicion(said.agreement.argmax(axis=1), own, score)

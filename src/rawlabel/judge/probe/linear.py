"""A linear classifier on frozen features."""

from __future__ import annotations

import warnings
from copy import deepcopy

from threadpoolctl import threadpool_limits

from rawlabel.base.progress import progress
from rawlabel.judge.probe.choice import Choice, Features, LabeledFeatures, Labels, accuracy

STRENGTHS = tuple(10.0**power for power in range(-6, 2))
"""Values tried for scikit-learn's C, the inverse strength of the L2 penalty against the sum of the losses."""
_MOST_ITERATIONS = 200
_SMALL = 10**8
"""Products of one pass over the features below which several threads wait for each other more than they help."""


def choose_linear(train: LabeledFeatures, holdout: LabeledFeatures) -> Choice:
    """Fit multinomial logistic regression for each of `STRENGTHS`, and choose by accuracy on the raw holdout.

    Of equally good ones, the strongest penalty is taken. Features are brought to mean 0 and variance 1 over the
    training images first, so that the penalty means the same for every network.

    Source: the linear probe of A. Radford et al., arXiv 2103.00020, appendix A.3 (L2-regularized logistic
    regression with L-BFGS, strength chosen on a validation set), with scikit-learn's `LogisticRegression`.
    """
    # A second to load, which only probes need.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train.features)
    scaled, held = scaler.transform(train.features), scaler.transform(holdout.features)
    # From the strongest penalty on, each fit begins where the one before ended.
    model = LogisticRegression(max_iter=_MOST_ITERATIONS, warm_start=True)
    tried: dict[float, float] = {}
    best = model
    products = scaled.size * (1 + int(train.labels.max()))
    with (
        progress("linear classifiers", len(STRENGTHS)) as task,
        threadpool_limits(1 if products < _SMALL else None),
        warnings.catch_warnings(),
    ):
        # A weak penalty may be stopped short; the holdout judges what came of it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for strength in STRENGTHS:
            model.set_params(C=strength).fit(scaled, train.labels)
            tried[strength] = accuracy(model.predict(held), holdout.labels)
            if tried[strength] > max((tried[one] for one in tried if one != strength), default=-1.0):
                best = deepcopy(model)
            task.advance()

    def predict(features: Features) -> Labels:
        predicted: Labels = best.predict(scaler.transform(features))
        return predicted

    return Choice(best.C, tuple(tried.items()), predict)

"""Dividing images by their losses into those whose labels are probably right and the rest, as DivideMix does."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt


def clean_probabilities(losses: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """For each image, the probability that its loss belongs to the smaller of two Gaussians.

    `losses` [images] are scaled to [0, 1] first; a negative one is of an image that was not seen, whose label is
    not believed (0). Losses that are all alike, or none at all, divide nothing, and all labels are believed (1).
    Settings of the fit as in the code of Li, Socher and Hoi (arXiv 2002.07394, section 3.1); scikit-learn's
    `GaussianMixture`, from a start that is always the same.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    is_seen = np.isfinite(losses) & (losses >= 0)
    seen = losses[is_seen].astype(np.float64)
    if not len(seen):
        return np.ones(len(losses), dtype=np.float32)
    clean = is_seen.astype(np.float32)
    if seen.min() == seen.max():
        return clean
    scaled = ((seen - seen.min()) / (seen.max() - seen.min())).reshape(-1, 1)
    mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0)
    with warnings.catch_warnings():
        # Ten steps are what is asked for, whether or not more would change something.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(scaled)
    clean[is_seen] = mixture.predict_proba(scaled)[:, mixture.means_.argmin()]
    return clean

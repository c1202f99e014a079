"""Where photos lie on a plane, alike ones near each other: by features that a run kept, or by their colours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]
"""[photos, 2]."""
MOST_FOR_TSNE = 2000
"""Photos up to which t-SNE takes less than a minute; more are projected by principal components."""
_FEWEST_FOR_TSNE = 10
_COMPONENTS = 50
_AT_ONCE = 4096


def projected(features: npt.NDArray[np.float32]) -> tuple[str, Points]:
    """The name of the method, and points of features [photos, features]: the same for the same features."""
    from sklearn.decomposition import IncrementalPCA
    from sklearn.manifold import TSNE

    count = len(features)
    is_small = _FEWEST_FOR_TSNE <= count <= MOST_FOR_TSNE
    components = min(_COMPONENTS if is_small else 2, count, features.shape[1])
    if components < 2:
        return "none", np.zeros((count, 2), dtype=np.float32)
    reduced = IncrementalPCA(components, batch_size=_AT_ONCE).fit_transform(features).astype(np.float32)
    if not is_small:
        return "PCA", reduced[:, :2]
    perplexity = min(30.0, (count - 1) / 3)
    found = TSNE(2, init="pca", perplexity=perplexity, random_state=0).fit_transform(reduced)
    return "t-SNE", np.asarray(found, dtype=np.float32)

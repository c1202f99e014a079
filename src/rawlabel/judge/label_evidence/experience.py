"""Why no share of wrong labels is said: how estimates of it fared where the truth is known.

The numbers are those of `cifar10n.json` and `photo_site.json` in `results/measured/label_evidence`; a test
compares them.
"""

from __future__ import annotations

IN_ALL = (
    "How many labels are wrong is not said, since estimates of it failed: where the truth is known (three kinds "
    "of human labels of CIFAR-10N, seven simulated photo sites, small networks), 3 of 30 intervals held it, and "
    "none of the three for the worst labels of CIFAR-10N, of which 40.0 % are wrong; on features of an encoder, "
    "0 of 28 intervals of two other shares did "
    "(results/measured/label_evidence/README.md). A hundred photos looked at by hand say more."
)

"""How the estimated shares of wrong labels fared where the truth is known: words that stand beside each of them.

The numbers are those of `cifar10n.json` and `photo_site.json` in `results/measured/label_evidence`; a test
compares them.
"""

from __future__ import annotations

IN_ALL = (
    "None of this is a measurement. Where the truth is known (three kinds of human labels of CIFAR-10N, seven "
    "simulated photo sites, small networks), 3 of 30 such intervals held it, and none of the three for the worst "
    "labels of CIFAR-10N, of which 40.0 % are wrong (results/measured/label_evidence/README.md)."
)
"""What a reader must know before any of the figures."""

OF_ESTIMATE = {
    "surest_tenth": "3 of 10 intervals held the truth; the figure was 22.0 points too low to 2.4 points too high",
    "confident_learning": "0 of 10 intervals held the truth; the figure was 17.2 to 31.5 points too high",
    "disagreement": "0 of 10 intervals held the truth; the figure was 19.2 to 36.4 points too high",
}
"""By the name of the estimate."""

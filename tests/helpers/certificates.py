"""A certificate of a decontamination, small and made by hand."""

from __future__ import annotations

from rawlabel.artifacts.certificate import Canaries, Certificate, RemovedImage, Side, Thresholds, TransformRecall


def certificate() -> Certificate:
    return Certificate(
        fingerprints="1",
        candidates=Side(images=4, digest="a"),
        kept=Side(images=2, digest="b"),
        test=Side(images=1, digest="c"),
        thresholds=Thresholds(
            automatic_bits=51, verified_bits=64, review_bits=90, small_side=64, automatic_correlation=0.9
        ),
        probes=("whole",),
        pairs_compared=4,
        removed=tuple(RemovedImage(image=tier, test="t", tier=tier) for tier in ("copy", "star")),
        canaries=Canaries(
            planted=1000, caught=1000, interval=(0.9963, 1.0), confidence=0.95,
            by_transform={"flip": TransformRecall(planted=1000, caught=1000)},
        ),
    )  # fmt: skip

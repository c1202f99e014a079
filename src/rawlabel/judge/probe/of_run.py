"""Fit a probe to the raw labels of a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rawlabel.artifacts.evidence.probe import Classifier, Probe, ProbedTestSet
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Accuracy
from rawlabel.config import ProbeConfig
from rawlabel.errors import DataError
from rawlabel.images.image_source import LabeledImages
from rawlabel.judge.probe.choice import Choice, LabeledFeatures
from rawlabel.judge.probe.encoders import FILE, OWN, PACKAGED, PRETRAINED, ProbeEncoder, make_encoder
from rawlabel.judge.probe.linear import choose_linear
from rawlabel.judge.probe.nearest_neighbors import choose_neighbors
from rawlabel.training.around.holdout import data_of_run
from rawlabel.training.data import TrainingData

_ELSEWHERE = (
    "A peer that is independent of the run, but seldom free of annotators: the weights were trained elsewhere, "
    "often on labels of people such as ImageNet's, and the photos shown here, test photos among them, may "
    "overlap with what they were trained on."
)
_FROZEN = (
    "The run's own features are those of a frozen encoder that was trained elsewhere, which the run's head reads, "
    "too: it says what other last layers make of them, with all raw labels alike."
)
REMARKS = {
    OWN: "The run's own features were learned from the same raw labels, so this is no independent peer: it says "
    "what other last layers make of them.",
    PRETRAINED: _ELSEWHERE,
    PACKAGED: _ELSEWHERE,
    FILE: "How the weights in this file were trained is not recorded: it may have taken labels of people, and the "
    "photos shown here, test photos among them, may overlap with what they were trained on.",
}
"""What a reader must know of the features, by the origin of the weights."""


@dataclass(frozen=True, eq=False)
class FittedProbe:
    """Two classifiers on frozen features, chosen and fitted without any clean or test label."""

    encoder: ProbeEncoder
    data: TrainingData
    num_features: int
    choices: dict[str, Choice]
    """`linear` and `nearest_neighbors`."""

    def record(self, confidence: float, tests: Mapping[str, Accuracy | None], test: ProbedTestSet | None) -> Probe:
        """What `probe.json` holds of it; `tests` are the accuracies on the test set, by classifier."""
        encoder, linear, neighbors = self.encoder, self.choices["linear"], self.choices["nearest_neighbors"]
        return Probe(
            backbone=encoder.backbone,
            origin=encoder.origin,
            weights_file=encoder.weights_file,
            weights_sha256=encoder.weights_sha256,
            epoch=encoder.epoch,
            features=self.num_features,
            data=self.data.fingerprint,
            training_images=len(self.data.train),
            holdout_images=len(self.data.holdout),
            linear=Classifier(
                strength=linear.setting,
                raw_holdout_accuracy=linear.raw_holdout_accuracy,
                tried=linear.tried,
                test=tests["linear"],
            ),
            nearest_neighbors=Classifier(
                neighbors=int(neighbors.setting),
                raw_holdout_accuracy=neighbors.raw_holdout_accuracy,
                tried=neighbors.tried,
                test=tests["nearest_neighbors"],
            ),
            remark=_FROZEN if encoder.is_frozen else REMARKS[encoder.origin],
            confidence=confidence,
            test=test,
        )


def fit_probe(run: RunDirectory, config: ProbeConfig) -> FittedProbe:
    """Compute or take up the features of the run's training images and holdout, and choose both classifiers.

    Raises `DataError` when the run is not finished, held nothing out, or its data have changed since, and
    `ConfigError`, `CheckpointError`, `DiskError`.
    """
    data = data_of_run(run)
    if not len(data.holdout):
        raise DataError(
            f"{run.path}: held nothing out to choose by; train again with --holdout above 0, or name the run of "
            "which this is the refit"
        )
    encoder = make_encoder(run, config)

    def labeled(images: LabeledImages, title: str) -> LabeledFeatures:
        features = encoder.store.features(images.source, title).numpy()
        return LabeledFeatures(features, images.labels.astype(np.int64))

    train = labeled(data.train, "features of training images")
    holdout = labeled(data.holdout, "features of holdout images")
    choices = {
        "linear": choose_linear(train, holdout),
        "nearest_neighbors": choose_neighbors(train, holdout, len(data.class_ids), encoder.device),
    }
    return FittedProbe(encoder, data, train.features.shape[1], choices)

"""Suspicion by agreement where a run has features: every photo, trained on or held out, on one scale."""

from __future__ import annotations

from dataclasses import dataclass

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.split import folds
from rawlabel.config import Device
from rawlabel.judge.label_evidence.held_out import Floats, Labels
from rawlabel.judge.label_evidence.suspicion import Suspicion
from rawlabel.judge.label_evidence.witnesses import agreement_suspicion, ask
from rawlabel.models.device import choose_device
from rawlabel.models.transfer.agreement import FOLDS, Features, directions
from rawlabel.models.transfer.encoded_views import encoding_store
from rawlabel.training.around.holdout import data_of_run


@dataclass(frozen=True, eq=False)
class AgreementEvidence:
    """Photos of a run with their raw labels, and how suspicious these are."""

    photos: tuple[str, ...]
    labels: Labels
    suspicion: Suspicion
    strayed: Floats
    """How far each photo strays from its class, together with others (`strays.LIMIT`) [photos]."""
    directions: Features
    """Features, centred and of length 1 [photos, features]."""


def suspicion_by_agreement(run: RunDirectory, device: Device) -> AgreementEvidence | None:
    """Ask the witnesses about all photos of `run`; None for a network that is trained on pixels.

    The features are those that the run keeps in its project. Raises what reading the run's data raises.
    """
    found = run.read()
    config, encoder = found.settings, found.encoder
    if config.encoder is None or encoder is None:
        return None
    data = data_of_run(run)
    images = data.train.join(data.holdout) if len(data.holdout) else data.train
    store = encoding_store(config, choose_device(device), encoder.model_dump())
    features = store.features(images.source, "features").numpy()
    parts = folds(images.keys_or_names(), config.seed_of_data, FOLDS)
    said = ask(features, images.labels, len(data.class_ids), parts)
    suspicion = agreement_suspicion(said, images.labels)
    pointed = directions(features, features.mean(axis=0))
    return AgreementEvidence(tuple(images.names()), images.labels, suspicion, said.strayed, pointed)

"""What choosing a head by raw labels cost, beside the best of its candidates on the test set.

The candidates are fitted here once more, to the run's own training photos, and only then asked about the test set;
nothing of it goes back into a run.
"""

from __future__ import annotations

import numpy as np

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import ChoiceCost, HeadAccuracy
from rawlabel.artifacts.split import folds
from rawlabel.base import messages
from rawlabel.base.files import write_json
from rawlabel.base.progress import progress
from rawlabel.config.training.transfer import HeadCandidate
from rawlabel.errors import DataError
from rawlabel.images.image_source import LabeledImages
from rawlabel.models.device import choose_device
from rawlabel.models.transfer.agreement import FOLDS
from rawlabel.models.transfer.choice import fitted_heads
from rawlabel.models.transfer.encoded_views import encoding_store
from rawlabel.training.around.holdout import data_of_run


def choice_regret(run: RunDirectory, test: LabeledImages) -> ChoiceCost | None:
    """Test accuracies [percent] of all candidates, which `choice_regret.json` lists, and what the choice cost.

    Those of a fine-tuned run are the candidates for the head that it began with, on frozen features. None for a
    run that chose no head, and, which a line says, where its training photos are not as they were.
    """
    finished = run.read().head_run
    if (choice := finished.head_choice) is None:
        return None
    try:
        data = data_of_run(RunDirectory(finished.path))
    except DataError as error:
        messages.note(f"what the choice of the head cost is not known: {error}")
        return None
    candidates = [HeadCandidate.model_validate(one.settings) for one in choice.candidates]
    train, classes = data.train, len(data.class_ids)
    config, encoder = finished.settings, finished.encoder
    known = encoder.as_json() if encoder else None
    store = encoding_store(config, choose_device("cpu"), known)
    features = [store.features(one.source, "features").numpy() for one in (train, test)]
    is_trained_on = np.arange(len(train) + len(test)) < len(train)
    inner = np.concatenate([folds(train.keys_or_names(), config.seed_of_data, FOLDS), np.zeros(len(test), int)])
    # What stands for the labels of test photos counts nothing.
    labels = np.concatenate([train.labels, np.zeros(len(test), int)])
    with progress("candidates on the test set", len(candidates)) as task:
        said = fitted_heads(
            np.concatenate(features), labels, classes, is_trained_on[:, None], inner, candidates,
            rounds=choice.weighing_rounds or config.weighing_rounds, neighbors=config.weighing_neighbors,
            advance=task.advance,
        )  # fmt: skip
        right = [one[~is_trained_on, 0].argmax(axis=1) == test.labels for one in said]
    accuracies = [100 * float(one.mean()) for one in right]
    chosen, oracle = choice.chosen, int(np.argmax(accuracies))
    named = zip(choice.candidates, accuracies, strict=True)
    each = [HeadAccuracy(head=one.text, accuracy=value) for one, value in named]
    write_json(run.path / "choice_regret.json", {"candidates": [one.model_dump() for one in each]})
    cost = accuracies[oracle] - accuracies[chosen]
    return ChoiceCost(chosen=each[chosen], oracle=each[oracle], regret=cost)

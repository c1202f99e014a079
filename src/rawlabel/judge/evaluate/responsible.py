"""For each confusion on a test set, the nearest training photos with that raw label; what taught it is unmeasured.

A head on features says what the photos near a test photo were called, so these are where to look: photos that show
the true class under the raw label of the predicted one. They are for people, like all that is learned from a test
set; nothing here goes back into a run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.review.responsible_photos import FILE, Responsible, ResponsiblePhoto, ResponsiblePhotos
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import messages
from rawlabel.base.files import write_json
from rawlabel.base.metrics import confusion_matrix, top_confusions
from rawlabel.errors import DataError
from rawlabel.images.image_source import LabeledImages
from rawlabel.models.predictor import Predictor
from rawlabel.models.transfer.agreement import directions
from rawlabel.training.around.holdout import data_of_run

MOST_CONFUSIONS = 20
_NEAREST = 5
"""Training photos that are named for each test photo."""
_MOST_NAMED = 20

Classes = npt.NDArray[np.int64]


def write_responsible(
    run: RunDirectory, predictor: Predictor, test: LabeledImages, predicted: Classes, class_ids: Sequence[str]
) -> None:
    """Write `responsible.json` into `run`, where it has an encoder and its training photos are as they were.

    `predicted` [photos] are the classes that the test photos were taken for, below 0 for none. Raises `DiskError`.
    """
    if predictor.store is None:
        return
    try:
        train = data_of_run(run).train
    except DataError as error:
        messages.note(f"which training photos are nearest to the confusions is not known: {error}")
        return
    near, far = (predictor.store.features(one.source, "features").numpy() for one in (train, test))
    mean = near.mean(axis=0)
    similar = directions(far, mean) @ directions(near, mean).T
    answered = predicted >= 0
    matrix = confusion_matrix(test.labels[answered], predicted[answered], len(class_ids))
    names, test_names = train.names(), test.names()
    found = []
    for one in top_confusions(matrix, MOST_CONFUSIONS):
        rows = np.flatnonzero((test.labels == one.true) & (predicted == one.predicted))
        columns = np.flatnonzero(train.labels == one.predicted)
        found.append(
            Responsible(
                true_class=class_ids[one.true],
                predicted_class=class_ids[one.predicted],
                test_photos=tuple(test_names[row] for row in rows),
                training_photos=_nearest(similar[np.ix_(rows, columns)], [names[column] for column in columns]),
            )
        )
    write_json(run.path / FILE, ResponsiblePhotos(confusions=tuple(found)).as_json())


def _nearest(similar: npt.NDArray[np.float32], names: Sequence[str]) -> tuple[ResponsiblePhoto, ...]:
    """The training photos called `names` that are near the most test photos, by cosines [test, training]."""
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :_NEAREST]
    numbers, counts = np.unique(nearest, return_counts=True)
    likeness = [float(similar[(nearest == number).any(axis=1), number].mean()) for number in numbers]
    order = sorted(range(len(numbers)), key=lambda i: (-counts[i], -likeness[i]))[:_MOST_NAMED]
    return tuple(
        ResponsiblePhoto(photo=names[numbers[i]], test_photos=int(counts[i]), likeness=likeness[i]) for i in order
    )

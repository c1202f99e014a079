"""Which images of a training are copies of test images, so that it leaves them out, and what certifies that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rawlabel.artifacts.certificate import FILE
from rawlabel.base import messages
from rawlabel.base.files import write_json
from rawlabel.base.progress import note
from rawlabel.base.ray_cluster import Cluster
from rawlabel.config import TrainConfig
from rawlabel.images.image_source import JoinedImages
from rawlabel.images.input import InputSet
from rawlabel.judge.decontaminate.comparing import Settings
from rawlabel.judge.decontaminate.decontaminating import Decontamination, decontaminate
from rawlabel.judge.decontaminate.listing import REVIEW, people_said, shots_of, write_review
from rawlabel.judge.evaluate.opening import named_sets
from rawlabel.training.around.leaving_out import Copies
from rawlabel.training.data import TrainingData

QUICK = Settings(without=frozenset({"flip", "trim", "square", "centre", "grid"}), listed=0, canaries=False)
"""What is looked for where nothing is left out: the test images as they are. Nobody is to look at a list."""


def cache_of(root: Path) -> Path:
    """Where fingerprints of the images under a root are kept; it may be deleted."""
    return root / "features"


def leaves_out(config: TrainConfig) -> bool:
    """Whether a training leaves out copies of test images, by its settings."""
    return config.overlap == "leave-out" or (config.overlap == "auto" and config.recipe != "paper")


def images_of(data: TrainingData) -> JoinedImages:
    """All images of a run, those for training before the held-out ones."""
    return JoinedImages((data.train.source, data.holdout.source))


@dataclass(frozen=True, eq=False)
class _Looked:
    """One test set, and what was found."""

    place: Path
    found: Decontamination


def find_copies(config: TrainConfig, data: TrainingData) -> Copies | None:
    """The images of `data` that are copies of test images which `config` names; None where none shall be left out.

    Raises `DataError` for a test set that cannot be read, and `DiskError`.
    """
    if not leaves_out(config):
        return None
    sets = named_sets(config, data)
    if not sets:
        return None
    looked = [_look(config, data, place, test) for place, test in sets.values()]
    rows = sorted({row for one in looked for row in one.found.left_out.tolist()})
    for one in looked:
        if len(one.found.removed):
            note(
                f"{len(one.found.removed)} of {len(data.train) + len(data.holdout)} training images are copies of "
                f"images of {one.place} and are left out; --overlap keep trains on them, too"
            )

    def record(folder: Path) -> None:
        out = set(rows)
        kept = [row for row in range(len(data.train) + len(data.holdout)) if row not in out]
        certificates = []
        for one in looked:
            said = people_said(data.origin, one.found)
            made = one.found.certificate(str(data.origin), str(one.place), kept=kept)
            certificates.append(made.decided(said.counts, said.left))
        write_json(folder / FILE, [one.as_json() for one in certificates])
        write_review(folder / REVIEW, [one.found for one in looked])
        for made in certificates:
            messages.inform(f"{made.test.place}: {made.describe()}")

    return Copies(rows, [test.fingerprint for _, test in sets.values()], record)


def _look(config: TrainConfig, data: TrainingData, place: Path, test: InputSet) -> _Looked:
    names = [*data.train.names(), *data.holdout.names()]
    shots = shots_of(data.origin, names)
    settings = Settings(cluster=Cluster.of(config.engine, config.ray_address, config.workers))
    found = decontaminate(
        images_of(data), test.images.source, cache_of(config.root), shots=shots, settings=settings
    )
    return _Looked(place, found)

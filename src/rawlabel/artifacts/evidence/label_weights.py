"""`label_weights.parquet` of a run: what each raw label counted in training (`--weighing`), and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rawlabel.errors import DataError

FILE = "label_weights.parquet"
AGREE, DOUBT = "witnesses_agree", "witnesses_prefer_another"
"""Why a label has its weight: neighbors and head together find it likeliest, or another."""
TRAIN, HOLDOUT = "train", "holdout"
"""Whether a photo was trained on or held out."""


@dataclass(frozen=True, slots=True)
class LabelWeights:
    """The weights of a run's training photos in short, and those of the photos that were asked for."""

    photos: int
    """Training photos."""
    agreed: int
    """Of these, photos whose raw label is what neighbors and head find likeliest."""
    mean_of_doubted: float | None
    """Mean weight [0 to 1] of the others; None without any."""
    of: dict[str, tuple[float, str]]
    """Weight and reason (`AGREE` or `DOUBT`) by the name of the photo, trained on or held out."""


def read_label_weights(run: Path, names: Sequence[str] = ()) -> LabelWeights | None:
    """The weights in a run directory, and those of the photos called `names`; None where nothing was weighed.

    Raises `DataError` for a damaged file.
    """
    path = run / FILE
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path, columns=["name", "part", "weight", "reason"])
        trained = table.filter(pc.equal(table["part"], TRAIN))
        is_agreed = pc.equal(trained["reason"], AGREE)
        doubted = pc.mean(trained.filter(pc.invert(is_agreed))["weight"]).as_py()
        asked = table.filter(pc.is_in(table["name"], value_set=pa.array(list(names), pa.string())))
        rows = zip(*(asked[key].to_pylist() for key in ("name", "weight", "reason")), strict=True)
        of = {name: (weight, reason) for name, weight, reason in rows}
    except (OSError, KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(f"{path}: is no table of what labels count; train again") from error
    return LabelWeights(trained.num_rows, pc.sum(is_agreed).as_py() or 0, doubted, of)

"""`rawlabel predict`."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rawlabel.base import messages
from rawlabel.base.untrusted_text import disarmed
from rawlabel.cli.next_steps import after_predicting
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say, wants_json
from rawlabel.config import PredictConfig

if TYPE_CHECKING:
    from rawlabel.models.predict import Prediction

GROUP = "main path"
PLACE = 50
SUMMARY = "classify images with a finished run"


def _predict(config: PredictConfig) -> Ending:
    from rawlabel.models.predict import predict

    unreadable: list[Exception] = []

    def tell(error: Exception) -> None:
        unreadable.append(error)
        messages.warn(_in_one_field(str(error)))

    predictions: list[Prediction] = []
    writer = _WRITERS[config.format]
    image: list[Prediction] = []
    for one in predict(config, tell):
        if not predictions and not image and config.format == "csv":
            say("image,rank,class,probability")
        if wants_json():
            predictions.append(one)
        if image and one.rank == 1:
            _say_all(writer(image))
            image = []
        image.append(one)
    if image:
        _say_all(writer(image))
    give(predictions)
    return Ending(after_predicting(config.run or Path()), exit_code=1 if unreadable else 0)


def _say_all(lines: Iterable[str]) -> None:
    """As bytes, since a file's name need not be text."""
    for line in lines:
        say(os.fsencode(line))


def _as_tsv(image: Sequence[Prediction]) -> Iterator[str]:
    for one in image:
        yield f"{_in_one_field(str(one.path))}\t{one.class_id}\t{one.probability:.4f}"


def _as_csv(image: Sequence[Prediction]) -> Iterator[str]:
    """Cells that no spreadsheet runs."""
    stream = io.StringIO()
    cells = ((disarmed(one.path), one.rank, disarmed(one.class_id), f"{one.probability:.4f}") for one in image)
    csv.writer(stream, lineterminator="\n").writerows(cells)
    yield stream.getvalue().removesuffix("\n")


def _as_jsonl(image: Sequence[Prediction]) -> Iterator[str]:
    classes = [{"class": one.class_id, "probability": round(one.probability, 6)} for one in image]
    yield json.dumps({"image": str(image[0].path), "classes": classes})


_WRITERS = {"tsv": _as_tsv, "csv": _as_csv, "jsonl": _as_jsonl}


def _in_one_field(text: str) -> str:
    """A text with what would break the table written as in C: `\\t`, `\\n` and `\\r`."""
    return text.replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


COMMAND = section_command("predict", PredictConfig, _predict)

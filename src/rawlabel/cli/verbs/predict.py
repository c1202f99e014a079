"""`rawlabel predict`."""

from __future__ import annotations

import os

from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say, wants_json
from rawlabel.config import PredictConfig

GROUP = "main path"
PLACE = 50
SUMMARY = "classify images with a finished run"


def _predict(config: PredictConfig) -> Ending:
    from rawlabel.models.predict import predict

    unreadable: list[Exception] = []

    def tell(error: Exception) -> None:
        unreadable.append(error)
        messages.warn(_in_one_field(str(error)))

    predictions: list[object] = []
    for one in predict(config, tell):
        if wants_json():
            predictions.append(one)
        # As bytes, since a file's name need not be text.
        say(os.fsencode(f"{_in_one_field(str(one.path))}\t{one.class_id}\t{one.probability:.4f}"))
    give(predictions)
    return Ending(("evaluate", config.run, "--test", "FOLDER"), exit_code=1 if unreadable else 0)


def _in_one_field(text: str) -> str:
    """A text with what would break the table written as in C: `\\t`, `\\n` and `\\r`."""
    return text.replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


COMMAND = section_command("predict", PredictConfig, _predict)

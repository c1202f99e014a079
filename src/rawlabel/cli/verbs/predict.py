"""`rawlabel predict`."""

from __future__ import annotations

import os

import click

from rawlabel.cli.options import section_command
from rawlabel.config import PredictConfig


def _predict(config: PredictConfig) -> int:
    from rawlabel.models.predict import predict

    unreadable: list[Exception] = []

    def tell(error: Exception) -> None:
        unreadable.append(error)
        click.echo(f"rawlabel: {_in_one_field(str(error))}", err=True)

    for one in predict(config, tell):
        # As bytes, since a file's name need not be text.
        click.echo(os.fsencode(f"{_in_one_field(str(one.path))}\t{one.class_id}\t{one.probability:.4f}"))
    return 1 if unreadable else 0


def _in_one_field(text: str) -> str:
    """A text with what would break the table written as in C: `\\t`, `\\n` and `\\r`."""
    return text.replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


COMMAND = section_command("predict", PredictConfig, _predict)

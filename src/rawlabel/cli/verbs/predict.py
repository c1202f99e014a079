"""`rawlabel predict`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import PredictConfig


def _predict(config: PredictConfig) -> None:
    from rawlabel.models.predict import predict

    for one in predict(config):
        click.echo(f"{one.path}\t{one.class_id}\t{one.probability:.4f}")


COMMAND = section_command("predict", PredictConfig, _predict)

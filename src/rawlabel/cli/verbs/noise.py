"""`rawlabel noise`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import NoiseConfig


def _noise(config: NoiseConfig) -> None:
    from rawlabel.manifests.noise import write_noisy_manifest

    manifest, injection = write_noisy_manifest(config)
    record = injection.record()
    click.echo(f"{injection.noisy.description} (training photos and holdout)")
    width = max(len("class"), *(len(one["class"]) for one in record["by_class"]))
    click.echo(f"{'class':<{width}} {'photos':>8} {'changed':>8}")
    total = {"class": "all", "labels": record["num_labels"], "changed": record["num_changed"]}
    for one in (*record["by_class"], total):
        click.echo(f"{one['class']:<{width}} {one['labels']:>8} {one['changed']:>8}")
    click.echo(f"made from {manifest.parent}, which stays as it is; column injected_from marks what was changed")
    click.echo(f"manifest: {manifest.path}")


COMMAND = section_command("noise", NoiseConfig, _noise)

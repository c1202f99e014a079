"""`rawlabel verify`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import VerifyConfig

_SHOWN = 5
"""Findings of one kind that are listed; --out has all."""


def _verify(config: VerifyConfig) -> int:
    from rawlabel.manifests.verify.findings import Kind
    from rawlabel.manifests.verify.stage import forget, verify

    findings = verify(config)
    for kind in Kind:
        found = [one for one in findings if one.kind is kind]
        if found:
            click.echo(f"{len(found):>6} {kind.describe()}: {kind.remedy}")
            for one in found[:_SHOWN]:
                photos = ", ".join(" ".join(photo) for photo in one.photos[:_SHOWN])
                # A stray file's name may hold anything, line ends included.
                click.echo(f"       {str(one.path)!r} {one.detail}{f' ({photos})' if photos else ''}")
            if len(found) > _SHOWN:
                click.echo(
                    f"       and {len(found) - _SHOWN} more{'' if config.out else '; --out FILE lists all'}"
                )
    if not findings:
        click.echo(f"{config.project}: all is well")
    if config.forget:
        click.echo(f"{forget(config, findings)} photos are noted as not downloaded")
    return 1 if findings else 0


COMMAND = section_command("verify", VerifyConfig, _verify)

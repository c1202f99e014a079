"""`rawlabel photo-site`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import PhotoSiteConfig


def _photo_site(config: PhotoSiteConfig) -> None:
    from rawlabel_photo_site.web.server import serve

    serve(config, click.echo)


COMMAND = section_command("photo-site", PhotoSiteConfig, _photo_site)

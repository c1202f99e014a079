"""`rawlabel photo-site`; the demo serves its site by it as well."""

from __future__ import annotations

from collections.abc import Callable

import click

from rawlabel.cli.options import section_command
from rawlabel.config import PhotoSiteConfig


def serve(config: PhotoSiteConfig, announce: Callable[[str], None]) -> None:
    """Serve the simulated photo site until SIGINT or SIGTERM; `announce` gets each line of what is where."""
    from rawlabel_photo_site.web import server

    server.serve(config, announce)


def _photo_site(config: PhotoSiteConfig) -> None:
    serve(config, click.echo)


COMMAND = section_command("photo-site", PhotoSiteConfig, _photo_site)

"""`rawlabel photo-site`; the demo serves its site by it as well."""

from __future__ import annotations

from collections.abc import Callable

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, say
from rawlabel.config import PhotoSiteConfig

GROUP = "upkeep"
PLACE = 40
SUMMARY = "serve a simulated photo site on loopback"


def serve(config: PhotoSiteConfig, announce: Callable[[str], None]) -> None:
    """Serve the simulated photo site until SIGINT or SIGTERM; `announce` gets each line of what is where."""
    from rawlabel_photo_site.web import server

    server.serve(config, announce)


def _photo_site(config: PhotoSiteConfig) -> Ending:
    serve(config, say)
    return Ending(("collect", "classes.txt", "--base-url", "ADDRESS", "--allow-loopback"))


COMMAND = section_command("photo-site", PhotoSiteConfig, _photo_site, has_json=False)

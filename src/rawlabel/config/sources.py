"""The settings of `rawlabel sources`."""

from __future__ import annotations

from rawlabel.config.declaring import setting
from rawlabel.config.network import NetworkSettings


class SourcesConfig(NetworkSettings):
    """List the photo sites, their addresses and what their terms ask; with --check, ask each site once."""

    source: tuple[str, ...] = setting(
        (), "Sources to list or check; may be given several times; all by default.", common=True
    )
    check: bool = setting(
        False,
        "Ask each site one request, and say whether its reply still has the form that is expected.",
        common=True,
    )
    base_url: tuple[str, ...] = setting(
        (),
        "Address of a source's API, for a mirror or a simulated site: ADDRESS for all sources, or SOURCE=ADDRESS; "
        "the sites' own by default.",
    )

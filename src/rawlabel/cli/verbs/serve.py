"""`rawlabel serve`."""

from __future__ import annotations

from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, say
from rawlabel.config import ServeConfig

GROUP = "model"
PLACE = 70
SUMMARY = "serve a page to drop photos on, and an HTTP endpoint"

_HERE = ("127.0.0.1", "::1", "localhost")


def _serve(config: ServeConfig) -> Ending:
    from rawlabel.chain.serving import serve

    if config.host not in _HERE:
        messages.warn(
            f"--host {config.host}: everybody who reaches that address can ask, and sees training photos"
        )
    serve(config, lambda address: say(f"{address} (Ctrl-C ends it)"))
    return Ending(("predict", config.run, "photo.jpg"))


COMMAND = section_command("serve", ServeConfig, _serve, has_json=False)

"""`rawlabel export`."""

from __future__ import annotations

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import ExportConfig

GROUP = "data"
PLACE = 50
SUMMARY = "write the kept photos in a format that other tools read"


def _export(config: ExportConfig) -> Ending:
    from rawlabel.manifests.export import export

    out, count = export(config)
    say(f"{count} photos in {out}" if count else f"{config.format} without photos in {out}")
    give({"format": config.format, "out": out, "photos": count})
    return Ending(("rebuild", out) if config.format == "manifest" else ("train", "--root", config.project))


COMMAND = section_command("export", ExportConfig, _export)

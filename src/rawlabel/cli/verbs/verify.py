"""`rawlabel verify`."""

from __future__ import annotations

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import VerifyConfig

GROUP = "upkeep"
PLACE = 10
SUMMARY = "check that the files on disk are what catalogue and manifest say"

_SHOWN = 5
"""Findings of one kind that are listed; --out has all."""


def _verify(config: VerifyConfig) -> Ending:
    from rawlabel.manifests.verify.findings import Kind
    from rawlabel.manifests.verify.stage import forget, verify

    findings = verify(config)
    for kind in Kind:
        found = [one for one in findings if one.kind is kind]
        if found:
            say(f"{len(found):>6} {kind.describe()}: {kind.remedy}")
            for one in found[:_SHOWN]:
                photos = ", ".join(" ".join(photo) for photo in one.photos[:_SHOWN])
                # A stray file's name may hold anything, line ends included.
                say(f"       {str(one.path)!r} {one.detail}{f' ({photos})' if photos else ''}")
            if len(found) > _SHOWN:
                say(f"       and {len(found) - _SHOWN} more{'' if config.out else '; --out FILE lists all'}")
    if not findings:
        say(f"{config.project}: all is well")
    document: dict[str, object] = {"findings": [one.as_json() for one in findings]}
    if config.forget:
        document["forgotten"] = forget(config, findings)
        say(f"{document['forgotten']} photos are noted as not downloaded")
    give(document)
    if not findings:
        return Ending(("train", "--root", config.project))
    again = ("collect", "--project", config.project)
    return Ending(again if config.forget else ("verify", config.project, "--forget"), exit_code=1)


COMMAND = section_command("verify", VerifyConfig, _verify)

"""`rawlabel noise`."""

from __future__ import annotations

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import NoiseConfig

GROUP = "data"
PLACE = 70
SUMMARY = "write a manifest with a known share of wrong labels"


def _noise(config: NoiseConfig) -> Ending:
    from rawlabel.manifests.noise import write_noisy_manifest

    manifest, injection = write_noisy_manifest(config)
    record = injection.record()
    say(f"{injection.noisy.description} (training photos and holdout)")
    width = max(len("class"), *(len(one["class"]) for one in record["by_class"]))
    say(f"{'class':<{width}} {'photos':>8} {'changed':>8}")
    total = {"class": "all", "labels": record["num_labels"], "changed": record["num_changed"]}
    for one in (*record["by_class"], total):
        say(f"{one['class']:<{width}} {one['labels']:>8} {one['changed']:>8}")
    say(f"made from {manifest.parent}, which stays as it is; column injected_from marks what was changed")
    say(f"manifest: {manifest.path}")
    give({"manifest": manifest.path, "parent": manifest.parent, "noise": record})
    return Ending(("train", "--main", manifest.path))


COMMAND = section_command("noise", NoiseConfig, _noise)

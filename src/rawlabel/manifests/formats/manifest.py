"""What may be shared where the photos may not: the manifest and all that describes it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rawlabel.artifacts.manifest import Manifest
from rawlabel.base.files import atomic_write
from rawlabel.config import ExportConfig
from rawlabel.manifests.formats import attributions, croissant, dataset_card
from rawlabel.manifests.formats._facts import gather
from rawlabel.manifests.formats._folder import export_folder
from rawlabel.manifests.formats._photos import each_row

_LINES = "manifest.jsonl"


class ManifestOnly:
    """All that can be shared without the photos: manifest (Parquet, JSON Lines), Croissant, card and credits.

    Whoever gets the folder makes the set again with `rawlabel rebuild`.
    """

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write `manifest.parquet`, `manifest.jsonl`, `croissant.json`, `README.md` and `attributions.csv`."""
        version = croissant.next_version("manifest", manifest, out, config)
        made_from = {"manifest": manifest.fingerprint, **asdict(version)}
        patterns = [croissant.MANIFEST, _LINES, croissant.FILE, dataset_card.FILE, attributions.FILE]
        with export_folder(out, "manifest", made_from, patterns, clear=False):
            facts = gather(manifest, out, config)
            with atomic_write(out / _LINES) as stream:
                for row in each_row(manifest.table):
                    stream.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
            attributions.write_attributions(manifest, out / attributions.FILE)
            dataset_card.write_card(facts, out / dataset_card.FILE)
            croissant.write_croissant(manifest, facts, version, out)
        return 0


PLUGIN = ManifestOnly

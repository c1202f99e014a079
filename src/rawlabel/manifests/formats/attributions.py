"""A table of credits: whose each photo is, under which license, and the sentence that says so."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from rawlabel.artifacts.decision import decisions_of
from rawlabel.artifacts.manifest import Manifest
from rawlabel.base.files import atomic_write
from rawlabel.base.untrusted_text import disarmed
from rawlabel.config import ExportConfig
from rawlabel.manifests.formats._folder import export_folder
from rawlabel.manifests.formats._provenance import provenance

FILE = "attributions.csv"
COLUMNS = (
    "file", "class_id", "title", "author", "author_url", "license_name", "license_url", "page_url", "source",
    "photo_id", "attribution",
)  # fmt: skip


class Attributions:
    """Credits for every photo as a CSV table (title, author, source, license, and a sentence); no pixels.

    No spreadsheet runs a cell of it; see `rawlabel.base.untrusted_text.disarmed`.
    """

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write `attributions.csv`, one line a kept photo with author, license and page.

        Returns 0: no photo is written.
        """
        with export_folder(out, "attributions", {"manifest": manifest.fingerprint}, [FILE], clear=False):
            write_attributions(manifest, out / FILE)
        return 0


def write_attributions(manifest: Manifest, path: Path) -> None:
    """Write the table of all kept photos, in the manifest's order."""
    with atomic_write(path) as stream:
        text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
        # Quoted throughout: a program that splits at other signs must not find a cell that begins with `=`.
        table = csv.writer(text, quoting=csv.QUOTE_ALL)
        table.writerow(COLUMNS)
        for photo in decisions_of(manifest.kept()):
            facts = provenance(photo)
            table.writerow(disarmed(facts[name]) for name in COLUMNS)
        text.detach()


PLUGIN = Attributions

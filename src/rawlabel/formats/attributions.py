"""A table of credits: whose each photo is, under which license, and the sentence that says so."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from rawlabel.config import ExportConfig
from rawlabel.files import atomic_write
from rawlabel.formats._folder import export_folder
from rawlabel.formats._photos import count_kept, each_row
from rawlabel.formats._provenance import provenance
from rawlabel.manifest import Manifest

FILE = "attributions.csv"
COLUMNS = (
    "file", "class_id", "title", "author", "author_url", "license_name", "license_url", "page_url", "source",
    "photo_id", "attribution",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a cell for a formula, also in full width.

Source: https://owasp.org/www-community/attacks/CSV_Injection
"""


class Attributions:
    """Credits for every photo as a CSV table (title, author, source, license, and a sentence); no pixels.

    A cell that a spreadsheet would take for a formula begins with an apostrophe, and so does one that had an
    apostrophe there already: who removes one apostrophe from the front has the text as it was.
    """

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write `attributions.csv`."""
        with export_folder(out, "attributions", {"manifest": manifest.fingerprint}, [FILE], clear=False):
            write_attributions(manifest, out / FILE)
        return count_kept(manifest)


def write_attributions(manifest: Manifest, path: Path) -> None:
    """Write the table of all kept photos, in the manifest's order."""
    with atomic_write(path) as stream:
        text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
        # Quoted throughout: a program that splits at other signs must not find a cell that begins with `=`.
        table = csv.writer(text, quoting=csv.QUOTE_ALL)
        table.writerow(COLUMNS)
        for row in each_row(manifest.kept()):
            facts = provenance(row)
            table.writerow(disarmed(facts[name]) for name in COLUMNS)
        text.detach()


def disarmed(value: Any) -> str:
    """The text as a cell that no spreadsheet runs."""
    text = str(value if value is not None else "")
    is_armed = text.startswith(("'", *_FORMULA)) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if is_armed else text


PLUGIN = Attributions

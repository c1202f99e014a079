"""A dataset card that answers the questions of a datasheet, as far as the manifest and the catalogue know."""

from __future__ import annotations

import html
import json
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from rawlabel.artifacts.manifest import Manifest
from rawlabel.base.files import atomic_write
from rawlabel.base.licenses import license_conditions
from rawlabel.config import ExportConfig
from rawlabel.manifests.formats._facts import Facts, gather
from rawlabel.manifests.formats._folder import export_folder

FILE = "README.md"
MOST_CLASSES = 1000
"""Classes listed one by one; a card is for reading."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MARKS = re.compile(r"([\\`*_{}\[\]()#+.!|~$-])")


class DatasetCard:
    """A README.md for people and the Hugging Face hub: front matter and a datasheet; no pixels.

    Facts come from the manifest and the catalogue, and what these do not say is called not known.

    Sources: https://huggingface.co/docs/hub/datasets-cards and Gebru et al., Datasheets for Datasets,
    https://arxiv.org/abs/1803.09010
    """

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write `README.md`, the card that data hubs show, with what it can say of the photos exported beside it.

        Returns the number of these photos.
        """
        with export_folder(out, "dataset_card", {"manifest": manifest.fingerprint}, [FILE], clear=False):
            facts = gather(manifest, out, config)
            write_card(facts, out / FILE)
        return facts.kept if facts.has_pixels else 0


def write_card(facts: Facts, path: Path) -> None:
    """Fill in the card's template and write it to `path` at once, so that no half card is left."""
    with atomic_write(path) as stream:
        stream.write(_template().render(facts=facts, front=_front_matter(facts), most=MOST_CLASSES).encode())


def escaped(text: object) -> str:
    """Text that Markdown and HTML show as it is."""
    return _MARKS.sub(r"\\\1", html.escape(str(text), quote=False))


def linked(address: str) -> str:
    """A web address as a link that ends where the address ends."""
    return f"<{re.sub(r'[<>|`]', lambda sign: f'%{ord(sign[0]):02X}', address)}>"


def _front_matter(facts: Facts) -> list[tuple[str, str]]:
    """Keys with values in JSON, which is YAML too."""
    values: dict[str, object] = {
        "pretty_name": facts.name,
        "task_categories": ["image-classification"],
        "size_categories": [next((name for limit, name in _SIZES if facts.kept < limit), "n>1M")],
        "annotations_creators": ["no-annotation"],
        "tags": ["raw labels", "label noise", "web images"],
        **_license(facts),
    }
    if facts.has_pixels:
        files = [{"split": name, "path": f"data/{name}-*"} for name, count in facts.splits.items() if count]
        values["configs"] = [{"config_name": "default", "data_files": files}]
    return [(key, json.dumps(value, ensure_ascii=False)) for key, value in values.items()]


def _license(facts: Facts) -> dict[str, object]:
    """The hub's name of the one license of all photos; its `other` where there are several or it knows none."""
    if len(facts.licenses) == 1:
        only = facts.licenses[0]
        conditions = license_conditions(only.name, only.address or "")
        version = re.search(r"creativecommons\.org/licenses/[a-z-]+/(\d\.\d)/?", only.address or "")
        if conditions and version:
            code = "-".join(part for part in ("by", "nc", "nd", "sa") if part in conditions)
            return {"license": f"cc-{code}-{version.group(1)}"}
        if "publicdomain/zero" in (only.address or ""):
            return {"license": "cc0-1.0"}
        return {"license": "other", "license_name": only.name}
    return {"license": "other", "license_name": "per-photo"}


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("rawlabel.manifests.formats"),
        autoescape=False,  # what is not ours goes through the filter `md`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = escaped
    environment.filters["link"] = linked
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment.get_template("dataset-card.md.j2")


PLUGIN = DatasetCard

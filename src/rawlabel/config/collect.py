"""The settings of `rawlabel collect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from rawlabel.base.licenses import LicensePreset
from rawlabel.config.declaring import setting
from rawlabel.config.network import DownloadSettings


class CollectConfig(DownloadSettings):
    """Search photo sites by keyword and download what they return."""

    classes: Path | None = setting(
        None,
        "File of classes: JSON {class id: [keywords]}, TOML, or a plain list with one name a line; the sources "
        "folder, urls and manifest bring their own.",
        positional=True,
    )
    project: Path = setting(Path("project"), "Folder that gets the catalogue and the photos.", common=True)
    source: tuple[str, ...] = setting(
        ("commons",), "Where to search; may be given several times. `rawlabel sources` lists them.", common=True
    )
    base_url: tuple[str, ...] = setting(
        (),
        "Address of a source's API, for a mirror or a simulated site: ADDRESS for all sources, or SOURCE=ADDRESS; "
        "the sites' own by default.",
    )
    input: Path | None = setting(
        None,
        "Tree of images, table of addresses or manifest that the sources folder, urls and manifest read.",
        common=True,
    )
    url_column: str | None = setting(None, "Column of the image addresses of a table; guessed by default.")
    class_column: str | None = setting(None, "Column of the class names of a table; guessed by default.")
    per_class: int = setting(
        500,
        "Good photos (unique, decodable, large enough, license allowed) to gather for each class, where search "
        "and download stop; 0 takes all there are, as the source folder alone does by default.",
        ge=0,
        common=True,
    )
    per_keyword: int | None = setting(
        None, "Most photos to take from the search for one keyword.", ge=1, common=True
    )
    licenses: LicensePreset = setting(
        LicensePreset.ANY,
        "Photos to take by license: any; open (Creative Commons and public domain); commercial (open, without "
        "NC); derivatives (open, without ND); free (open, with neither).",
        common=True,
    )
    until: str | None = setting(
        None,
        "Last day of upload that is searched, as ISO 8601 writes it; by default the day before the first run.",
    )
    search_only: bool = setting(False, "Search and record what is found, and download nothing.", common=True)
    min_side: int = setting(32, "Smallest shorter side of a good photo [pixels].", ge=1, common=True)
    image_size: int = setting(
        256,
        "Wanted shorter side of the photos [pixels]; the smallest offered size that reaches it.",
        ge=16,
        common=True,
    )
    engine: Literal["local", "ray"] = setting(
        "local", "What downloads and decodes: this machine, or a Ray cluster (`pip install 'rawlabel[ray]'`)."
    )
    ray_address: str | None = setting(
        None,
        "Address of the Ray cluster: HOST:PORT as `ray start` prints it, or auto on a machine of it; by default a "
        "cluster of its own on this machine.",
    )
    calls_per_hour: int | None = setting(
        None,
        "Most API calls an hour, in place of the source's own limits; raise it only where the site allows it.",
        ge=1,
    )

    @model_validator(mode="before")
    @classmethod
    def _whole_folder(cls, values: Any) -> Any:
        """Photos that lie on the disk already are all wanted, unless a number is said."""
        if isinstance(values, dict) and values.get("source") in (("folder",), ["folder"]):
            return {"per_class": 0, **values}
        return values

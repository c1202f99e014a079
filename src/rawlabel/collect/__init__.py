"""The stage `collect`: classes and keywords in, a catalogue of facts and a store of photos out.

`search` asks the photo site, `download` fetches the bytes, `http` is the one client both use, and each
photo site is one file in `sources`.
"""

from __future__ import annotations

from rawlabel import plugins
from rawlabel.catalogue import Catalogue
from rawlabel.classes import read_classes
from rawlabel.collect.download import download_photos
from rawlabel.collect.http import HttpClient
from rawlabel.collect.search import search_keywords
from rawlabel.collect.sources import Source
from rawlabel.config import CollectConfig
from rawlabel.errors import ConfigError
from rawlabel.files import write_json
from rawlabel.image_store import ImageStore
from rawlabel.project import catalogue_path, images_path
from rawlabel.records import ClassSpec
from rawlabel.signals import run_until_stopped


def collect(config: CollectConfig, *, api_key: str | None = None) -> dict[str, int]:
    """Search and download as one resumable job; return the catalogue's counts.

    `api_key` overrides the key that the source reads from its environment variable. Everything that is done
    is on disk; the same call after an interruption goes on, and asks again for what met a passing fault.

    Raises `ClassFileError`, `ConfigError`, `SourceError`, `DataError` and `DiskError`.
    """
    if config.classes is None:
        raise ConfigError("CLASSES: name the file of classes, for example `rawlabel collect classes.txt`")
    classes = read_classes(config.classes)
    source_type: type[Source] = plugins.load(plugins.Family.SOURCE, config.source)
    with Catalogue(catalogue_path(config.project), create=True) as catalogue:
        catalogue.plan(config.source, classes)
        write_json(config.project / "collect.json", config.as_json())
        run_until_stopped(_collect(config, source_type, api_key, catalogue, classes))
        return catalogue.counts()


async def _collect(
    config: CollectConfig,
    source_type: type[Source],
    api_key: str | None,
    catalogue: Catalogue,
    classes: list[ClassSpec],
) -> None:
    async with HttpClient(config) as http:
        source = source_type(http, config, api_key)
        await search_keywords(source, catalogue, config)
        store = ImageStore(images_path(config.project))
        store.open_for_writing()
        await download_photos(source, http, catalogue, store, config)

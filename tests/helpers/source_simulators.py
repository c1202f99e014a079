"""How each source is tried without the world: a simulated site on loopback, or files that the test makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest

from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.manifest import write_manifest
from rawlabel.config import CollectConfig, PhotoSiteConfig
from rawlabel.records import ClassSpec
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.rules import SiteRules
from rawlabel_photo_site.world.site import PhotoSite

KEY = "sesame-7431"
SECRETS = {"FLICKR_API_KEY": KEY, "OPENVERSE_CLIENT_ID": "client-2210", "OPENVERSE_CLIENT_SECRET": KEY}
"""What stands in the environment during the tests, and nowhere else."""
KEYWORDS = ("three", "eight")


@dataclass(frozen=True)
class Simulator:
    """A source that is ready to be searched for `KEYWORDS`."""

    config: CollectConfig
    site: RunningSite | None = None
    """The site that is asked; None where files are read."""
    has_licenses: bool = True
    """Whether every photo has a license, an author and a page."""
    requests: str = field(default="")
    """Under which kind the site counts the requests to this API."""


@pytest.fixture(scope="session")
def photo_site() -> PhotoSite:
    rules = SiteRules(speed=60)
    return PhotoSite.build(PhotoSiteConfig(seed=3, per_class=40, api_key=KEY), NO_FAULTS, rules=rules)


def _class_file(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "classes.json"
    path.write_text(json.dumps({f"class {word}": [word] for word in KEYWORDS}))
    return path


def _api(name: str, requests: str) -> Callable[[Path, PhotoSite], AbstractContextManager[Simulator]]:
    @contextmanager
    def start(folder: Path, photo_site: PhotoSite) -> Iterator[Simulator]:
        with running(photo_site) as site:
            config = CollectConfig(
                classes=_class_file(folder), project=folder / "project", source=(name,), base_url=(site.base_url,),
                image_size=64, allow_loopback=True, contact="someone@example.org",
            )  # fmt: skip
            yield Simulator(config, site, requests=requests)

    return start


@contextmanager
def _folder(folder: Path, photo_site: PhotoSite) -> Iterator[Simulator]:
    for word in KEYWORDS:
        for number in range(600 if word == "three" else 4):
            path = folder / "tree" / word / f"{number:03}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\xff\xd8\xff")
    config = CollectConfig(source=("folder",), input=folder / "tree", project=folder / "project")
    yield Simulator(config, has_licenses=False)


@contextmanager
def _urls(folder: Path, photo_site: PhotoSite) -> Iterator[Simulator]:
    lines = ["url,class,page_url,author,license"]
    for word in KEYWORDS:
        for number in range(1200 if word == "three" else 4):
            lines.append(
                f"https://host.example/{word}/{number}.jpg,{word},https://host.example/{number},Ann,CC BY 4.0"
            )
    (folder / "table.csv").write_text("\n".join(lines))
    yield Simulator(CollectConfig(source=("urls",), input=folder / "table.csv", project=folder / "project"))


@contextmanager
def _manifest(folder: Path, photo_site: PhotoSite) -> Iterator[Simulator]:
    rows = [
        {
            "source": "flickr", "photo_id": f"{word}{number}", "class_id": word, "keyword": word, "rank": number,
            "part": "{}", "verdict": "kept", "url": f"https://host.example/{word}/{number}.jpg",
            "page_url": f"https://host.example/{number}", "author": "Ann", "license_name": "CC BY 4.0",
        }
        for word in KEYWORDS
        for number in range(1200 if word == "three" else 4)
    ]  # fmt: skip
    classes = [ClassSpec(word, word, (word,)) for word in KEYWORDS]
    whole = [dict.fromkeys(SCHEMA.names) | row for row in rows]
    written = write_manifest(
        folder / "from", pa.Table.from_pylist(whole, SCHEMA), classes, config={}, catalogue_fingerprint=""
    )
    yield Simulator(CollectConfig(source=("manifest",), input=written.path, project=folder / "project"))


SIMULATORS: dict[str, Callable[[Path, PhotoSite], AbstractContextManager[Simulator]]] = {
    "flickr": _api("flickr", "api"),
    "commons": _api("commons", "commons"),
    "openverse": _api("openverse", "openverse"),
    "inaturalist": _api("inaturalist", "inaturalist"),
    "folder": _folder,
    "urls": _urls,
    "manifest": _manifest,
}
"""By source; a new source needs an entry here."""


def simulator(name: str, folder: Path, photo_site: PhotoSite) -> AbstractContextManager[Simulator]:
    if name not in SIMULATORS:
        pytest.fail(
            f"source '{name}' has no simulator: add a function to SIMULATORS in {Path(__file__).name} that starts "
            "its site on loopback, or writes the files that it reads, and yields a Simulator"
        )
    return SIMULATORS[name](folder, photo_site)

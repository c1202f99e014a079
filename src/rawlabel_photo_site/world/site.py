"""The site as a whole: its photos, its search index and its truth, without any network."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rawlabel.config import PhotoSiteConfig
from rawlabel.errors import ConfigError, DiskError
from rawlabel_photo_site.openverse.identifiers import identifier
from rawlabel_photo_site.world.collection import Collection, open_collection
from rawlabel_photo_site.world.holdings import Holdings, distribute, name_pictures
from rawlabel_photo_site.world.keywords import keyword_of
from rawlabel_photo_site.world.photos import Picture, SamplePicture, SitePhoto
from rawlabel_photo_site.world.rates import DEFAULT_FAULTS, MAX_RESULTS, FaultRates
from rawlabel_photo_site.world.rules import SiteRules
from rawlabel_photo_site.world.search_index import SearchIndex

_TEST_PHOTO_SIDE = 320
_TEST_PHOTO_QUALITY = 92
_WRITERS = 2


class PhotoSite:
    """A simulated photo site. The same settings give the same site, byte for byte."""

    def __init__(
        self,
        config: PhotoSiteConfig,
        collection: Collection,
        photos: Sequence[SitePhoto],
        faults: FaultRates = DEFAULT_FAULTS,
        max_results: int = MAX_RESULTS,
        rules: SiteRules | None = None,
        holdings: Holdings | None = None,
        picture_names: dict[Picture, str] | None = None,
    ) -> None:
        self.config = config
        self.collection = collection
        self.photos = tuple(photos)
        self.faults = faults
        self.max_results = max_results
        """Results of one query that Flickr's API hands out."""
        self.rules = rules or SiteRules()
        self._holdings = holdings
        self._picture_names = picture_names
        self.by_id = {photo.photo_id: photo for photo in self.photos}
        self.index = SearchIndex(self.photos, config.seed)

    @classmethod
    def build(
        cls,
        config: PhotoSiteConfig,
        faults: FaultRates = DEFAULT_FAULTS,
        *,
        max_results: int = MAX_RESULTS,
        rules: SiteRules | None = None,
    ) -> PhotoSite:
        """Build the site that the settings describe; `faults` are its passing faults.

        `rules` are its limits and moods; without them, those that the settings name.

        Raises ConfigError when settings do not go together, and DataError when a folder of photos is missing
        or has no images.
        """
        from rawlabel_photo_site.world.population import compose

        collection = open_collection(config)
        if rules is None:
            rules = SiteRules(count_noise=config.count_noise, images_per_second=config.images_per_second)
        return cls(config, collection, compose(collection, config), faults, max_results, rules)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that the site has photos of, in a fixed order."""
        return tuple(self.collection.classes)

    @functools.cached_property
    def holdings(self) -> Holdings:
        """What Wikimedia Commons and iNaturalist hold; composed when it is first asked for."""
        return self._holdings or distribute(self.photos, self.collection, self.config)

    @functools.cached_property
    def picture_names(self) -> dict[Picture, str]:
        """The identity of each picture; a changed site keeps those of the site that it was."""
        return self._picture_names or name_pictures(self.photos, self.holdings)

    @functools.cached_property
    def _identities(self) -> dict[str, dict[str, str]]:
        """By source, the identity of the picture that each photo shows."""
        names = self.picture_names
        held = {
            "flickr": self.photos,
            "commons": self.holdings.commons_photos(),
            "inaturalist": self.holdings.inaturalist_photos(),
        }
        shown = {
            source: {photo.photo_id: names[photo.picture] for photo in photos} for source, photos in held.items()
        }
        openverse = {
            identifier(source, photo_id): name
            for source, named in shown.items()
            for photo_id, name in named.items()
        }
        return {**shown, "openverse": openverse}

    def identity(self, source: str, photo_id: str) -> str:
        """What tells apart the pictures behind the photos; `source` is one of `holdings.SOURCES`.

        Copies, re-uploads and crops of one picture have one identity, on whichever sites they are. The ids are
        Flickr's photo ids, the page ids of Commons, the photo ids of iNaturalist and the identifiers of Openverse.
        Raises KeyError for an id that is no photo of that site, such as a document on Commons.
        """
        return self._identities[source][photo_id]

    def truth(self) -> dict[str, Any]:
        """What each photo really shows, and why a search returns it, as plain JSON values.

        `photos` maps a photo id to its `content` (a class or `other:<subject>`), `keywords` (the classes whose
        search returns it), `kind`, `reupload_of`, `copy_of_test` and `fault`. The kind of a photo that both a
        wrong keyword and its right one return is that of the wrong one. All this is about Flickr. `pictures` maps
        each site's photo ids to the identity of the picture (see `identity`), `contents` each identity to its
        content.
        """
        found: list[list[str]] = [[] for _ in self.photos]
        for name in self.classes:
            for position in self.index.with_text(keyword_of(name)):
                found[position].append(name)
        entries = {
            photo.photo_id: {
                "content": photo.content,
                "keywords": keywords,
                "kind": photo.kind.value,
                "reupload_of": photo.reupload_of,
                "copy_of_test": photo.copy_of_test,
                "fault": photo.fault.value if photo.fault else None,
            }
            for photo, keywords in zip(self.photos, found, strict=True)
        }
        held = (*self.photos, *self.holdings.commons_photos(), *self.holdings.inaturalist_photos())
        return {
            "note": "for evaluation only",
            "classes": list(self.classes),
            "photos": entries,
            "pictures": self._identities,
            "contents": {self.picture_names[photo.picture]: photo.content for photo in held},
        }

    def write_truth(self, path: Path) -> None:
        """Write `truth` as JSON. Raises DiskError if the file cannot be written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self.truth(), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise DiskError(
                f"--truth {path} cannot be written ({error.strerror}); choose another file."
            ) from error

    def write_test_set(self, folder: Path, classes: Iterable[str] | None = None) -> None:
        """Write the clean test set of the built-in collection as class folders of JPEGs, 320 pixels wide or high.

        Of these classes alone, where some are named.
        Raises ConfigError if the collection is a folder tree, DiskError if the files cannot be written.
        """
        if self.config.photos is not None:
            raise ConfigError("Only the built-in collection brings a test set; drop --write-test-set or --photos.")
        from rawlabel_photo_site.pictures.renderer import encode

        def write(sample: SamplePicture) -> None:
            scale = _TEST_PHOTO_SIDE / max(sample.picture.width, sample.picture.height)
            width, height = round(sample.picture.width * scale), round(sample.picture.height * scale)
            image = sample.picture.draw(width, height)
            (folder / sample.file_name).write_bytes(encode(image, _TEST_PHOTO_QUALITY))

        wanted = self.classes if classes is None else tuple(classes)
        try:
            for name in wanted:
                (folder / name).mkdir(parents=True, exist_ok=True)
            with ThreadPoolExecutor(_WRITERS) as writers:
                # Taking the results raises what a writer has raised.
                list(writers.map(write, (one for one in self.collection.test if one.content in wanted)))
        except OSError as error:
            raise DiskError(
                f"--write-test-set {folder} cannot be written ({error.strerror}); choose another folder."
            ) from error

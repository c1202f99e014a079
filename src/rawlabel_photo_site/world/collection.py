"""Where the site's photos come from: the built-in digits, or a folder tree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from rawlabel.config import PhotoSiteConfig
from rawlabel.errors import ConfigError
from rawlabel_photo_site.world.photos import Picture, SamplePicture


class Collection(Protocol):
    """Pictures with known content."""

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, each of which is also its own search keyword."""

    @property
    def test(self) -> Sequence[SamplePicture]:
        """Clean test photos, which are no candidates."""

    def siblings(self, name: str) -> tuple[str, ...]:
        """The one or two classes that people confuse with class `name`; none if it is the only class."""

    def homonym(self, name: str) -> str:
        """The drawn subject that bears the name of this class."""

    def supply(self, name: str) -> int | None:
        """Number of photos of class `name`; None if there are as many as wanted."""

    def picture(self, name: str, index: int, series: str) -> Picture:
        """The `index`-th photo of class `name`, as the series' photographer took it."""


def keyword_of(name: str) -> str:
    """The words that people use for a class whose folder has this name."""
    return " ".join(re.split(r"[\s_\-]+", name)).strip().lower()


def open_collection(config: PhotoSiteConfig) -> Collection:
    """The collection that the settings ask for.

    Raises ConfigError when settings do not go together, DataError when a folder is missing or has no images.
    """
    if config.photos is None:
        if config.test_photos is not None:
            raise ConfigError("--test-photos goes with --photos; the built-in digits bring their own test set.")
        from rawlabel_photo_site.pictures.digits import DigitCollection

        return DigitCollection(config.seed)
    if config.write_test_set is not None:
        raise ConfigError(
            "--write-test-set writes the built-in test set and does not go with --photos; drop one of the two."
        )
    from rawlabel_photo_site.world.folder import FolderCollection

    return FolderCollection(config.photos, config.test_photos, config.seed)

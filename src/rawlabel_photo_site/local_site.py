"""The simulated photo site for scripts, notebooks and examples: served beside them, in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rawlabel.config import PhotoSiteConfig, load_section
from rawlabel.errors import ConfigError
from rawlabel_photo_site.web.server import running
from rawlabel_photo_site.world.site import PhotoSite


class LocalPhotoSite:
    """A simulated photo site on loopback, with known truth, for the length of a ``with`` block.

    ``with rl.PhotoSite(per_class=40) as site: rl.collect(["one", "seven"], "digits", **site.access)`` collects
    from it without a key and without a network. Settings are those of `rawlabel photo-site`; the port is a free
    one unless one is given. The built-in classes are the ten digits, by their names.
    """

    def __init__(self, **settings: Any) -> None:
        """Raises `ConfigError` for a wrong setting, `DataError` for folders without photos."""
        self._config = load_section(PhotoSiteConfig, None, {"port": 0, **settings})
        self.site = PhotoSite.build(self._config)
        """The site itself: its photos, its search index and its truth."""
        self._stack = ExitStack()
        self._address: str | None = None

    def __enter__(self) -> Self:
        if self._config.truth is not None:
            self.site.write_truth(self._config.truth)
        if self._config.write_test_set is not None:
            self.write_test_set(self._config.write_test_set)
        self._address = self._stack.enter_context(
            running(self.site, self._config.host, self._config.port)
        ).base_url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._address = None

    @property
    def base_url(self) -> str:
        """Its address. Raises `ConfigError` outside the ``with`` block, where nothing answers."""
        if self._address is None:
            raise ConfigError("PhotoSite: is not served now; use it in a block, `with rl.PhotoSite() as site:`")
        return self._address

    @property
    def access(self) -> Mapping[str, Any]:
        """The settings of `rl.collect` that have it search this site, by way of its Flickr."""
        return {
            "source": "flickr",
            "base_url": self.base_url,
            "allow_loopback": True,
            "api_key": self._config.api_key or "any word will do here",
        }

    def write_test_set(self, folder: Path | str, classes: Iterable[str] | None = None) -> Path:
        """Write the clean test images of (some of) the built-in digits as class folders, and return the folder.

        Raises `ConfigError` for a site made of photos of one's own, and `DiskError`.
        """
        self.site.write_test_set(Path(folder), classes)
        return Path(folder)

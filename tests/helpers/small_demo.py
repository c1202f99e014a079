"""The demo's photo site with a test set that is soon measured: the same digits, few of each."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from rawlabel.config import PhotoSiteConfig

EACH = 6


def serve_few(config: PhotoSiteConfig, announce: Callable[[str], None]) -> None:
    """As `rawlabel photo-site`, with `EACH` test photos of each digit; for a process of its own."""
    from rawlabel_photo_site.pictures.digits import DigitCollection
    from rawlabel_photo_site.web import server

    make = DigitCollection.__init__

    def make_with_few(self: DigitCollection, seed: int) -> None:
        make(self, seed)
        by_content = itertools.groupby(self.test, lambda one: one.content)
        self.test = tuple(one for _, samples in by_content for one in itertools.islice(samples, EACH))

    DigitCollection.__init__ = make_with_few  # type: ignore[method-assign]
    server.serve(config, announce)

"""A simulated site that hands out no photo while a signal is due, so that nobody has all of them before."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rawlabel.artifacts.project import images_path
from rawlabel_photo_site.web import image_host
from rawlabel_photo_site.world.photos import SitePhoto
from rawlabel_photo_site.world.sizes import Size


def num_stored(project: Path) -> int:
    """Photos in the store; `os.walk` does not mind that folders come and go meanwhile."""
    return sum(name.endswith(".jpg") for _, _, names in os.walk(images_path(project)) for name in names)


@contextmanager
def held_back_while(is_due: Callable[[], bool]) -> Iterator[None]:
    """While it is due, the site, which runs in this process, hands out no photo: nobody ends before the signal."""
    real, is_over = image_host.image_file, threading.Event()

    def image_file(photo: SitePhoto, size: Size) -> bytes:
        while is_due() and not is_over.wait(0.02):
            pass
        return real(photo, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_host, "image_file", image_file)
        try:
            yield
        finally:
            is_over.set()

"""A project whose photos need no site."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Part, PartState
from rawlabel.artifacts.image_store.local import ImageStore
from rawlabel.artifacts.project import catalogue_path, images_path
from rawlabel.records import ClassSpec, LabelEvent, Outcome, Photo, Status


def jpeg(size: tuple[int, int], color: int = 120, exif: Image.Exif | None = None) -> bytes:
    rng = np.random.default_rng(color)
    stream = io.BytesIO()
    pixels = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, exif=exif or Image.Exif())
    return stream.getvalue()


def make_project(folder: Path, photos: int = 12, page_url: str | None = None) -> Path:
    pages = {"page_url": page_url, "license_url": page_url} if page_url else {}
    store = ImageStore(images_path(folder))
    store.open_for_writing()
    classes = [ClassSpec("owl", "owl", ("owl",)), ClassSpec("robin", "robin", ("robin",))]
    with Catalogue(catalogue_path(folder), create=True) as catalogue:
        catalogue.plan(["flickr"], classes)
        outcomes = []
        for index, query in enumerate(catalogue.queries()):
            page = []
            for rank in range(photos):
                photo_id = f"{index}{rank:03d}"
                page.append(
                    (
                        Photo("flickr", photo_id, "http://host/", author_id=photo_id, **pages),
                        LabelEvent("flickr", photo_id, query.class_id, query.keyword, rank),
                    )
                )
                digest, media_type = store.put(jpeg((40, 40), color=index * 1000 + rank))
                outcomes.append(
                    Outcome("flickr", photo_id, Status.FETCHED, stored_sha256=digest, media_type=media_type)
                )
            part = Part(query.source, query.class_id, query.keyword, "", {})
            catalogue.record_page(part, page, cursor=None, total_reported=photos, state=PartState.DONE)
        catalogue.record_outcomes(outcomes)
    return folder

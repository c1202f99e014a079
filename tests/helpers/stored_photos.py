"""Projects whose photos are given by their bytes, as if one source had handed them out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Part, PartState
from rawlabel.artifacts.image_store.local import ImageStore
from rawlabel.artifacts.project import catalogue_path, images_path
from rawlabel.records import ClassSpec, LabelEvent, Outcome, Photo, Status


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def project_of(folder: Path, photos: Sequence[tuple[str, str, bytes]]) -> Path:
    """A project of one source, whose photos are (id, class, bytes)."""
    store = ImageStore(images_path(folder))
    store.open_for_writing()
    names = sorted({class_id for _, class_id, _ in photos})
    with Catalogue(catalogue_path(folder), create=True) as catalogue:
        catalogue.plan(["flickr"], [ClassSpec(name, name, (name,)) for name in names])
        outcomes = []
        for query in catalogue.queries():
            page = []
            for rank, (name, _, data) in enumerate(one for one in photos if one[1] == query.class_id):
                event = LabelEvent("flickr", name, query.class_id, query.keyword, rank)
                page.append((Photo("flickr", name, "http://host/", author_id=f"by {name}"), event))
                digest, media_type = store.put(data)
                outcomes.append(
                    Outcome("flickr", name, Status.FETCHED, stored_sha256=digest, media_type=media_type)
                )
            part = Part(query.source, query.class_id, query.keyword, "", {})
            catalogue.record_page(part, page, cursor=None, total_reported=len(page), state=PartState.DONE)
        catalogue.record_outcomes(outcomes)
    return folder

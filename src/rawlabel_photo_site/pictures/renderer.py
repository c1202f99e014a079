"""Image files of photos, made when they are asked for."""

from __future__ import annotations

import functools
import io

from PIL import Image

from rawlabel_photo_site.world.photos import Edit, Picture, SitePhoto
from rawlabel_photo_site.world.sizes import Size

_REMEMBERED_FILES = 1024
_REMEMBERED_LARGE_FILES = 256
_LARGEST_DRAWING = 360
"""Longer side at which large files are drawn [pixels]."""


_IMAGE_DESCRIPTION = 0x010E


def encode(image: Image.Image, quality: int, comment: str = "") -> bytes:
    """The image as a JPEG file; a comment changes its bytes and not its pixels."""
    target = io.BytesIO()
    if comment:
        exif = Image.Exif()
        exif[_IMAGE_DESCRIPTION] = comment
        image.save(target, "JPEG", quality=quality, comment=comment.encode(), exif=exif)
    else:
        image.save(target, "JPEG", quality=quality)
    return target.getvalue()


def image_file(photo: SitePhoto, size: Size) -> bytes:
    """The photo as a JPEG file of one of its sizes. Raises OSError if a file of the user cannot be decoded."""
    dimensions = size.dimensions(photo.width, photo.height)
    if dimensions is None:
        raise ValueError(f"photo {photo.photo_id} is smaller than size {size.name}")
    # The picture is the key and not the photo, so identical re-uploads are drawn once.
    shape = (photo.width, photo.height, *dimensions, size.square)
    return _rendered(photo.picture, photo.edit, *shape, photo.comment)


def scaled_file(photo: SitePhoto, width: int, height: int) -> bytes:
    """The photo as a JPEG file of `width` x `height` pixels. Raises OSError as `image_file` does."""
    return _rendered(photo.picture, photo.edit, photo.width, photo.height, width, height, False, photo.comment)


@functools.lru_cache(maxsize=_REMEMBERED_LARGE_FILES)
def large_file(photo: SitePhoto) -> bytes:
    """The photo as a JPEG file of its full size, drawn small and enlarged. Raises OSError as `image_file` does.

    A site that states the digest of each original has to make them all; drawing them at full size takes ten times
    as long.
    """
    scale = min(1.0, _LARGEST_DRAWING / max(photo.width, photo.height))
    width, height = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    image = _drawn(photo.picture, photo.edit, photo.width, photo.height, width, height, False)
    image = image.resize((photo.width, photo.height), Image.Resampling.BILINEAR)
    return encode(image, photo.edit.quality, photo.comment)


@functools.lru_cache(maxsize=_REMEMBERED_FILES)
def _rendered(
    picture: Picture,
    edit: Edit,
    full_width: int,
    full_height: int,
    width: int,
    height: int,
    square: bool,
    comment: str,
) -> bytes:
    return encode(_drawn(picture, edit, full_width, full_height, width, height, square), edit.quality, comment)


def _drawn(
    picture: Picture, edit: Edit, full_width: int, full_height: int, width: int, height: int, square: bool
) -> Image.Image:
    inner_width, inner_height = width, height
    if square:
        scale = width / min(full_width, full_height)
        inner_width, inner_height = max(width, round(full_width * scale)), max(height, round(full_height * scale))
    left, top, right, bottom = edit.crop
    outer_width = max(1, round(inner_width / (right - left)))
    outer_height = max(1, round(inner_height / (bottom - top)))
    image = picture.draw(outer_width, outer_height)
    x = round(left * outer_width) + (inner_width - width) // 2
    y = round(top * outer_height) + (inner_height - height) // 2
    # Rounding can push the box over the edge by a pixel.
    x, y = max(0, min(x, outer_width - width)), max(0, min(y, outer_height - height))
    if (outer_width, outer_height) != (width, height):
        image = image.crop((x, y, x + width, y + height))
    return image

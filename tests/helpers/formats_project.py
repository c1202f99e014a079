"""A small project whose photos and facts are as awkward as real ones: metadata, four formats, hostile texts."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from rawlabel.artifacts.manifest import Manifest
from rawlabel.config import CurateConfig
from rawlabel.gather.curate.stage import curate
from rawlabel.records import ClassSpec
from tests.helpers.report_project import Found, collect_by_hand

SECRET = b"Secret Street 1"
"""Stands in every kind of metadata, and must be in no export."""
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf>' + SECRET + b"</rdf></x:xmpmeta>"
HOSTILE_TITLES = (
    "=HYPERLINK(A1)", "+1", "-1", "@SUM(A1)", "\tx", "'quoted", '<script>alert("1")</script>| a\nb', "",
)  # fmt: skip


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[ExifTags.Base.ImageDescription] = SECRET.decode()
    tags.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (47.0, 22.0, 0.0)})
    if orientation != 1:
        tags[ExifTags.Base.Orientation] = orientation
    return tags.tobytes()


def picture(
    file_format: str, seed: int, orientation: int = 1, *, mode: str = "RGB", side: int = 40, **settings: object
) -> bytes:
    """An image with all the metadata that its format can hold."""
    pixels = np.random.default_rng(seed).integers(0, 255, (5, 4, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((side, side + 10), Image.Resampling.BICUBIC).convert(mode)
    stream = io.BytesIO()
    if file_format == "GIF":
        image.save(stream, "GIF", comment=SECRET, **settings)
        return stream.getvalue()
    if file_format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Author", SECRET.decode())
        text.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=False)
        settings["pnginfo"] = text
    elif file_format == "JPEG":
        settings |= {"comment": SECRET, "xmp": XMP}
    else:
        settings["xmp"] = XMP
    image.save(stream, file_format, exif=exif(orientation), icc_profile=srgb(), **settings)
    return stream.getvalue() + (b"trailing " + SECRET if file_format != "WEBP" else b"")


@cache
def srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def make_project(project: Path, *, more: int = 6) -> Manifest:
    """Two classes; `owl` has the awkward photos, `robin` plain ones; some are rejected or failed."""
    formats = ("JPEG", "PNG", "WEBP", "GIF", "JPEG", "PNG", "WEBP", "JPEG")
    turns = (6, 1, 8, 1, 1, 3, 1, 1)
    awkward = [
        Found(f"../a/{i}", picture(kind, i, turn), {"title": title, "author": f"{title[:1]}author {i}"})
        for i, (kind, turn, title) in enumerate(zip(formats, turns, HOSTILE_TITLES, strict=True))
    ]
    awkward[7].facts.update(license_id="0", license_name="All Rights Reserved", license_url="", author="")
    awkward.append(Found("gone", None))
    plain = [Found(f"r{i}", picture("JPEG", 100 + i)) for i in range(more)]
    results = {("owl", "owl"): awkward, ("n00000002", "robin"): [*plain, Found("copy", plain[0].data)]}
    owl = ClassSpec("owl", "owl", ("owl",), "a bird | of <b>night</b>")
    classes = [owl, ClassSpec("n00000002", "robin", ("robin",))]
    collect_by_hand(project, classes, results)
    return curate(CurateConfig(project=project, holdout=0.3))

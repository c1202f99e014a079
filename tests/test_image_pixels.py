"""Every part of the product sees one and the same picture in a file, however the file says how it is meant."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rawlabel.artifacts.image_check import decode_image as check
from rawlabel.gather.collect.engines.image_worker import WorkerLimits, examine
from rawlabel.images.decoding import decode_file
from rawlabel.images.decoding import decode_image as decode_for_training
from rawlabel.manifests.formats._image_metadata import strip_metadata
from rawlabel.show.report.thumbnails import Thumbnails

Pixels = npt.NDArray[np.uint8]
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{}"/></x:xmpmeta>'


def upright(seed: int = 0) -> Image.Image:
    """A picture of which no two turns are alike."""
    small = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((96, 64), Image.Resampling.BICUBIC)


def file(picture: Image.Image, kind: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    if kind == "WEBP":
        settings["lossless"] = True
    picture.save(stream, kind, **settings)  # type: ignore[arg-type]
    return stream.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def before_the_end(png: bytes, addition: bytes) -> bytes:
    return png[:-12] + addition + png[-12:]


def with_exif(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return file(upright(), kind, exif=exif)


def with_xmp(kind: str, orientation: int) -> bytes:
    xmp = XMP.format(orientation)
    if kind != "PNG":
        return file(upright(), kind, xmp=xmp.encode())
    body = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp.encode()
    return before_the_end(file(upright(), kind), chunk(b"iTXt", body))


def seen_by_checking(data: bytes) -> Pixels:
    found, picture = check(data, 64.0)
    assert picture is not None, found.reason
    return np.asarray(picture)


def seen_by_training(data: bytes) -> Pixels:
    return decode_for_training(np.frombuffer(data, np.uint8), None)


def seen_by_packing(data: bytes) -> Pixels:
    return decode_file(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR, 64.0)[..., ::-1]


def seen_in_an_export(data: bytes) -> Pixels:
    return seen_by_training(strip_metadata(data))


def seen_in_the_store(data: bytes) -> Pixels:
    """As `collect --resize` stores it."""
    import rawlabel.gather.collect.engines.image_worker as worker

    before, worker._limits = worker._limits, WorkerLimits(1024, 64.0, resize=64)
    try:
        resized = examine(data).resized
    finally:
        worker._limits = before
    assert resized is not None
    return seen_by_training(resized)


def seen_in_a_report(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> Pixels:
    path = tmp_path_factory.mktemp("photo") / "photo"
    path.write_bytes(data)
    address = Thumbnails().address(path)
    assert address is not None
    return seen_by_training(base64.b64decode(address.partition(",")[2]))


EXACT: list[Callable[[bytes], Pixels]] = [seen_by_checking, seen_by_training, seen_by_packing, seen_in_an_export]


def assert_seen_everywhere(data: bytes, wanted: Pixels, tmp_path_factory: pytest.TempPathFactory) -> None:
    for look in EXACT:
        assert np.array_equal(look(data), wanted), look.__name__
    stored = seen_in_the_store(data)
    assert np.abs(stored.astype(int) - wanted).mean() < 4
    shown = seen_in_a_report(data, tmp_path_factory)
    assert shown.shape == wanted.shape
    assert np.abs(shown.astype(int) - wanted).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("carrier", [with_exif, with_xmp])
def test_one_orientation_everywhere(
    carrier: Callable[[str, int], bytes],
    kind: str,
    orientation: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data = carrier(kind, orientation)
    with Image.open(io.BytesIO(file(upright(), kind))) as image:
        stored = np.asarray(image.convert("RGB"))
    meant = [
        stored, stored[:, ::-1], stored[::-1, ::-1], stored[::-1], stored.swapaxes(0, 1),
        stored[::-1].swapaxes(0, 1), stored[::-1, ::-1].swapaxes(0, 1), stored.swapaxes(0, 1)[::-1],
    ]  # fmt: skip
    assert_seen_everywhere(data, meant[orientation - 1], tmp_path_factory)


def test_sixteen_bits_become_their_upper_eight_everywhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    gray = np.asarray(upright().convert("L"))
    deep = file(Image.fromarray(gray.astype(np.uint16) << 8 | 77), "PNG")
    assert_seen_everywhere(deep, np.repeat(gray[..., None], 3, axis=2), tmp_path_factory)


def test_different_photos_of_sixteen_bits_stay_different() -> None:
    """Turned white, 24 photos were one 'photo unavailable'."""
    photos = [np.asarray(upright(seed).convert("L")).astype(np.uint16) * 257 for seed in range(24)]
    assert len({check(file(Image.fromarray(one), "PNG"), 64.0)[0].pixel_sha256 for one in photos}) == 24


def large_texts() -> dict[str, bytes]:
    packed, plain = PngInfo(), PngInfo()
    packed.add_text("prompt", "x" * 3_000_000, zip=True)
    plain.add_itxt("prompt", "x" * 3_000_000)
    many = PngInfo()
    for number in range(80):
        many.add_text(f"part {number}", "x" * 900_000, zip=True)
    profile = np.random.default_rng(1).bytes(2_000_000)
    bare = file(upright(), "PNG")
    return {
        "packed text": file(upright(), "PNG", pnginfo=packed),
        "international text": file(upright(), "PNG", pnginfo=plain),
        "text behind the picture": before_the_end(bare, chunk(b"tEXt", b"c\0" + b"x" * 3_000_000)),
        "many texts": file(upright(), "PNG", pnginfo=many),
        "color profile": file(upright(), "PNG", icc_profile=profile),
        "bomb": before_the_end(bare, chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(200_000_000)))),
        "damaged text": before_the_end(bare, chunk(b"zTXt", b"c\0\0no such thing")),
    }


LARGE_TEXTS = [
    "packed text", "international text", "text behind the picture", "many texts", "color profile", "bomb",
    "damaged text",
]  # fmt: skip


@pytest.fixture(scope="module")
def pngs() -> dict[str, bytes]:
    return large_texts()


@pytest.mark.parametrize("case", LARGE_TEXTS)
def test_what_a_png_says_beside_the_picture_does_not_damage_it(
    case: str, pngs: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert_seen_everywhere(pngs[case], np.asarray(upright()), tmp_path_factory)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("damage", [b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0nonsense", b"Exif\0\0"])
def test_damaged_metadata_leave_the_picture_upright(damage: bytes) -> None:
    plain = file(upright(), "JPEG")
    data = plain[:2] + struct.pack(">HH", 0xFFE1, len(damage) + 2) + damage + plain[2:]
    assert np.array_equal(seen_by_checking(data), seen_by_checking(plain))
    assert np.array_equal(seen_by_training(data), seen_by_training(plain))


DEEP = np.asarray(upright().convert("L")).astype(np.uint16) << 8 | 77


def other_files() -> dict[str, bytes]:
    palette, turned = upright().quantize(16), {274: 6}
    odd = (DEEP.astype(np.uint32) * 1000 // 65535).astype(">u2").tobytes()
    return {
        "transparent GIF": file(palette, "GIF", transparency=3),
        "palette with transparency": file(palette, "PNG", transparency=3),
        "CMYK TIFF": file(upright().convert("CMYK"), "TIFF"),
        "turned TIFF": file(upright(), "TIFF", tiffinfo=turned),
        "deep TIFF": file(Image.fromarray(DEEP), "TIFF"),
        "TIFF of floats": file(Image.fromarray(DEEP.astype(np.float32) / 257), "TIFF"),
        "deep PGM": b"P5\n96 64\n65535\n" + DEEP.astype(">u2").tobytes(),
        "PGM of unusual depth": b"P5\n96 64\n1000\n" + odd,
        "BMP": file(palette, "BMP"),
        "AVIF": file(upright(), "AVIF"),
    }  # fmt: skip


@pytest.mark.parametrize("case", list(other_files()))
def test_checking_and_training_see_the_same_in_all_formats(case: str) -> None:
    data = other_files()[case]
    seen = seen_by_checking(data)
    assert seen.shape == ((96, 64, 3) if case == "turned TIFF" else (64, 96, 3))
    assert 90 < seen.mean() < 170
    assert np.array_equal(seen_by_training(data), seen)
    assert np.array_equal(seen_by_packing(data), seen)
    assert np.array_equal(seen_in_an_export(data), seen)

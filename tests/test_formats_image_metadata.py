"""Metadata leaves exported photos, and the picture stays the same to the last bit."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rawlabel.artifacts.image_check import decode_image
from rawlabel.manifests.formats._image_metadata import strip_metadata
from tests.helpers.formats_project import SECRET, XMP, picture, srgb

PIXELS = 64.0

MODES = {"JPEG": ["RGB", "L", "CMYK"], "PNG": ["RGB", "RGBA", "L", "P", "1"], "WEBP": ["RGB", "RGBA"]}
MODES["GIF"] = ["RGB", "L", "P"]
SETTINGS = {
    "JPEG": {
        "progressive": st.booleans(),
        "quality": st.integers(5, 100),
        "restart_marker_blocks": st.sampled_from([0, 1]),
        "subsampling": st.sampled_from([0, 2]),
    },
    "PNG": {},
    "WEBP": {"lossless": st.booleans()},
    "GIF": {"interlace": st.booleans()},
}
kinds = st.sampled_from(sorted(MODES))


def variant(kind):
    return st.tuples(
        st.just(kind), st.fixed_dictionaries({"mode": st.sampled_from(MODES[kind]), **SETTINGS[kind]})
    )


@given(kinds.flatmap(variant), st.integers(1, 8), st.integers(0, 1000))
def test_the_picture_stays_and_the_metadata_goes(chosen, orientation, seed):
    kind, settings = chosen
    original = picture(kind, seed, orientation, **settings)
    stripped = strip_metadata(original)
    assert SECRET in original
    assert SECRET not in stripped
    before, after = (decode_image(data, PIXELS)[0] for data in (original, stripped))
    assert before.reason is None
    assert after == before  # size and SHA-256 of the upright pixels
    with Image.open(io.BytesIO(original)) as first, Image.open(io.BytesIO(stripped)) as second:
        assert second.format == first.format
        assert set(second.getexif()) == ({274} if orientation > 1 and kind != "GIF" else set())
        assert not second.getexif().get_ifd(34853)
        assert second.info.get("icc_profile") == (srgb() if kind != "GIF" else None)
    assert strip_metadata(stripped) == stripped


def test_an_animation_keeps_its_frames_and_loop():
    frames = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in (0, 100, 200)]
    for kind in ("GIF", "PNG", "WEBP"):
        stream = io.BytesIO()
        frames[0].save(stream, kind, save_all=True, append_images=frames[1:], loop=3, duration=50)
        with Image.open(io.BytesIO(strip_metadata(stream.getvalue()))) as image:
            assert (image.n_frames, image.info["loop"]) == (3, 3)


def test_what_the_walk_cannot_follow_becomes_a_png_with_the_same_pixels():
    jpeg = picture("JPEG", 1, 6)
    # A gap between segments, over which decoders skip with a warning.
    gap = jpeg[:2] + jpeg[2:].replace(b"\xff\xdb", b"\0\0\xff\xdb", 1)
    gif = picture("GIF", 1)
    turned = XMP.replace(b"<rdf>", b"<rdf tiff:Orientation='6'>")
    block = b"\x21\xff\x0bXMP DataXMP" + turned + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    with_orientation = gif.replace(b"\x21\xfe", block + b"\x21\xfe", 1)
    for data in (gap, with_orientation):
        stripped = strip_metadata(data)
        assert SECRET not in stripped
        assert decode_image(stripped, PIXELS)[0] == decode_image(data, PIXELS)[0]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of damage that it gets over
@given(kinds, st.data())
def test_damaged_files_end_in_the_same_picture_or_in_one_error(kind, data):
    image = bytearray(picture(kind, 3, 6))
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(image[: data.draw(st.integers(0, len(image)))])
    before = decode_image(damaged, PIXELS)[0]
    try:
        stripped = strip_metadata(damaged)
    except ValueError:
        assert before.reason is not None
        return
    if before.reason is None:
        assert decode_image(stripped, PIXELS)[0].pixel_sha256 == before.pixel_sha256


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"text"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ValueError, match="cannot be decoded"):
        strip_metadata(data)

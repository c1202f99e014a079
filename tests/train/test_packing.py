"""A pack: what was packed comes out again, killed or not, and what cannot be packed is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rawlabel.cli import run
from rawlabel.config import PackConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.images import packing
from rawlabel.images.decoding import Images
from rawlabel.images.input import InputRequest, InputSet, read_input
from rawlabel.images.packing import pack
from rawlabel.training.data import load_training_data
from tests.helpers.tiny_training import make_class_folders, tiny


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_class_folders(tmp_path / "photos", 40, 3)


def packed(source: Path, **changes: Any) -> InputSet:
    out = source.parent / "packed"
    pack(PackConfig(source=source, out=out, **changes))
    return read_input(out, InputRequest())


def pixels(found: InputSet, side: int) -> list[np.ndarray]:
    images = Images(found.images.source, side, 1)
    return [images[index] for index in range(len(images))]


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}


@pytest.mark.parametrize("changes", [{"mode": "copy"}, {"part": "test"}, {"size": 16}])
def test_names_labels_and_pixels_are_those_of_the_source(photos: Path, changes: dict[str, Any]) -> None:
    before, after = read_input(photos, InputRequest()), packed(photos, **changes)
    assert before.class_ids == after.class_ids and before.images.names() == after.images.names()
    assert (before.images.labels == after.images.labels).all()
    for one, other in zip(pixels(before, 16), pixels(after, 16), strict=True):
        left = (one.shape[1] - 16) // 2
        assert (one[:, left : left + 16] == other[:, -16 - left :][:, :16]).all()


def test_large_photos_are_shrunk_and_small_ones_left_alone(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 400 * 300 * 3).reshape(400, 300, 3).astype(np.uint8)
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "b").mkdir()
    Image.fromarray(ramp).save(tmp_path / "photos" / "a" / "large.jpg", quality=95)
    Image.fromarray(ramp[:50, :60]).save(tmp_path / "photos" / "b" / "small.jpg", quality=95)
    large, small = pixels(packed(tmp_path / "photos", mode="jpeg", short=100), 100)
    assert large.shape == (133, 100, 3) and small.shape == (50, 60, 3)
    assert np.abs(large[::12, 50].astype(int) - ramp[1::36, 150][: len(large[::12])].astype(int)).mean() < 6
    original = read_input(tmp_path / "photos", InputRequest())
    assert (pixels(original, 100)[1] == small).all()


@pytest.mark.parametrize("chunks", [1, 2])
def test_a_killed_command_goes_on_to_the_same_bytes(
    photos: Path, monkeypatch: pytest.MonkeyPatch, chunks: int
) -> None:
    packed(photos, size=16)
    whole = contents(photos.parent / "packed")
    again = PackConfig(source=photos, out=photos.parent / "again", size=16)
    add, calls = packing._Writer._add, []

    def dies(self: Any, one: Any) -> Any:
        calls.append(one)
        if len(calls) > 32 * chunks + 5:
            raise KeyboardInterrupt
        return add(self, one)

    monkeypatch.setattr(packing, "SECONDS_BETWEEN_NOTES", 0.0)
    monkeypatch.setattr(packing._Writer, "_add", dies)
    with pytest.raises(KeyboardInterrupt):
        pack(again)
    assert not (photos.parent / "again").exists()
    # Bytes behind the last note, as a kill leaves them, do not count.
    with (photos.parent / ".again.part" / "images.bin").open("ab") as stream:
        stream.write(b"torn")
    calls.clear()
    monkeypatch.setattr(packing._Writer, "_add", lambda self, one: (calls.append(one), add(self, one))[1])
    pack(again)
    assert contents(photos.parent / "again") == whole
    assert len(calls) == 120 - 32 * chunks
    pack(again)
    assert len(calls) == 120 - 32 * chunks


def test_what_cannot_be_decoded_is_counted_and_named(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "green" / "007.png").write_bytes(b"no image")
    out = photos.parent / "packed"
    assert run(["pack", str(photos), "--out", str(out), "--size", "16"]) == 1
    said = capsys.readouterr()
    assert "found 120 images = packed 119 + left out 1" in said.out and "green/007.png" in said.err
    assert "green/007.png" not in read_input(out, InputRequest()).images.names()
    for refused in ({"strict": True}, {"part": "test"}):
        with pytest.raises(DataError, match=r"007.png: is not an image that can be decoded; remove"):
            pack(PackConfig(source=photos, out=photos.parent / "strict", **refused))


def test_other_settings_do_not_pass_for_the_pack_that_is_there(photos: Path) -> None:
    packed(photos, size=16)
    with pytest.raises(ConfigError, match="other images or settings"):
        packed(photos, size=24)
    with pytest.raises(DataError, match="no pack"):
        pack(PackConfig(source=photos, out=photos))


@pytest.mark.parametrize("name", ["images.bin", "index.npy", "names.txt", "classes.json", "pack.json"])
def test_a_damaged_pack_is_refused(photos: Path, name: str) -> None:
    packed(photos, size=16)
    path = photos.parent / "packed" / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="packed"):
        read_input(path.parent, InputRequest())


def test_a_pack_trains_on_a_stable_split_without_a_name_being_read(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(photos, size=16)

    def refuse(*_: Any) -> str:
        raise AssertionError("a name was read")

    monkeypatch.setattr("rawlabel.images.packed_images.PackedImages.name", refuse)
    data = load_training_data(tiny(photos.parent, main="packed"))
    assert len(data.train) + len(data.holdout) == 120 and 10 < len(data.holdout) < 40
    assert Images(data.train.source, 16, 1)[0].shape == (16, 16, 3)

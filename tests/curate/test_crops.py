"""Crops that no hash survives are proposed by features that a training kept, and confirmed by pixels alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from rawlabel.artifacts.copies.listed import listed_copies
from rawlabel.config import CurateConfig
from rawlabel.errors import ConfigError
from rawlabel.gather.curate.stage import curate
from tests.helpers.pictures import photo
from tests.helpers.stored_photos import jpeg, project_of


def keep_features(project: Path, of: dict[bytes, np.ndarray]) -> None:
    """As a training keeps them: a piece, and behind it the digests of the files."""
    folder = project / "features" / "some-encoder-0123456789ab"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "piece.npy", np.array(list(of.values()), np.float32))
    keys = [np.frombuffer(hashlib.sha256(data).digest(), np.uint8) for data in of]
    np.save(folder / "piece.keys.npy", np.array(keys))


@pytest.fixture(scope="module")
def photos() -> list[tuple[str, str, bytes]]:
    pictures = {number: photo(number, 240) for number in range(6)}
    found = [(f"owl{number}", "owl", jpeg(one)) for number, one in pictures.items()]
    found.append(("robin", "robin", jpeg(photo(9, 240))))
    crop = pictures[0][37:231, 22:197]
    found.append(("crop", "owl", jpeg(cv2.resize(crop, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA), 75)))
    found.append(("crop again", "owl", jpeg(crop, 40)))
    found.append(("mirrored crop", "owl", jpeg(np.ascontiguousarray(pictures[3][30:225, 20:235][:, ::-1]), 75)))
    return found


def test_a_crop_is_left_out_and_a_neighbour_of_another_picture_stays(
    photos: list[tuple[str, str, bytes]], tmp_path: Path
) -> None:
    project = project_of(tmp_path / "p", photos)
    assert curate(CurateConfig(project=project)).funnel.total.kept == 9  # two copies of a crop
    with pytest.raises(ConfigError, match="--crops: no features"):
        curate(CurateConfig(project=project, crops=True))
    # All are neighbours, so that features alone would leave one of them.
    turned = [*(0.01 * place for place in range(7)), 0.002, 0.001, 0.031]
    keep_features(project, {data: np.array([1, one]) for (_, _, data), one in zip(photos, turned, strict=True)})
    manifest = curate(CurateConfig(project=project, crops=True))
    lost = {row["photo_id"]: row["duplicate_of"] for row in manifest.table.to_pylist() if row["reason"]}
    assert lost == {"crop": "owl0", "crop again": "owl0", "mirrored crop": "owl3"}
    pairs = {(one.best, one.copy, one.kind, one.bits is None) for one in listed_copies(manifest.path)}
    assert ("flickr:owl0", "flickr:crop again", "crop or edit", True) in pairs and len(pairs) == 3
    # A torn piece is no piece.
    (piece,) = project.glob("features/*/piece.npy")
    piece.write_bytes(piece.read_bytes()[:50])
    with pytest.raises(ConfigError, match="--crops: no features"):
        curate(CurateConfig(project=project, crops=True))

"""Features are computed once an image, and survive what kills their process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from rawlabel.errors import DataError
from rawlabel.images.image_source import ImageArray
from rawlabel.models.transfer import store as stores
from rawlabel.models.transfer.store import FeatureStore
from tests.helpers.feature_maker import PIXELS, Maker


def by_hand(pixels: np.ndarray) -> np.ndarray:
    return pixels[:, 0].astype(np.float32).mean(axis=1)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "CHUNK", 4)


def test_each_image_is_computed_once_whatever_list_it_is_in(tmp_path: Path) -> None:
    maker = Maker()
    store = FeatureStore(tmp_path, maker, 1)
    first = store.features(ImageArray(PIXELS[:7], "array"), "features")
    np.testing.assert_allclose(first.numpy(), by_hand(PIXELS[:7]), rtol=1e-6)
    # Another order, a repeated image, and three that are new.
    rows = np.array([9, 2, 2, 8, 0, 7])
    again = store.features(ImageArray(PIXELS[rows], "another array"), "features")
    np.testing.assert_allclose(again.numpy(), by_hand(PIXELS[rows]), rtol=1e-6)
    np.testing.assert_array_equal(again.at(torch.tensor([3, 1])).numpy(), again.numpy()[[3, 1]])
    assert maker.seen == 10


def test_what_another_maker_made_is_not_taken(tmp_path: Path) -> None:
    other = Maker()
    FeatureStore(tmp_path, Maker(), 1).features(ImageArray(PIXELS, "array"), "features")
    other.key = "maker 2"
    FeatureStore(tmp_path, other, 1).features(ImageArray(PIXELS, "array"), "features")
    assert other.seen == 10


def test_a_piece_that_is_cut_short_is_computed_again(tmp_path: Path) -> None:
    maker = Maker()
    images = ImageArray(PIXELS, "array")
    features = FeatureStore(tmp_path, maker, 1).features(images, "features").numpy()
    piece = min(one for one in tmp_path.rglob("*.npy") if "keys" not in one.name)
    piece.write_bytes(piece.read_bytes()[:-3])
    np.testing.assert_array_equal(FeatureStore(tmp_path, maker, 1).features(images, "features").numpy(), features)
    assert 10 < maker.seen <= 14


def test_features_that_are_no_numbers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Maker, "__call__", lambda self, views: torch.full((len(views), 3), torch.nan))
    locks: list[FileLock] = []
    monkeypatch.setattr(stores, "FileLock", lambda path: locks.append(FileLock(path)) or locks[-1])
    with pytest.raises(DataError, match="a maker: its features of array: image 0 and following images"):
        FeatureStore(tmp_path, Maker(), 1).features(ImageArray(PIXELS, "array"), "features")
    # Others need not wait until nobody remembers the lock.
    assert [one.is_locked for one in locks] == [False]


def test_where_memory_is_short_features_stay_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FeatureStore(tmp_path, Maker(), 1)
    whole = store.features(ImageArray(PIXELS, "array"), "features")
    monkeypatch.setattr("rawlabel.images.kept_features.free_memory", lambda: 0)
    mapped = store.features(ImageArray(PIXELS, "array"), "features")
    ids = torch.tensor([9, 0, 4, 4])
    assert torch.equal(mapped.at(ids), whole.at(ids)) and torch.equal(mapped.mean(), whole.mean())


COMPUTE = """
import os, signal, sys
from pathlib import Path
from rawlabel.models.transfer import store
from tests.helpers.feature_maker import PIXELS, Maker
from rawlabel.images.image_source import ImageArray

class Killed(Maker):
    def __call__(self, views):
        # By itself: one that watches from outside may be late on a busy machine.
        if self.seen == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(views)

store.CHUNK = 2
maker = Killed()
features = store.FeatureStore(Path(sys.argv[1]), maker, 1).features(ImageArray(PIXELS, "array"), "features")
print(maker.seen, features.numpy().tobytes().hex())
"""


def start(folder: Path, killed_after: int = -1) -> subprocess.Popen[str]:
    """Compute the features in a process, which ends itself after so many images; -1 for never."""
    command = [sys.executable, "-c", COMPUTE, str(folder), str(killed_after)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.integration
def test_killed_it_goes_on_and_processes_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    killed = start(tmp_path, killed_after=4)
    _, complaint = killed.communicate(timeout=600)
    assert killed.returncode == -signal.SIGKILL, complaint
    assert len(list(tmp_path.rglob("*.keys.npy"))) == 2
    two = [start(tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=600) for process in two]
    assert [process.returncode for process in two] == [0, 0], said
    # One has computed what was left, and the other has waited for it or come later.
    assert sorted(int(out.split()[0]) for out, _ in said) == [0, 6]
    assert {out.split()[1] for out, _ in said} == {by_hand(PIXELS).tobytes().hex()}

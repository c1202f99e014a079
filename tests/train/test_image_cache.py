"""Wherever images are kept, the same comes out, to the bit; and what does not fit is said."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel.base import distributed, processes
from rawlabel.cli import run as rawlabel
from rawlabel.config import PackConfig, TrainConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.images import decoding as images
from rawlabel.images.decoding import Images, Transform
from rawlabel.images.image_source import ImageArray, ImageSource
from rawlabel.images.input import InputRequest, read_input
from rawlabel.images.loader import evaluation_batches
from rawlabel.images.packing import pack
from rawlabel.images.resident_images import ResidentImages
from rawlabel.images.strong_augmentation import StrongAugmentation
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.training import image_cache
from rawlabel.training.image_cache import keep_images, make_loader
from rawlabel.training.stage import train
from tests.helpers.tiny_training import DEVICES, make_class_folders, tiny


def some_pixels(count: int, height: int, width: int) -> ImageArray:
    pixels = np.random.default_rng(count).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return ImageArray(pixels, "made up")


def predictor(config: TrainConfig, device: str = "cpu", strong: StrongAugmentation | None = None) -> Any:
    """As much of one as is asked where images are kept."""
    return SimpleNamespace(
        transform=Transform.choose(config.image_size, config.augment),
        device=torch.device(device),
        method=SimpleNamespace(strong_augmentation=strong),
        store=None,
    )


def batches(
    source: ImageSource, cache: str, device: str = "cpu", epoch: int = 0, first_step: int = 0, **changes: Any
):
    """What the loader of a cache makes of an epoch: views and sample ids of each part of each batch."""
    config = tiny(Path(), cache=cache, **changes)
    kept = keep_images(source, config, predictor(config, device))
    assert isinstance(kept, ResidentImages) == (cache == "device")
    loader = make_loader(kept, config, predictor(config, device))
    loader.prepare(epoch, first_step)
    parts = [part for batch in loader.epoch(epoch, first_step) for part in batch.parts()]
    loader.close()
    return [(part.views.cpu(), part.sample_ids.cpu()) for part in parts]


def assert_same(one: list[Any], other: list[Any]) -> None:
    assert len(one) == len(other) > 0
    for (views, ids), (other_views, other_ids) in zip(one, other, strict=True):
        assert torch.equal(views, other_views) and torch.equal(ids, other_ids)


@pytest.mark.integration
@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=40)
@given(
    augment=st.sampled_from(["crop_flip", "crop", "flip", "none"]),
    side=st.integers(8, 40),
    spare=st.integers(0, 5),
    count=st.integers(5, 40),
    batch_size=st.integers(2, 12),
    accumulate=st.integers(1, 4),
    seed=st.integers(0, 99),
    progressive=st.sampled_from([0, 8]),
    data=st.data(),
)
def test_the_device_cuts_the_views_that_threads_cut(
    device: str, side: int, spare: int, count: int, progressive: int, data: st.DataObject, **changes: Any
) -> None:
    source = some_pixels(count, side, side + spare)
    first_step = (
        data.draw(st.integers(0, count // changes["batch_size"] - 1)) if count >= changes["batch_size"] else 0
    )
    changes |= {"image_size": side, "progressive_from": progressive, "first_step": first_step, "epoch": 1}
    assert_same(batches(source, "device", device, **changes), batches(source, "memory", **changes))


def test_each_process_cuts_its_own_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "_group", object())
    monkeypatch.setenv("WORLD_SIZE", "3")
    source, seen = some_pixels(38, 16, 16), []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        changes = {"batch_size": 12, "accumulate": 2, "augment": "crop_flip"}
        assert_same(batches(source, "device", **changes), batches(source, "memory", **changes))
        seen.append(batches(source, "device", **changes)[0][0])
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("device", DEVICES)
def test_evaluation_sees_the_same_pixels(device: str) -> None:
    source, transform = some_pixels(30, 16, 20), Transform(16, "crop")
    kept = ResidentImages.load(source, transform, torch.device(device), 2)
    expected = torch.cat(list(evaluation_batches(Images(source, 16, 2), transform, 7)))
    rows = np.array([20, 3, 3, 11])
    assert torch.equal(torch.cat(list(evaluation_batches(kept, transform, 7))).cpu(), expected)
    assert torch.equal(torch.cat(list(evaluation_batches(kept.select(rows), transform, 3))).cpu(), expected[rows])
    assert np.array_equal(kept[4], expected[4])


def test_raw_pixels_are_taken_over_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = make_class_folders(tmp_path / "photos", 10, 1)
    pack(PackConfig(source=photos, out=tmp_path / "raw", mode="raw", size=16))
    pack(PackConfig(source=photos, out=tmp_path / "copy", mode="copy"))
    chosen = np.array([29, 0, 7, 7])
    raw = read_input(tmp_path / "raw", InputRequest()).images.source.select(np.arange(30)).select(chosen)
    assert raw.pixel_shape == (16, 16)
    assert read_input(tmp_path / "copy", InputRequest()).images.source.pixel_shape is None
    one_by_one = np.stack([raw.read(index) for index in range(4)])
    monkeypatch.setattr(type(raw), "read", None)
    kept = ResidentImages.load(raw, Transform(16, "flip"), torch.device("cpu"), 1)
    assert np.array_equal(kept.squares.numpy(), one_by_one)
    assert np.array_equal(np.stack(list(map(Images(raw, 16, 1).__getitem__, range(4)))), one_by_one)


@pytest.mark.integration
def test_a_run_is_the_same_wherever_its_images_are_kept(data: Path, tmp_path: Path) -> None:
    pack(PackConfig(source=data / "candidate", out=tmp_path / "raw", mode="raw", size=16))
    changes: dict[str, Any] = {"epochs": 2, "progressive_from": 8, "augment": "crop_flip", "accumulate": 2}
    changes |= {"train_accuracy": ("probe", "full", "augmented"), "probe_images": 20, "compute_jacobian": True}
    runs = {}
    for main, cache in (("candidate", "none"), ("candidate", "device"), (str(tmp_path / "raw"), "device"),
                        (str(tmp_path / "raw"), "memory")):  # fmt: skip
        outpath = tmp_path / f"{Path(main).name}-{cache}"
        runs[outpath.name] = train(
            tiny(data, main=main, outpath=outpath, cache=cache, **changes), make_epoch_evaluator
        )
    logs = {name: one.log() for name, one in runs.items()}
    for name, run in runs.items():
        assert f'"train": "{name.split("-")[1]}"' in (run.path / "timing.jsonl").read_text()
    assert logs["candidate-device"] == logs["candidate-none"]
    assert logs["raw-device"] == logs["raw-memory"]
    # The place is no setting of the run: it goes on, or stays as it is, with another one.
    again = tiny(data, main="candidate", outpath=tmp_path / "candidate-none", cache="device", **changes)
    assert train(again, make_epoch_evaluator).log() == logs["candidate-none"]


@pytest.mark.parametrize(
    ("device", "changes", "free", "is_kept"),
    [
        ("cuda", {}, 30_000, True),
        ("cuda", {}, 5_700, False),  # 3 * 16 * 16 * 3 bytes are 40.4 % of it
        ("cuda", {"progressive_from": 8}, 11_400, False),
        ("cuda", {"augment": "resized_crop"}, 30_000, False),
        ("cuda", {"cache": "memory"}, 30_000, False),
        ("cpu", {}, 30_000, False),
    ],
)
def test_auto_takes_the_device_for_small_images_that_fit(
    device: str, changes: dict[str, Any], free: int, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_cache, "_free_bytes", lambda device: free)
    config, source = tiny(Path(), **changes), some_pixels(3, 16, 16)
    assert image_cache._is_for_device(source, config, predictor(config, device)) == is_kept
    strong = predictor(config, device, StrongAugmentation(1, 2, 10))
    assert not image_cache._is_for_device(source, config, strong)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"cache": "memory"}, r"--cache memory: 120 images need about 0\.00 GB, .* at most 80%; use --cache none"),
        ({"cache": "device"}, r"--cache device: 120 images need about 0\.00 GB, .* at most 80%; use --cache auto"),
        ({"cache": "device", "augment": "resized_crop"}, "--cache device: --augment resized_crop cuts .* leave"),
        ({"cache": "device", "method": "sop_plus"}, "--cache device: the strong views of this --method .* leave"),
    ],
)
def test_what_cannot_be_kept_is_one_line(
    changes: dict[str, Any], line: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images.psutil, "virtual_memory", lambda: SimpleNamespace(available=100_000))
    config = tiny(data, outpath=tmp_path / "run", holdout=0, stop="last_epoch", epochs=1, **changes)
    with pytest.raises(ConfigError, match=line) as caught:
        train(config)
    assert "\n" not in str(caught.value)


def test_images_that_do_not_fit_among_the_others_are_named() -> None:
    config = tiny(Path(), image_size=80, augment="flip", cache="device")
    source = some_pixels(5, 90, 100)
    with pytest.raises(
        DataError, match=r"made up: image 0: is 100 x 90, .* --image-size 80; leave --cache out, or"
    ):
        keep_images(source, config, predictor(config))
    assert isinstance(keep_images(source, config.model_copy(update={"cache": "auto"}), predictor(config)), Images)


class Watched(ImageArray):
    """Notes the threads that read it; each waits with its first image until as many have come as should."""

    def expect(self, count: int) -> None:
        self.readers: set[int] = set()
        self._count, self._has_come = count, threading.Condition()

    def read(self, index: int) -> Any:
        with self._has_come:
            self.readers.add(threading.get_ident())
            self._has_come.notify_all()
            self._has_come.wait_for(lambda: len(self.readers) >= self._count, timeout=240)
        return super().read(index)


@pytest.mark.parametrize(
    ("cores", "count", "workers", "reading", "loading"),
    [(8, 1, None, 8, 7), (8, 4, None, 2, 1), (1, 1, None, 1, 1), (2, 4, None, 1, 1), (8, 1, 3, 3, 3)],
)
def test_by_default_threads_leave_a_core_to_the_training(
    cores: int,
    count: int,
    workers: int | None,
    reading: int,
    loading: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: cores)
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, str(count))
    config = tiny(Path(), batch_size=256) if workers is None else tiny(Path(), batch_size=256, workers=workers)
    for cache, expected in (("memory", reading), ("none", loading)):
        source = Watched(np.zeros((512, 20, 20, 3), dtype=np.uint8), "made up")
        source.expect(expected)
        kept = keep_images(source, config.model_copy(update={"cache": cache}), predictor(config))
        loader = make_loader(kept, config, predictor(config))
        assert len([batch.sample_ids for batch in loader.epoch(0)]) == 2
        loader.close()
        assert len(source.readers) == expected


def test_the_flag_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert rawlabel(["train", "--cache", "disk"]) == 2
    assert "--cache" in capsys.readouterr().err

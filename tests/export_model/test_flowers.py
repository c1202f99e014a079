"""On real photos, by the default recipe: one model, the same answers from whoever is asked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from benchmarks.handover import FORMATS, answers

import rawlabel as rl

pytestmark = [pytest.mark.integration, pytest.mark.real_data]


def test_predict_serve_onnxruntime_and_plain_timm_agree_on_flowers(shared_data: Path, tmp_path: Path) -> None:
    """Few photos and small views, since each is seen a dozen times; the benchmark does it at full size."""
    for part, most in (("train", 10), ("test", 5)):
        for folder in sorted((shared_data / "flowers" / part).iterdir()):
            place = tmp_path / part / folder.name
            place.mkdir(parents=True)
            for photo in sorted(folder.glob("*.jpg"))[:most]:
                shutil.copy(photo, place)
    small = {"encoder": "efficientnet_lite0@128", "precision": "fp32", "device": "cpu"}
    run = rl.train(tmp_path / "train", recipe="transfer", epochs=10, seed=0, **small).path
    exports = {name: rl.export_model(run, name, out=tmp_path / name) for name in FORMATS}
    photos = sorted((tmp_path / "test").rglob("*.jpg"))
    rows = answers(run, photos, exports)["answers"]
    assert len(photos) == 25
    for name, row in rows.items():
        assert row["same_class_as_predict"] >= 24, name
        if name != "plain timm":
            assert row["largest_difference"] < 0.02, name

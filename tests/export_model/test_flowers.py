"""On real photos, by the default recipe: one model, the same answers from whoever is asked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rawlabel as rl

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.integration, pytest.mark.real_data]


@pytest.mark.timeout(900)
def test_predict_serve_onnxruntime_and_plain_timm_agree_on_flowers(shared_data: Path, tmp_path: Path) -> None:
    for part, most in (("train", 60), ("test", 20)):
        for folder in sorted((shared_data / "flowers" / part).iterdir()):
            for photo in sorted(folder.glob("*.jpg"))[:most]:
                place = tmp_path / part / folder.name
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(photo, place)
    run = rl.train(tmp_path / "train", recipe="transfer", precision="fp32", epochs=10, seed=0, device="cpu")
    script = [
        sys.executable,
        ROOT / "benchmarks" / "handover.py",
        run.path,
        tmp_path / "test",
        "--out",
        tmp_path / "out",
    ]
    subprocess.run(list(map(str, script)), check=True, capture_output=True)
    found = json.loads((tmp_path / "out" / "answers.json").read_text())
    rows = found["answers"]
    assert found["photos"] == 100
    for name, row in rows.items():
        assert row["same_class_as_predict"] >= 99, name
        if name != "plain timm":
            assert row["largest_difference"] < 0.02, name

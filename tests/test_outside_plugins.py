"""A package beside this one brings a source, a method, a stopping rule, an input and an export format."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rawlabel.base import families
from rawlabel.errors import PluginError
from rawlabel.plugins import Selection, StoppingRule

PACKAGE = '''
import io
from pathlib import Path

import numpy as np
from PIL import Image

from rawlabel.plugins import (
    ExportFormat, ImageArray, Input, InputSet, LabeledImages, Method, Page, Photo, SearchLimits, Section,
    Selection, Source, StepOutput, StoppingRule, setting,
)

COLORS = {"red": (180, 60, 60), "blue": (60, 60, 180)}


def painted(name, number):
    noise = np.random.default_rng(number).integers(-60, 60, (32, 32, 3))
    return (np.array(COLORS[name]) + noise).astype(np.uint8)


class Painted(Source):
    """Pictures of one color, painted when they are asked for."""

    base_url = ""
    terms = "none: nobody took these pictures"
    limits = SearchLimits(page_size=8)

    async def search(self, search):
        start = int(search.cursor or 0)
        photos = tuple(
            Photo("painted", f"{search.keyword}-{number}", None, author_id=str(number))
            for number in range(start, start + 8)
        )
        return Page(photos, start, str(start + 8) if start < 16 else None, 24)

    async def read(self, photo):
        name, _, number = photo.photo_id.partition("-")
        stream = io.BytesIO()
        Image.fromarray(painted(name, hash(name) % 1000 * 100 + int(number))).save(stream, "PNG")
        return stream.getvalue()


class PlainOptions(Section):
    """Options of the method."""

    factor: float = setting(1.0, "What the loss is multiplied by.", gt=0)


class Plain(Method[PlainOptions]):
    """Cross-entropy times a factor, which changes nothing but the rate."""

    Options = PlainOptions

    def forward(self, batch):
        logits = self.predict(batch.images)
        return StepOutput(self.options.factor * batch.cross_entropy(logits), logits)


class FirstEpoch(StoppingRule):
    """Take the first epoch, whatever happens."""

    signals = ()

    def select(self, records):
        return Selection(records[0].epoch, "the first one")


class Palette(Input):
    """A file that names a color a line; each is an image."""

    @classmethod
    def claims(cls, path):
        return path.suffix == ".palette"

    def read(self, path, request):
        names = path.read_text().split()
        pixels = np.stack([painted(name, number) for number, name in enumerate(names)])
        labels = np.array([sorted(COLORS).index(name) for name in names], dtype=np.int64)
        return InputSet(tuple(sorted(COLORS)), LabeledImages(ImageArray(pixels, str(path)), labels), "ab" * 32)


class Listing(ExportFormat):
    """The kept photos by name, a line each."""

    def export(self, manifest, out, config):
        out.mkdir(parents=True, exist_ok=True)
        names = manifest.kept()["photo_id"].to_pylist()
        Path(out, "photos.txt").write_text("\\n".join(names))
        return len(names)
'''
ENTRY_POINTS = """
[rawlabel.source]
painted = outside_plugins:Painted
[rawlabel.method]
plain = outside_plugins:Plain
[rawlabel.stopping_rule]
first_epoch = outside_plugins:FirstEpoch
[rawlabel.input]
palette = outside_plugins:Palette
[rawlabel.format]
listing = outside_plugins:Listing
"""
SCRIPT = """
import sys
from pathlib import Path
import rawlabel as rl
from rawlabel import cli
project = rl.collect(["red", "blue"], "colors", source="painted", per_class=0)
manifest = rl.curate(project)
print(manifest.kept().num_rows, "kept")
print(len((rl.export(manifest, "listing", out="list") / "photos.txt").read_text().splitlines()), "listed")
Path("all.palette").write_text("red blue " * 12)
small = {"model": "cifar_resnet8", "image_size": 16, "batch_size": 8, "epochs": 2, "seed": 1, "device": "cpu"}
run = rl.train("all.palette", method="plain", method_option=["factor=2"], stop="first_epoch", **small)
print((run.path / "summary.json").read_text().count('"why": "the first one"'), "chosen")
print(rl.load(run).class_ids)
with __import__("contextlib").redirect_stdout(sys.stderr):
    codes = [cli.run([verb]) for verb in ("sources", "methods", "formats")]
print(codes)
"""


@pytest.mark.integration
def test_a_package_with_entry_points_brings_five_plug_ins(tmp_path: Path) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    (site / "outside_plugins-1.0.dist-info").mkdir(parents=True)
    work.mkdir()
    (site / "outside_plugins.py").write_text(PACKAGE)
    (site / "outside_plugins-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: outside-plugins\nVersion: 1.0\n"
    )
    (site / "outside_plugins-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "48 kept", "48 listed", "1 chosen", "('blue', 'red')", "[0, 0, 0]"
    ]  # fmt: skip
    for name in ("painted", "plain", "first_epoch", "palette", "listing"):
        assert name in done.stderr


def test_a_plug_in_of_one_process_is_found_and_takes_no_other_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newest(StoppingRule):
        """Take the newest epoch, as a notebook would have it."""

        signals = ()

        def select(self, records):  # type: ignore[no-untyped-def]
            return Selection(records[-1].epoch, "the newest")

    monkeypatch.setattr(families, "_added", {})
    rules = families.Family.STOPPING_RULE
    families.add(rules, "newest", Newest)
    families.add(rules, "newest", Newest)  # a notebook's cell, run again
    assert families.load(rules, "newest") is Newest
    assert "newest" in families.names(rules)
    assert families.describe(rules, "newest") == "Take the newest epoch, as a notebook would have it."
    with pytest.raises(PluginError, match="a stopping rule is called 'patience' already; choose another name"):
        families.add(rules, "patience", Newest)

"""What a model card tells of a collected project: photos, authors, licenses, and what nobody knows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rawlabel as rl
from rawlabel.chain.serving import load_served
from rawlabel.config import ServeConfig
from rawlabel.show import model_card
from tests.helpers.collected_project import make_project

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = make_project(tmp_path_factory.mktemp("card") / "birds", photos=30)
    rl.curate(project)
    small = {"recipe": "scratch", "model": "resnet10t", "image_size": 32, "epochs": 1, "device": "cpu", "seed": 1}
    return rl.train(project, **small).path


def test_a_card_and_its_attributions_name_every_photo(run: Path, tmp_path: Path) -> None:
    out = rl.export_model(run, "hub", out=tmp_path / "out")
    card = (out / "README.md").read_text()
    for part in (
        "found at flickr (60)",
        "| not stated | 60 |",
        "Not decontaminated",
        "was not looked for",
        "1. robin",
    ):
        assert part in card, part
    with (out / "attributions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 60 and {row["class_id"] for row in rows} == {"owl", "robin"}
    about = json.loads((out / "model.json").read_text())
    assert about["origin"]["data"] and about["origin"]["run"] == run.name


def test_texts_of_strangers_are_no_markup() -> None:
    assert model_card._escaped("<img src=x onerror=1> [a](b) | `c`\n# d") == (
        r"\<img src=x onerror=1\> \[a\]\(b\) \| \`c\` \# d"
    )


def test_nearest_photos_are_credited(run: Path) -> None:
    served = load_served(ServeConfig(run=run, nearest=3))
    photos = sorted((run.parent.parent / "images").rglob("*.jpg"))
    answer = served.answer(np.asarray(Image.open(photos[0]).convert("RGB")), 2, 3)
    assert [one.class_id for one in answer.classes] in (["owl", "robin"], ["robin", "owl"])
    assert len(answer.nearest) == 3 and served.model.training_photos > 30
    assert served.thumbnail(answer.nearest[0].number) is not None
    assert served.thumbnail(10_000) is None


def test_the_card_names_the_versions_that_were_tried() -> None:
    tried = json.loads((Path(__file__).parents[2] / "results/measured/handover/hub.json").read_text())["versions"]
    for name in ("timm", "transformers", "huggingface_hub", "gradio"):
        assert f"{name} {tried[name]}" in model_card.TRIED

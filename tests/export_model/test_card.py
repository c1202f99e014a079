"""What a model card tells of a collected project: photos, authors, licenses, and what nobody knows."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rawlabel as rl
from rawlabel.artifacts.manifest import newest_manifest
from rawlabel.artifacts.run import Run
from rawlabel.base.files import write_json
from rawlabel.chain.serving import load_served
from rawlabel.config import CollectConfig, ServeConfig
from rawlabel.models.portable.loading import read_export
from rawlabel.show import model_card
from rawlabel.show.model_card import card_files
from rawlabel.show.review.index import evidence_of, open_index
from tests.helpers.collected_project import make_project

pytestmark = pytest.mark.integration
PAGE = "https://photos.example/1"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = make_project(tmp_path_factory.mktemp("card") / "birds", photos=30, page_url=PAGE)
    rl.curate(project)
    small = {"recipe": "scratch", "model": "resnet10t", "image_size": 32, "epochs": 1, "device": "cpu", "seed": 1}
    return rl.train(project, **small).path


def test_a_card_and_its_attributions_name_every_photo(run: Path, tmp_path: Path) -> None:
    out = rl.export_model(run, "hub", out=tmp_path / "out")
    card = (out / "README.md").read_text()
    for part in (
        "found at flickr (60)",
        f"| [not stated](<{PAGE}>) | 60 |",
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
    assert {one.page for one in answer.nearest} == {PAGE}
    assert served.thumbnail(answer.nearest[0].number) is not None
    assert served.thumbnail(10_000) is None


def test_simulated_photos_are_told_and_nobody_s_real_site_is_linked(run: Path, tmp_path: Path) -> None:
    project = run.parent.parent
    write_json(project / "collect.json", CollectConfig(base_url=("flickr=http://127.0.0.1:1",)).as_json())
    try:
        served = load_served(ServeConfig(run=run, nearest=3))
        photo = next((project / "images").rglob("*.jpg"))
        answer = served.answer(np.asarray(Image.open(photo).convert("RGB")), 2, 3)
        assert {one.page for one in answer.nearest} == {None}
        assert served.model.notes[0].startswith("Simulated photos")
        files = card_files(Run(run), read_export(export_of(run, tmp_path))[0])
        assert "**Simulated photos" in files["README.md"] and "photos.example" not in "".join(files.values())
        evidence = evidence_of(project, newest_manifest(project))
        with closing(open_index(evidence, tmp_path / "index")) as index:
            assert index.execute("SELECT count(*), count(page) FROM photo").fetchone()[:] == (60, 0)
    finally:
        (project / "collect.json").unlink()


def export_of(run: Path, folder: Path) -> Path:
    return rl.export_model(run, out=folder / "model") / "model.safetensors"


def test_the_card_names_the_versions_that_were_tried() -> None:
    tried = json.loads((Path(__file__).parents[2] / "results/measured/handover/hub.json").read_text())["versions"]
    for name in ("timm", "transformers", "huggingface_hub", "gradio"):
        assert f"{name} {tried[name]}" in model_card.TRIED

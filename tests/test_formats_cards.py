"""Cards for people and machines: what they say agrees with the manifest, and nothing in them is run."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rawlabel.artifacts.manifest import Manifest, read_manifest, write_manifest
from rawlabel.base.files import write_json
from rawlabel.cli import run
from rawlabel.config import ExportConfig
from rawlabel.errors import DataError
from rawlabel.manifests.export import export
from rawlabel.manifests.formats.dataset_card import escaped, linked
from tests.helpers.formats_project import HOSTILE_TITLES, SECRET, make_project
from tests.helpers.manifest_rows import as_table

# What mlcroissant 1.1.1 asks rdflib and pandas for.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_project(tmp_path_factory.mktemp("cards") / "birds")


def write(birds: Manifest, out: Path, *formats: str, **settings: object) -> Path:
    for name in formats:
        export(ExportConfig(project=birds.project, format=name, out=out, per_shard=5, **settings))  # type: ignore[arg-type]
    return out


def croissant_of(out: Path) -> dict:
    return json.loads((out / "croissant.json").read_text())


def read_with_mlcroissant(card: Path):
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=card)
    assert not dataset.metadata.ctx.issues.errors
    return dataset


def test_mlcroissant_accepts_the_card_and_reads_every_record(birds: Manifest, tmp_path: Path) -> None:
    out = write(birds, tmp_path, "parquet", "croissant", creator="A <b>", homepage="https://sets.example/birds")
    dataset = read_with_mlcroissant(out / "croissant.json")
    assert dataset.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    assert dataset.metadata.annotations_per_item == "0"
    events = list(dataset.records("label-events"))
    rows = birds.table.to_pylist()
    assert len(events) == len(rows)
    for event, row in zip(events, rows, strict=True):
        for column in ("photo_id", "class_id", "license_url", "url", "sha256", "title"):
            value = event[f"label-events/{column}"]
            assert (value.decode() if isinstance(value, bytes) else value) == row[column]
    photos = list(dataset.records("photos"))
    kept = {(row["photo_id"], row["class_id"]): row for row in birds.kept().to_pylist()}
    assert len(photos) == len(kept)
    for photo in photos:
        row = kept.pop((photo["photos/photo_id"].decode(), photo["photos/class_id"].decode()))
        size = sorted(photo["photos/image"].size)
        assert size == sorted((row["width"], row["height"]))


def test_without_parquet_the_card_describes_the_manifest_only(birds: Manifest, tmp_path: Path) -> None:
    out = write(birds, tmp_path, "croissant")
    assert [one["@id"] for one in croissant_of(out)["distribution"]] == ["manifest"]
    assert len(list(read_with_mlcroissant(out / "croissant.json").records("label-events"))) == birds.table.num_rows


def test_what_is_shared_without_photos_is_enough_and_tells_no_secrets(birds: Manifest, tmp_path: Path) -> None:
    out = write(birds, tmp_path, "manifest")
    names = {path.name for path in out.iterdir()}
    cards = {"README.md", "attributions.csv", "croissant.json"}
    assert names == {"manifest.parquet", "manifest.jsonl", "rawlabel-export.json", *cards}
    shared = read_manifest(out / "manifest.parquet")
    assert shared.table.equals(birds.table)
    assert (shared.fingerprint, shared.classes) == (birds.fingerprint, birds.classes)
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert lines == birds.table.to_pylist()
    read_with_mlcroissant(out / "croissant.json")
    with (out / "attributions.csv").open(newline="") as stream:
        assert len(list(csv.reader(stream))) == birds.kept().num_rows + 1
    for path in out.iterdir():
        data = path.read_bytes() + str(pq.read_schema(path).metadata if path.suffix == ".parquet" else "").encode()
        assert str(birds.project.parent).encode() not in data
        assert SECRET not in data


def rewritten(birds: Manifest, change, project: Path) -> Manifest:
    rows = change([dict(row) for row in birds.table.to_pylist()])
    shutil.copytree(birds.project / "images", project / "images", dirs_exist_ok=True)
    return write_manifest(project, as_table(rows), birds.classes, config={}, catalogue_fingerprint="")


def with_clock(rows):
    return [row | {"searched_at": 5} for row in rows]


def with_other_license(rows):
    return [*rows[:-1], rows[-1] | {"license_name": "CC0"}]


CHANGES = [
    (lambda rows: rows, "2.3.0"),
    (with_clock, "2.3.0"),
    (lambda rows: [*rows, rows[0] | {"photo_id": "new"}], "2.4.0"),
    (lambda rows: rows[:-1], "3.0.0"),
    (with_other_license, "3.0.0"),
    (lambda rows: [*rows[:-1], rows[-1] | {"photo_id": "new"}], "3.0.0"),
]


@pytest.mark.parametrize("name", ["croissant", "manifest"])
@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_the_version_says_what_changed(change, expected: str, name: str, birds: Manifest, tmp_path: Path) -> None:
    earlier = write(birds, tmp_path / "earlier", "croissant")
    card = croissant_of(earlier)
    assert card["version"] == "1.0.0"
    write_json(earlier / "croissant.json", card | {"version": "2.3.0", "datePublished": "2020-02-02"})
    project = tmp_path / "changed"
    rewritten(birds, change, project)
    config = {"project": project, "format": name, "out": tmp_path / "out"}
    export(ExportConfig(**config, earlier=earlier / "croissant.json"))
    later = croissant_of(tmp_path / "out")
    assert later["version"] == expected
    assert (later["datePublished"] == "2020-02-02") == (expected == "2.3.0")
    export(ExportConfig(**config))
    assert croissant_of(tmp_path / "out") == later


def test_the_version_counts_on_in_place_and_over_a_kill(
    birds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rawlabel.manifests.formats import croissant

    project, out = tmp_path / "project", tmp_path / "out"
    config = ExportConfig(project=project, format="croissant", out=out)
    rewritten(birds, lambda rows: rows[:-1], project)
    export(config)
    rewritten(birds, lambda rows: rows, project)
    for step in ("_write_manifest", "_card", "gather"):
        with monkeypatch.context() as patch:
            patch.setattr(croissant, step, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                export(config)
    export(config)
    assert croissant_of(out)["version"] == "1.1.0"
    (out / "manifest.parquet").unlink()
    rewritten(birds, lambda rows: [*rows, rows[0] | {"photo_id": "new"}], project)
    export(config)
    assert croissant_of(out)["version"] == "2.0.0", "what cannot be compared may have changed"


@pytest.mark.parametrize("card", ["[]", "{}", '{"version": "one"}', '{"version": "1.0"}', "no json", "[1"])
def test_an_earlier_card_that_is_none_is_named(card: str, birds: Manifest, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(card)
    with pytest.raises(DataError, match=r"card\.json"):
        write(birds, tmp_path / "out", "croissant", earlier=tmp_path / "card.json")


@pytest.mark.parametrize("files", ["[]", "5", "[5]", '[{"@id": "manifest", "sha256": ["x"]}]', "null"])
def test_an_earlier_card_that_fits_nothing_makes_a_major_version(
    files: str, birds: Manifest, tmp_path: Path
) -> None:
    (tmp_path / "card.json").write_text(f'{{"version": "4.5.6", "distribution": {files}}}')
    out = write(birds, tmp_path / "out", "croissant", earlier=tmp_path / "card.json")
    assert croissant_of(out)["version"] == "5.0.0"


def test_the_hub_reads_the_front_matter(birds: Manifest, tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(
        write(birds, tmp_path / "a", "parquet", "dataset_card", name='Bi"rds: a #1') / "README.md"
    )
    assert card.data.pretty_name == 'Bi"rds: a #1'
    assert card.data.task_categories == ["image-classification"]
    assert card.data.license == "other"
    splits = card.data.to_dict()["configs"][0]["data_files"]
    assert [one["split"] for one in splits] == ["train", "holdout"]
    bare = DatasetCard.load(write(birds, tmp_path / "b", "dataset_card") / "README.md")
    assert "configs" not in bare.data.to_dict()
    assert bare.data.pretty_name == birds.project.name


def test_the_card_counts_as_the_manifest_does(birds: Manifest, tmp_path: Path) -> None:
    text = (write(birds, tmp_path, "dataset_card") / "README.md").read_text()
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines()]
    total = birds.funnel.as_json()[-1]
    for name in ("found", "kept"):
        assert [name, f"{total[name]}"] in cells
    lost = [int(row[1]) for row in cells if row and row[0].startswith(("failed:", "rejected:"))]
    assert sum(lost) == total["found"] - total["kept"]
    assert [row[4] for row in cells if row[:1] == ["owl"]] == ["9"]
    for section in (
        "Motivation",
        "Composition",
        "Collection",
        "Preprocessing",
        "Uses",
        "Distribution",
        "Maintenance",
    ):
        assert f"## {section}\n" in text
    assert "2 searches; 2 were followed to the end" in text
    assert "**Who made it?** Not known." in text
    assert "<b>" not in text
    assert not [title for title in HOSTILE_TITLES if len(title) > 3 and title in text]


def test_what_the_catalogue_does_not_say_is_not_known(birds: Manifest, tmp_path: Path) -> None:
    project = tmp_path / "project"
    rewritten(birds, lambda rows: [row | dict.fromkeys(
        ("searched_at", "license_read_at", "fetched_at", "license_name", "license_id", "license_url")
    ) for row in rows], project)  # fmt: skip
    out = tmp_path / "out"
    export(ExportConfig(project=project, format="dataset_card", out=out))
    text = (out / "README.md").read_text()
    assert "**How complete is it?** Not known" in text
    assert "**When?** Not known." in text
    assert "| not known | not known |" in text
    export(ExportConfig(project=project, format="croissant", out=out))
    assert "rai:dataCollectionTimeframe" not in croissant_of(out)
    read_with_mlcroissant(out / "croissant.json")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]), min_size=1))
def test_escaped_text_is_shown_as_it_is_and_is_no_markup(text: str) -> None:
    shown = MarkdownIt("gfm-like", {"linkify": False}).render(f"| a |\n|---|\n| x{escaped(text)}x |\n")
    cell = re.search(r"<td>(.*)</td>", shown)
    assert cell
    assert "<" not in cell[1]
    assert html.unescape(cell[1]) == f"x{text}x"


@pytest.mark.parametrize("address", ["https://a.example/<script>alert(1)</script>", "https://a.example/|b`c`>d"])
def test_a_link_ends_where_the_address_ends(address: str) -> None:
    shown = MarkdownIt().render(linked(address))
    assert shown.count("<") == 4  # a paragraph and one link
    assert "<script" not in shown


def test_the_command_says_where_the_card_is(
    birds: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = str(birds.path)
    code = run(["export", str(birds.project), "--format", "croissant", "--manifest", path, "--out", str(tmp_path)])
    assert (code, capsys.readouterr().out) == (0, f"croissant without photos in {tmp_path}\n")

"""Class files that are written: what is read back is what was written, and nothing of the user's is lost."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.errors import ClassFileError, DiskError
from rawlabel.gather.classes.reading import class_spec, read_classes, refuse_collisions
from rawlabel.gather.classes.writing import write_classes
from rawlabel.records import ClassSpec

TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
IDS = st.one_of(st.from_regex(r"n\d{8}", fullmatch=True), st.from_regex(r"\w[\w .+'()&,-]{0,9}\w", fullmatch=True))
OWL = ClassSpec("n01621127", "owl", ("owl", "bird of Minerva"), "nocturnal bird of prey")
CRANE = ClassSpec("crane", "crane", ("crane",))


@st.composite
def class_lists(draw: st.DrawFn) -> list[ClassSpec]:
    specs = []
    for class_id in draw(st.lists(IDS, min_size=1, max_size=5)):
        table = {"keywords": draw(st.lists(TEXTS, min_size=1, max_size=3)), "definition": draw(TEXTS)}
        table["name"] = draw(TEXTS)
        try:
            spec = class_spec("test", class_id, table)
            refuse_collisions("test", [*specs, spec])
        except ClassFileError:
            continue
        specs.append(spec)
    return specs or [OWL]


@given(class_lists(), st.sampled_from([".toml", ".json"]))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, specs: list[ClassSpec], suffix: str
) -> None:
    path = tmp_path_factory.mktemp("classes") / f"classes{suffix}"
    assert write_classes(path, specs, remarks={spec.class_id: [spec.name] for spec in specs})
    expected = specs if suffix == ".toml" else [replace(spec, definition="") for spec in specs]
    assert read_classes(path) == expected
    assert all(unicodedata.is_normalized("NFC", spec.class_id) for spec in read_classes(path))


def test_a_file_for_people_shows_meanings_and_possible_meanings(tmp_path: Path) -> None:
    write_classes(tmp_path / "a.toml", [OWL, CRANE], remarks={"crane": ["n02012849 crane: large wading bird"]})
    text = (tmp_path / "a.toml").read_text("utf-8")
    assert 'definition = "nocturnal bird of prey"' in text
    assert "# n02012849 crane: large wading bird\n[crane]\n" in text


def test_another_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    assert write_classes(path, [OWL])
    before = path.stat()
    assert not write_classes(path, [OWL])
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    with pytest.raises(ClassFileError, match=r"classes.json: is there already, with other content; add --force"):
        write_classes(path, [CRANE])
    assert read_classes(path) == [replace(OWL, definition="")]
    assert write_classes(path, [CRANE], force=True)
    assert read_classes(path) == [CRANE]
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(DiskError, match=r"folder.json: cannot be written"):
        write_classes(tmp_path / "folder.json", [OWL], force=True)
    with pytest.raises(ClassFileError, match=r"end the name in .json or .toml"):
        write_classes(tmp_path / "classes.txt", [OWL])
    with pytest.raises(ClassFileError, match="would share one folder"):
        write_classes(tmp_path / "classes.json", [CRANE, replace(CRANE, class_id="Crane")])
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]

"""Class files: three forms, and every mistake named in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.errors import ClassFileError
from rawlabel.gather.classes.reading import read_classes
from rawlabel.records import ClassSpec


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.json", '{"n02229544": ["cricket"], "tench": ["tench", "Tinca tinca"]}'),
        ("classes.toml", 'n02229544 = ["cricket"]\ntench = ["tench", "Tinca tinca"]\n'),
    ],
)
def test_json_and_toml_give_ids_and_keywords(tmp_path: Path, name: str, text: str) -> None:
    first, second = read_classes(write(tmp_path, name, text))
    assert (first.class_id, first.name, first.keywords) == ("n02229544", "cricket", ("cricket",))
    assert second.keywords == ("tench", "Tinca tinca")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "classes.json",
            '{"n02229544": {"keywords": ["cricket"], "definition": "leaping  insect"}, "owl": "owl"}',
        ),
        ("classes.toml", 'owl = "owl"\n[n02229544]\nkeywords = "cricket"\ndefinition = "leaping insect"\n'),
    ],
)
def test_a_class_may_be_a_table(tmp_path: Path, name: str, text: str) -> None:
    specs = {spec.class_id: spec for spec in read_classes(write(tmp_path, name, text))}
    assert specs["n02229544"] == ClassSpec("n02229544", "cricket", ("cricket",), "leaping insect")
    assert specs["owl"] == ClassSpec("owl", "owl", ("owl",))


def test_a_table_may_name_its_class(tmp_path: Path) -> None:
    (spec,) = read_classes(write(tmp_path, "a.toml", '[robin]\nname = "European robin"\nkeywords = ["robin"]\n'))
    assert (spec.class_id, spec.name, spec.keywords) == ("robin", "European robin", ("robin",))


def test_a_plain_list_searches_each_name(tmp_path: Path) -> None:
    specs = read_classes(write(tmp_path, "classes.txt", "# birds\nrobin\n\n  barn owl \n"))
    assert [(spec.class_id, spec.keywords) for spec in specs] == [
        ("robin", ("robin",)),
        ("barn owl", ("barn owl",)),
    ]


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("none.txt", None, "no such file"),
        ("empty.txt", "", "lists no classes"),
        ("empty.json", "", "lists no classes"),
        ("none.json", "{}", "lists no classes"),
        ("torn.json", '{"a": ["x"', "not valid JSON"),
        ("torn.toml", "a = [", "not valid TOML"),
        ("twice.json", '{"a": ["x"], "a": ["y"]}', "'a' stands there twice"),
        ("number.json", "3", "not a int"),
        ("nokey.json", '{"robin": []}', "'robin' has no keyword"),
        ("blank.json", '{"robin": ["  "]}', "'robin' has no keyword"),
        ("table.toml", '[robin]\nkeyword = ["robin"]\n', "unknown key 'keyword'; did you mean 'keywords'?"),
        ("empty_table.json", '{"robin": {}}', "'robin' has no keyword"),
        ("name.json", '{"robin": {"keywords": ["x"], "name": 3}}', "'robin': 3 should be a text"),
        ("control.json", '{"robin": ["a\\u0000b"]}', "holds a control character"),
        ("surrogate.json", '{"robin": ["a\\ud800b"]}', "holds a control character"),
        ("again.txt", "robin\nrobin\n", "class 'robin' stands there twice"),
        ("kind.json", '{"robin": [3]}', "'robin': the keywords"),
        ("up.json", '{"../x": ["x"]}', "'../x' cannot be a folder name"),
        ("slash.json", '{"a/b": ["x"]}', "'a/b' cannot be a folder name"),
        ("device.json", '{"CON": ["x"]}', "'CON' cannot be a folder name"),
        ("hidden.txt", ".git\n", "'.git' cannot be a folder name"),
        ("case.txt", "Robin\nrobin\n", "'Robin' and 'robin' would share one folder"),
        ("form.txt", "caf\u00e9\ncafe\u0301\n", "stands there twice"),
        ("deep.json", "[" * 100_000, "not valid JSON"),
        ("stars.json", '{"robin": ["robin", "***"]}', "the keyword '***' has no letter or digit"),
        ("long.txt", "?" * 50_000, "cannot be a folder name"),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, name: str, text: str | None, named: str) -> None:
    path = tmp_path / name
    if text is not None:
        write(tmp_path, name, text)
    with pytest.raises(ClassFileError) as caught:
        read_classes(path)
    message = str(caught.value)
    assert name in message
    assert named in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "robin\nowl"),
        ("a.json", '{"robin": "robin", "owl": "owl"}'),
        ("a.toml", 'robin = "robin"\nowl = "owl"'),
    ],
)
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path, name: str, text: str) -> None:
    specs = read_classes(write(tmp_path, name, f"\ufeff{text}\n"))
    assert specs == [ClassSpec("robin", "robin", ("robin",)), ClassSpec("owl", "owl", ("owl",))]


def test_a_keyword_in_two_unicode_forms_is_one(tmp_path: Path) -> None:
    (spec,) = read_classes(write(tmp_path, "a.json", '{"bird": ["\u00e9pervier", "e\u0301pervier"]}'))
    assert spec.keywords == ("\u00e9pervier",)


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(ClassFileError, match="not UTF-8"):
        read_classes(tmp_path / "latin.txt")


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.lists(st.text(max_size=10), max_size=3), max_size=5))
def test_whatever_the_ids_no_folder_leaves_its_parent(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("classes")
    path = write(folder, "classes.json", json.dumps(entries))
    try:
        specs = read_classes(path)
    except ClassFileError:
        return
    made = {(folder / spec.class_id).resolve() for spec in specs}
    assert len(made) == len(specs)
    assert {one.parent for one in made} <= {folder.resolve()}


def test_the_papers_own_class_file(paper: Path) -> None:
    specs = read_classes(paper / "metadata" / "tiny_classes_to_search.json")
    assert len(specs) == 200
    assert sum(len(spec.keywords) for spec in specs) == 385

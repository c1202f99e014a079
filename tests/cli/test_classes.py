"""`rawlabel classes`: from names, ids, lists and searches to a class file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rawlabel import cli
from rawlabel.gather.classes.reading import read_classes
from rawlabel.records import ClassSpec


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = cli.run(["classes", *map(str, arguments)])
    captured = capsys.readouterr()
    said = [line for line in captured.err.splitlines(keepends=True) if not line.startswith("next: ")]
    return code, captured.out, "".join(said)


def written(capsys: pytest.CaptureFixture[str], path: Path, *arguments: str | Path) -> list[ClassSpec]:
    code, _, err = run(capsys, *arguments, "--out", path)
    assert (code, err) == (0, "")
    return read_classes(path)


def test_ids_bring_their_keywords_in_the_order_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ("n09246464", "n02229544", "n09246464")
    written(capsys, tmp_path / "a.json", *ids)
    text = (tmp_path / "a.json").read_text("utf-8")
    assert json.loads(text) == {"n09246464": ["cliff", "drop", "drop-off"], "n02229544": ["cricket"]}
    assert list(json.loads(text)) == ["n09246464", "n02229544"]
    cliff = written(capsys, tmp_path / "a.toml", *ids)[0]
    assert cliff.name == "cliff"
    assert cliff.definition.startswith("a steep high face")


def test_names_are_their_own_keywords_and_what_they_may_mean_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("# birds\ncrane\nsnarkle\n", "utf-8")
    code, out, _ = run(capsys, "--names", names)
    text = " ".join(out.split())
    assert code == 0
    assert "may mean n02012849 crane: large long-necked wading bird" in text
    assert "may mean n03126707 crane: lifts and moves heavy objects" in text
    assert "snarkle not a name in WordNet's tables" in text
    specs = written(capsys, tmp_path / "a.toml", "--names", names)
    assert specs == [ClassSpec("crane", "crane", ("crane",)), ClassSpec("snarkle", "snarkle", ("snarkle",))]
    assert "# n02012849 crane: " in (tmp_path / "a.toml").read_text("utf-8")


def test_a_class_file_gains_definitions_and_keeps_the_users_own_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.json").write_text('{"n02229544": ["field cricket"], "owl": ["barn owl"]}', "utf-8")
    cricket, owl = written(capsys, tmp_path / "a.toml", "--names", tmp_path / "mine.json")
    assert (cricket.keywords, cricket.name) == (("field cricket",), "field cricket")
    assert cricket.definition.startswith("leaping insect")
    assert owl == ClassSpec("owl", "owl", ("barn owl",))


@pytest.mark.integration
@pytest.mark.parametrize(
    ("subset", "count", "first"),
    [
        ("imagenet-1k", 1000, "n01440764"),
        ("imagenet-12k", 11_821, "n00005787"),
        ("imagenet-21k", 21_843, "n00004475"),
        ("paper-100", 100, "n01443537"),
        ("paper-135", 135, "n01443537"),
        ("paper-200", 200, "n02124075"),
    ],
)
def test_a_subset_is_written_whole_and_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], subset: str, count: int, first: str
) -> None:
    specs = written(capsys, tmp_path / "a.json", "--subset", subset)
    assert (len(specs), specs[0].class_id) == (count, first)


def test_the_papers_trained_classes_are_all_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = {
        subset: {spec.class_id: spec for spec in written(capsys, tmp_path / f"{subset}.json", "--subset", subset)}
        for subset in ("paper-100", "paper-135", "paper-200", "imagenet-1k")
    }
    lacking = sorted(set(sets["paper-135"]) - set(sets["paper-200"]))
    assert len(lacking) == 10
    assert sets["paper-135"]["n02317335"].keywords == ("starfish", "sea star")
    assert set(sets["paper-100"]) < set(sets["paper-135"]) < set(sets["imagenet-1k"])


def test_the_papers_files_come_out_exactly(
    paper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata = paper / "metadata"
    written(capsys, tmp_path / "a.json", "--subset", "paper-200")
    assert (tmp_path / "a.json").read_bytes() == (metadata / "tiny_classes_to_search.json").read_bytes()
    trained = list(json.loads((metadata / "idx2cls.json").read_text("utf-8")).values())
    assert [spec.class_id for spec in written(capsys, tmp_path / "b.json", "--subset", "paper-135")] == trained
    counted, excluded = (
        [line.split()[0] for line in (metadata / name).read_text("utf-8").splitlines()[1:]]
        for name in ("num_imgs_per_class.txt", "num_imgs_per_class_excluded.txt")
    )
    kept = {one for index, one in enumerate(counted) if str(index) not in excluded}
    ids = [spec.class_id for spec in written(capsys, tmp_path / "c.json", "--subset", "paper-100")]
    assert ids == [one for one in trained if one in kept]


def test_a_search_shows_the_best_and_says_how_many_more(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--search", "crane", "--limit", "2")
    assert code == 0
    assert [line[:9] for line in out.splitlines() if line.startswith("n")] == ["n02012849", "n03126707"]
    assert err.startswith("--search: the best 2 of ")
    _, out, err = run(capsys, "--search", "crane", "--subset", "paper-200")
    assert out.startswith("n03126707  crane\n")
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "CLASSES: give WordNet ids or names, or --subset, --names or --search"),
        (["n99999999"], "CLASSES: n99999999 is no WordNet id that ImageNet uses; find ids with"),
        (["n123"], "CLASSES: 'n123' is not a WordNet id; these are n and eight digits"),
        (["../x"], "CLASSES: class '../x' cannot be a folder name"),
        (["Robin", "robin"], "CLASSES: classes 'Robin' and 'robin' would share one folder"),
        (["--search", " "], "--search: give at least one word"),
        (["--search", "rockng chair"], "no name or definition has 'rockng chair'; did you mean 'rocking chair'?"),
        (["--subset", "paper-99"], "'paper-99' is not one of"),
        (["--names", "absent.txt"], "absent.txt: no such file"),
        (["owl", "--out", "owl.csv"], "owl.csv: the suffix says which form to write"),
    ],
)
def test_a_slip_gets_one_line_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert named in err
    assert list(tmp_path.iterdir()) == []


def test_one_class_in_two_versions_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.json").write_text('{"n02229544": ["field cricket"]}', "utf-8")
    code, _, err = run(capsys, "n02229544", "--names", tmp_path / "mine.json")
    assert code == 2
    assert "class 'n02229544' stands there twice; remove one" in err


def test_the_words_are_found_without_loading_timm_or_torch() -> None:
    script = """
import sys
from rawlabel.cli import run
code = run(["classes", "n02229544"])
print(code, sorted(name for name in ("torch", "torchvision", "timm", "numpy") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"

"""`rawlabel prepare imagenet`: each photo in the folder of its class, whatever the form and whatever happens."""

from __future__ import annotations

import json
import os
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rawlabel import cli
from rawlabel.gather.classes.selection import subset_ids
from rawlabel.gather.prepare import stage as prepare
from rawlabel.gather.prepare.found import Part
from tests.helpers.folders import files_of
from tests.helpers.imagenet_files import (
    CLASSES,
    TRAIN,
    VALIDATION,
    class_archive,
    class_folders,
    devkit,
    expected_test,
    expected_train,
    kaggle,
    official,
    packed,
    photo,
    validation_name,
)
from tests.helpers.processes import AtOpen, forked

TRAIN_TAR, VALIDATION_TAR = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"


@pytest.fixture(autouse=True)
def small_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts of the small data set, in place of the real one's."""
    monkeypatch.setattr(prepare, "OFFICIAL_COUNTS", {Part.TRAIN: 9, Part.TEST: len(VALIDATION)})


def run(capsys: pytest.CaptureFixture[str], source: Path, out: Path, *flags: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = cli.run(["prepare", "imagenet", str(source), "--out", str(out), *map(str, flags)])
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if not line.startswith(("preparing ", "next: "))]
    return code, captured.out, "\n".join(errors)


def fails(capsys: pytest.CaptureFixture[str], source: Path, out: Path, *flags: object) -> str:
    code, _, err = run(capsys, source, out, *flags)
    assert code == 2
    assert err.startswith("rawlabel: ")
    assert "\n" not in err
    return err


def assert_whole(out: Path) -> None:
    assert files_of(out / "train") == expected_train()
    assert files_of(out / "test") == expected_test()
    assert sorted(one.name for one in out.iterdir()) == ["prepare.json", "test", "train"]


@pytest.mark.parametrize("make", [official, kaggle, class_folders])
@pytest.mark.parametrize("link", ["hard", "copy", "symlink"])
def test_each_photo_lands_in_the_folder_of_its_class(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make: Callable[[Path], Path], link: str
) -> None:
    source, out = make(tmp_path / "source"), tmp_path / "out"
    code, text, err = run(capsys, source, out, "--link", link)
    assert (code, err) == (0, "")
    assert_whole(out)
    assert "out/train: 3 classes, found 9 = written 9 + left out 0" in text
    assert "out/test: 3 classes, found 7 = written 7 + left out 0" in text
    one = out / "test" / CLASSES[2] / validation_name(1)
    if make is not official:
        assert (one.is_symlink(), one.stat().st_nlink) == (link == "symlink", 2 if link == "hard" else 1)
    before = {path: path.lstat().st_mtime_ns for path in out.rglob("*.JPEG")}
    assert run(capsys, source, out, "--link", link)[:2] == (0, text)
    assert before == {path: path.lstat().st_mtime_ns for path in out.rglob("*.JPEG")}


def test_it_says_in_which_form_the_data_came(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = run(capsys, official(tmp_path / "a"), tmp_path / "x")[1]
    assert f"found training photos: {tmp_path}/a/{TRAIN_TAR} (an archive of the classes' archives)" in text
    assert f"{VALIDATION_TAR} (an archive), labels from {DEVKIT}" in text
    text = run(capsys, kaggle(tmp_path / "b"), tmp_path / "y")[1]
    assert f"{tmp_path}/b/ILSVRC/Data/CLS-LOC/train (class folders)" in text
    assert "CLS-LOC/val (a folder of all photos), labels from LOC_val_solution.csv" in text


@pytest.mark.parametrize("make", [official, kaggle, class_folders])
def test_a_class_file_takes_its_classes_alone_and_the_rest_is_counted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    (tmp_path / "two.json").write_text(json.dumps({one: ["a word"] for one in CLASSES[:2]}))
    source, out = make(tmp_path / "source"), tmp_path / "out"
    code, text, err = run(capsys, source, out, "--classes", tmp_path / "two.json")
    assert (code, err) == (0, "")
    assert files_of(out / "train") == expected_train(CLASSES[:2])
    assert files_of(out / "test") == expected_test(CLASSES[:2])
    assert "out/train: 2 classes, found 6 = written 6 + left out 0\n          1 classes were not asked for" in text
    if make is not class_folders:
        assert "found 7 = written 5 + left out 2\n          2 left out: of a class that was not asked for" in text
    assert "was made with other classes; choose another --out" in fails(capsys, source, out)


@pytest.mark.parametrize(("name", "number"), [("paper-100", 100), ("paper-135", 135)])
def test_the_subsets_of_the_paper(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, number: int
) -> None:
    ids = [*subset_ids("paper-135"), "n01440764"]
    source = kaggle(tmp_path / "source", {one: [f"{one}_1.JPEG"] for one in ids}, ids)
    code, text, err = run(capsys, source, tmp_path / "out", "--classes", name)
    assert (code, err) == (0, "")
    for part in ("train", "test"):
        assert {one.name for one in (tmp_path / "out" / part).iterdir()} == set(subset_ids(name))
    assert f"{136 - number:>9,} classes were not asked for" in text


def test_bytes_stay_and_what_is_no_photo_is_left_out_and_counted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = official(tmp_path / "source")
    png = b"\x89PNG\r\n\x1a\n in disguise"
    files = {name: photo(name) for name in TRAIN[CLASSES[0]]} | {TRAIN[CLASSES[0]][0]: png, "Thumbs.db": b"?"}
    inner = {f"{one}.tar": class_archive(one, TRAIN[one]) for one in CLASSES} | {
        f"{CLASSES[0]}.tar": packed(files)
    }
    (source / TRAIN_TAR).write_bytes(packed(inner | {"readme.txt": b"?"}))
    code, text, _ = run(capsys, source, tmp_path / "out", "--part", "train")
    assert code == 0
    assert (tmp_path / "out" / "train" / CLASSES[0] / TRAIN[CLASSES[0]][0]).read_bytes() == png
    assert "found 11 = written 9 + left out 2\n          2 left out: no photo by its name" in text


def test_what_the_source_lacks_is_said_with_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = kaggle(tmp_path / "source")
    val = source / "ILSVRC" / "Data" / "CLS-LOC" / "val"
    (val / validation_name(2)).rename(val / validation_name(99))
    code, text, err = run(capsys, source, tmp_path / "out")
    assert code == 1
    assert "found 7 = written 6 + left out 1\n          1 left out: without a label" in text
    assert "lacks 1 of the photos that have a label" in err
    assert "the list of labels lacks 1 of its photos" in err
    assert "6 validation photos where ILSVRC2012 has 7" in err
    assert "training photos where" not in err


@pytest.mark.parametrize(("name", "part"), [(TRAIN_TAR, "train"), (VALIDATION_TAR, "test"), (DEVKIT, "test")])
def test_a_cut_archive_gets_one_line_and_a_whole_one_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, part: str
) -> None:
    source, out = official(tmp_path / "source"), tmp_path / "out"
    whole = (source / name).read_bytes()
    # The archive's mark of its end is one block of zeros; what follows is padding.
    end = len(whole) if name == DEVKIT else (len(whole.rstrip(b"\0")) + 511) // 512 * 512 + 512
    # Cuts within photos, and at the edges of photos and headers.
    for cut in sorted({*range(0, end, 37 if name == DEVKIT else 512), *range(100, end, 5_120), end - 1}):
        (source / name).write_bytes(whole[:cut])
        message = fails(capsys, source, out, "--part", part)
        assert name in message
        assert "download it again" in message
    (source / name).write_bytes(whole)
    assert run(capsys, source, out)[0] == 0
    assert_whole(out)


def test_damage_in_the_middle_is_not_taken_for_the_end(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = official(tmp_path / "source")
    content = bytearray((source / VALIDATION_TAR).read_bytes())
    with tarfile.open(source / VALIDATION_TAR) as archive:
        offset = archive.getmembers()[3].offset
    content[offset : offset + 100] = b"?" * 100
    (source / VALIDATION_TAR).write_bytes(content)
    assert "is cut off or damaged" in fails(capsys, source, tmp_path / "out", "--part", "test")


def special(name: str, kind: bytes = tarfile.SYMTYPE, target: str = "/etc/passwd") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (special("../../evil.JPEG", tarfile.REGTYPE), "leads outside of its folder"),
        (special("n01440764_1.JPEG"), "leads outside of its folder"),
        (special("n01440764_1.JPEG", target="n01440764_2.JPEG"), "is no plain file"),
        (special("n01440764_1.JPEG", tarfile.LNKTYPE, "n01440764_3.JPEG"), "is no plain file"),
        (special("n01440764_1.JPEG", tarfile.FIFOTYPE), "leads outside of its folder"),
    ],
)
@pytest.mark.parametrize("is_inner", [True, False])
def test_hostile_members_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, member: tarfile.TarInfo, reason: str, is_inner: bool
) -> None:
    source = official(tmp_path / "deep" / "source")
    outside = files_of(tmp_path)
    class_id = CLASSES[2]
    files = {name: photo(name) for name in TRAIN[class_id]}
    hostile = packed({f"{class_id}.tar": packed(files, *[member] * is_inner)}, *[member] * (not is_inner))
    (source / TRAIN_TAR).write_bytes(hostile)
    message = fails(capsys, source, tmp_path / "deep" / "out", "--part", "train")
    assert repr(member.name) in message
    assert reason in message
    left = files_of(tmp_path)
    written = [one for one in left if one not in outside and not one.startswith(f"deep/out/train/{class_id}/")]
    assert written == ["deep/out/prepare.json"]
    assert set(files_of(tmp_path / "deep" / "out" / "train")) <= set(expected_train())


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (lambda source: (source / TRAIN_TAR).unlink(), f"holds neither {TRAIN_TAR} nor a folder"),
        (lambda source: (source / VALIDATION_TAR).unlink(), "take --part train alone"),
        (lambda source: (source / DEVKIT).unlink(), f"holds neither {DEVKIT} nor LOC_val_solution.csv"),
        (lambda source: (source / DEVKIT).write_bytes(packed({"data/meta.mat": b"MATLAB 5.0"})), DEVKIT),
        (lambda source: (source / TRAIN_TAR).write_bytes(packed({"a.txt": b""})), "holds no photo of any class"),
    ],
)
def test_a_source_that_cannot_be_used_gets_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, break_it: Callable[[Path], None], named: str
) -> None:
    source = official(tmp_path / "source")
    break_it(source)
    assert named in fails(capsys, source, tmp_path / "out")


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("ImageId,Label\n", "lacks the columns"),
        ("ImageId,PredictionString\nILSVRC2012_val_00000001,../evil 1 2 3 4\n", "line 2: names no WordNet id"),
        ("ImageId,PredictionString\na,n01440764 1\na,n02119789 1\n", "line 3: gives a photo a second class"),
        ("\xff", "LOC_val_solution.csv"),
    ],
)
def test_a_wrong_table_of_labels_gets_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, table: str, named: str
) -> None:
    source = kaggle(tmp_path / "source")
    (source / "LOC_val_solution.csv").write_text(table, "latin-1")
    assert named in fails(capsys, source, tmp_path / "out", "--part", "test")


def test_a_devkit_with_other_ids_gets_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = official(tmp_path / "source")
    # The fourth synset of the kit is no class: it has children.
    (source / DEVKIT).write_bytes(devkit([1, 4]))
    assert "holds an id that meta.mat has no class for" in fails(capsys, source, tmp_path / "out")


def test_what_is_not_ours_is_not_touched(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = class_folders(tmp_path / "source")
    before = files_of(source)
    assert "is the source itself" in fails(capsys, source, source)
    (tmp_path / "out" / "test" / "mine").mkdir(parents=True)
    assert "is there already and not of this command" in fails(capsys, source, tmp_path / "out", "--part", "test")
    assert files_of(source) == before


def test_classes_that_imagenet_or_the_source_lacks_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, file = official(tmp_path / "source"), tmp_path / "classes.txt"
    for text, named in (
        ("robin", "'robin' is no WordNet id"),
        ("n00001740", "'n00001740' is no class of ILSVRC2012"),
        (f"{CLASSES[0]}\nn02124075", "holds no photo of n02124075 (1 of the classes asked for)"),
    ):
        file.write_text(text)
        assert named in fails(capsys, source, tmp_path / "out", "--classes", file)


def test_photos_that_are_not_noted_as_done_are_compared_with_the_source(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, out = official(tmp_path / "source"), tmp_path / "out"
    assert run(capsys, source, out)[0] == 0
    # As after a power cut: names that are there, bytes that are not.
    journal = json.loads((out / "prepare.json").read_text())
    del journal["train"]["done"][CLASSES[1]], journal["test"]["done"]["all"]
    (out / "prepare.json").write_text(json.dumps(journal))
    for place in (f"train/{CLASSES[1]}/{TRAIN[CLASSES[1]][0]}", f"test/{CLASSES[2]}/{validation_name(1)}"):
        os.truncate(out / place, 0)
    (out / "train" / CLASSES[0] / TRAIN[CLASSES[0]][0]).unlink()
    assert run(capsys, source, out)[0] == 0
    assert_whole(out)
    (out / "train" / CLASSES[0] / "stranger.JPEG").write_bytes(b"?")
    assert "holds files that the source does not have" in fails(capsys, source, out)


@pytest.mark.integration
def test_kill_9_in_the_middle_and_the_same_command_goes_on(tmp_path: Path) -> None:
    train = {one: [f"{one}_{number}.JPEG" for number in range(400)] for one in CLASSES}
    validation = [CLASSES[number * number % 3] for number in range(900)]
    source, out = official(tmp_path / "source", train, validation), tmp_path / "out"
    arguments = ("prepare", "imagenet", source, "--out", out)
    placed = 0
    for opened in (20, 400, 900, 500):
        ended = forked(arguments, by_self=AtOpen(opened, out))
        assert ended.code == -signal.SIGKILL, ended.err
        before, placed = placed, len(list(out.glob("t*/*/*")))
        assert before < placed < 2_100
        assert (out / ".prepare").exists()
    ended = forked(arguments)
    assert ended.code == 1, ended.err
    assert "found 1,200 = written 1,200 + left out 0" in ended.out
    assert "1,200 training photos where ILSVRC2012 has 1,281,167" in ended.err
    names = {f"{class_id}/{name}": photo(name) for class_id, names in train.items() for name in names}
    assert files_of(out / "train") == names
    labeled = {validation_name(number): class_id for number, class_id in enumerate(validation, 1)}
    assert files_of(out / "test") == {f"{class_id}/{name}": photo(name) for name, class_id in labeled.items()}
    assert not (out / ".prepare").exists()

"""A training leaves out the copies of test images, unless it repeats published numbers, and says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rawlabel.artifacts.certificate import read_certificates
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.cli import run as rawlabel
from rawlabel.training.around.holdout import data_of_run
from tests.helpers.pictures import photo, write_owls_and_robins, write_picture

pytestmark = pytest.mark.integration
SMALL = ["--model", "cifar_resnet8", "--image-size", "16", "--batch-size", "8", "--epochs", "2", "--seed", "7"]


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 24 photos three are of test photos: one as it is, one mirrored, one a crop."""
    root = tmp_path_factory.mktemp("leaky")
    write_owls_and_robins(root, 160, tests=4)
    shutil.copy(root / "test" / "owl" / "0.png", root / "candidate" / "robin" / "0.png")
    write_picture(root / "candidate" / "owl" / "1.jpg", photo(1001, 160)[:, ::-1])
    (root / "candidate" / "owl" / "1.png").unlink()
    write_picture(root / "candidate" / "robin" / "2.jpg", photo(1102, 160)[10:155, 12:180])
    (root / "candidate" / "robin" / "2.png").unlink()
    return root


def train(root: Path, *flags: str) -> Run:
    out = flags[flags.index("--outpath") + 1]
    settings = ["--root", str(root), "--main", "candidate", "--test", "test", *SMALL]
    assert rawlabel(["train", *settings, *flags]) == 0
    return Run(Path(out))


def test_copies_are_left_out_listed_certified_and_of_no_account_to_who_reads_the_run_again(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(leaky, "--outpath", str(tmp_path / "run"), "--overlap", "leave-out")
    said = capsys.readouterr().err
    assert "3 of 24 training images are copies of images of" in said
    assert "--overlap keep trains on them, too" in said
    assert run.left_out_copies is not None
    assert {"/".join(Path(one).parts[-2:]) for one in run.left_out_copies.images} == {
        "robin/0.png", "owl/1.jpg", "robin/2.jpg",
    }  # fmt: skip
    start = run.last_start
    assert (start.training_images or 0) + (start.holdout_images or 0) == 21
    data = data_of_run(RunDirectory(run.path))
    assert len(data.train) + len(data.holdout) == 21
    (certificate,) = run.certificates
    assert certificate.canaries.planted == certificate.canaries.caught == 32
    assert len(certificate.removed) == 3 and certificate.kept.images == 21
    assert rawlabel(["evaluate", str(run.path)]) == 0
    told = capsys.readouterr().out
    assert "overlap: 3 test images with a copy, which was left out of training: " in told
    assert "clean: 5 test images without a copy: " in told
    assert "decontaminated: 3 of 24 candidates left out" in told
    assert "not decontaminated" not in told
    measured = Run(run.path).summary.test
    assert measured is not None and measured.decontamination is not None
    assert measured.decontamination.is_certified and measured.decontamination.overlapping == 3
    assert measured.decontamination.clean is not None and measured.decontamination.overlap is not None
    total = measured.decontamination.clean.correct + measured.decontamination.overlap.correct
    assert total == measured.selected.top1.correct


def test_with_keep_they_are_trained_on_and_the_evaluation_says_not_decontaminated(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(leaky, "--outpath", str(tmp_path / "run"), "--overlap", "keep")
    assert run.left_out_copies is None and not run.certificates
    assert run.last_start.training_images == 24 - (run.last_start.holdout_images or 0)
    capsys.readouterr()
    assert rawlabel(["evaluate", str(run.path)]) == 0
    told = capsys.readouterr().out
    assert "not decontaminated: no certificate speaks of these training and test images; 3 of 8" in told
    assert "overlap: 3 test images with a copy, which was trained on or held out: " in told


def test_the_published_recipe_trains_on_all_to_the_digit_and_only_tells(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = train(leaky, "--outpath", str(tmp_path / "plain"), "--overlap", "keep", "--recipe", "paper")
    run = train(leaky, "--outpath", str(tmp_path / "run"), "--recipe", "paper")
    assert json.loads(run.log_path.read_text()) == json.loads(plain.log_path.read_text())
    assert run.left_out_copies is None
    assert "test images are among the images of the run too (1 equal in all pixels" in capsys.readouterr().err


def test_a_certificate_of_other_images_is_not_believed(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(leaky, "--outpath", str(tmp_path / "run"), "--overlap", "leave-out")
    other = tmp_path / "other"
    shutil.copytree(leaky / "test", other)
    write_picture(other / "owl" / "3.png", photo(77, 160))
    capsys.readouterr()
    assert rawlabel(["evaluate", str(run.path), "--test", str(other)]) == 0
    assert "not decontaminated: no certificate speaks of these" in capsys.readouterr().out
    assert read_certificates(run.path)


def test_who_goes_on_with_a_run_that_was_begun_on_all_is_told(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(leaky, "--outpath", str(tmp_path / "run"), "--overlap", "keep")
    settings = ["--root", str(leaky), "--main", "candidate", "--test", "test", *SMALL]
    flags = ["--outpath", str(tmp_path / "run"), "--overlap", "leave-out"]
    assert rawlabel(["train", *settings, *flags]) == 2
    assert "--overlap: " in capsys.readouterr().err


def test_a_class_of_copies_alone_is_an_error_of_one_line(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    shutil.copytree(leaky / "test", root / "candidate")
    shutil.copytree(leaky / "test", root / "test")
    settings = ["--root", str(root), "--main", "candidate", "--test", "test", *SMALL, "--overlap", "leave-out"]
    assert rawlabel(["train", *settings]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "all training images of class 'owl' are copies of test images" in error

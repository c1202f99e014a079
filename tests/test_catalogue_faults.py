"""A catalogue that is damaged, may not be written, or is wanted by two: one line says so, and no traceback."""

from __future__ import annotations

import ctypes
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.schema import MIGRATIONS
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import CurateConfig
from rawlabel.errors import DataError, DiskError
from rawlabel.gather.curate.stage import curate
from tests.helpers.collected_project import make_project

PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = make_project(tmp_path_factory.mktemp("whole") / "p")
    curate(CurateConfig(project=project))
    return project


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "zeros": lambda page: bytes(len(page)),
    "noise": lambda page: np.random.default_rng(7).bytes(len(page)),
    "swapped": lambda page: page[len(page) // 2 :] + page[: len(page) // 2],
    "text": lambda page: page.replace(b"fetched", b"f\xff\xfe!hed").replace(b"flickr", b"fl\xffckr"),
}


@pytest.mark.integration
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_in_the_middle_is_one_line(
    whole: Path, tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    project = Path(shutil.copytree(whole, tmp_path / "p"))
    path = catalogue_path(project)
    good = path.read_bytes()
    for start in range(PAGE, len(good), 3 * PAGE):
        path.write_bytes(good[:start] + DAMAGES[damage](good[start : start + PAGE]) + good[start + PAGE :])
        card = ["export", str(project), "--format", "dataset_card", "--out", str(tmp_path / "card")]
        for verb in (["curate", str(project)], ["report", str(project)], ["verify", str(project)], card):
            code = cli.run(verb)
            said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("rawlabel: ")]
            assert code in (0, 1, 2), (verb, start)
            assert len(said) == (code == 2), (verb, start, said)
            assert all("catalogue" in line or "class '" in line for line in said), said


def test_a_file_that_was_cut_short_is_damaged(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(catalogue_path(whole).read_bytes()[: 5 * PAGE])
    with pytest.raises(DataError, match="is damaged"), Catalogue(path) as catalogue:
        list(catalogue.candidates())


def test_an_error_over_what_a_damaged_catalogue_holds_names_the_catalogue(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    shutil.copyfile(catalogue_path(whole), path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'api_call_by_time'")
    connection.close()
    with pytest.raises(DataError, match="is damaged"), Catalogue(path):
        raise KeyError("a value that is none of ours")
    with pytest.raises(KeyError), Catalogue(catalogue_path(whole)):
        raise KeyError("a mistake of the program's")


def at_once(count: int, action: Callable[[], None]) -> list[BaseException]:
    """Do it in several threads at the same moment; what they raised."""
    barrier, raised = threading.Barrier(count), list[BaseException]()

    def run() -> None:
        barrier.wait()
        try:
            action()
        except (DataError, DiskError) as error:
            raised.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return raised


def test_of_two_that_collect_into_a_new_project_one_is_told_why(tmp_path: Path) -> None:
    is_told = threading.Event()

    def collect() -> None:
        try:
            with Catalogue(tmp_path / "new" / "catalogue.sqlite", create=True):
                is_told.wait(120)
        except Exception:
            is_told.set()
            raise

    for _ in range(5):
        is_told.clear()
        raised = at_once(2, collect)
        assert len(raised) == 1
        assert "another rawlabel process is writing it" in str(raised[0])
        shutil.rmtree(tmp_path / "new")


def of_version(path: Path, version: int) -> Path:
    connection = sqlite3.connect(path)
    for _, script in MIGRATIONS[:version]:
        connection.executescript(script)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    return path


def test_tables_are_brought_up_to_date_once_however_many_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A disk that others keep busy may need longer for one of them than a person is made to wait.
    monkeypatch.setattr("rawlabel.artifacts.catalogue.database._WAITS", 300.0)
    for number in range(25):
        path = of_version(tmp_path / f"{number}.sqlite", 1)
        assert at_once(6, lambda: Catalogue(path).__exit__(None, None, None)) == []  # noqa: B023


@pytest.fixture
def not_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that was mounted so; permissions mean nothing to root, under whom tests may run."""
    monkeypatch.setattr("os.access", lambda path, mode, **_: mode != os.W_OK)


@pytest.mark.usefixtures("not_writable")
@pytest.mark.parametrize("version", [1, len(MIGRATIONS)])
def test_a_catalogue_that_may_not_be_written_is_read(tmp_path: Path, version: int) -> None:
    path = of_version(tmp_path / "catalogue.sqlite", version)
    before = path.read_bytes()
    with Catalogue(path) as catalogue:
        assert catalogue.counts()["photos"] == 0
        with pytest.raises(DiskError, match="may not be written"):
            catalogue.record_call("flickr", 0.0)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("not_writable")
def test_what_a_killed_process_left_in_the_log_is_read_too(tmp_path: Path) -> None:
    killed = "; ".join(
        [
            "import os, sys",
            "from pathlib import Path",
            "from rawlabel.artifacts.catalogue.catalogue import Catalogue",
            "Catalogue(Path(sys.argv[1]), create=True).record_call('flickr', 1.0)",
            "os._exit(9)",
        ]
    )
    path = tmp_path / "catalogue.sqlite"
    subprocess.run([sys.executable, "-c", killed, str(path)], check=False)
    assert path.with_name("catalogue.sqlite-wal").stat().st_size
    with Catalogue(path) as catalogue:
        rows = catalogue._select("SELECT called_at FROM api_call")
    assert rows == [(1.0,)]


@pytest.fixture
def read_only(whole: Path) -> Iterator[Path]:
    """A project of somebody else's, where everybody may look."""
    folder = Path(tempfile.mkdtemp())
    project = Path(shutil.copytree(whole, folder / "p"))
    for path in (folder, project, *project.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield project
    for path in (folder, project, *project.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)


def bow_to_permissions() -> None:
    """Take from root the right to write what nobody may write (`prctl(2)`: PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="root's rights are taken as Linux does it")
@pytest.mark.integration
def test_a_read_only_project_is_verified_reported_on_and_exported(read_only: Path) -> None:
    out = Path(tempfile.mkdtemp())
    try:
        for arguments in (["verify", str(read_only)], ["report", str(read_only), "--out", str(out / "page.html")],
                          ["export", str(read_only), "--out", str(out / "candidate")]):  # fmt: skip
            command = [sys.executable, "-m", "rawlabel", *arguments]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, preexec_fn=bow_to_permissions
            )
            assert done.returncode == 0, done.stderr
        assert (out / "page.html").is_file()
        assert list((out / "candidate").iterdir())
    finally:
        shutil.rmtree(out)

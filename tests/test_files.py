"""Files are whole or not there, and a refusing disk is named."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rawlabel.base.files import atomic_write, read_json, write_json
from rawlabel.errors import DataError, DiskError


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError, match="half way"), atomic_write(path) as stream:
        stream.write(b"half")
        raise RuntimeError("half way")
    assert read_json(path, "numbers") == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(b"old")
    script = (
        "from pathlib import Path\nfrom rawlabel.base.files import atomic_write\n"
        "from rawlabel.errors import DiskError\n"
        f"try:\n    with atomic_write(Path({str(path)!r})) as stream: stream.write(bytes(100_000))\n"
        "except DiskError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{path}: the disk is full; free some space and run the same command again\n"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="cannot be written"):
        write_json(tmp_path / "file" / "one.json", {})


@pytest.mark.parametrize(("text", "named"), [(None, "no such file"), ("{", "not valid JSON")])
def test_reading_says_what_should_be_there(tmp_path: Path, text: str | None, named: str) -> None:
    path = tmp_path / "log.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_json(path, "one entry an epoch")
    assert named in str(caught.value)
    assert "one entry an epoch" in str(caught.value)


def test_written_files_are_readable_by_others(tmp_path: Path) -> None:
    write_json(tmp_path / "one.json", ["ä"])
    assert (tmp_path / "one.json").stat().st_mode & 0o444 == 0o444
    assert json.loads((tmp_path / "one.json").read_text("utf-8")) == ["ä"]

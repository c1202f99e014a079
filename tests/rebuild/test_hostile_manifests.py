"""Manifests that want to do harm: nothing outside the new project is read or written, whatever they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path, images_path
from rawlabel.config import RebuildConfig
from rawlabel.errors import RawlabelError
from rawlabel.manifests.rebuild.comparison import Likeness
from rawlabel.manifests.rebuild.stage import rebuild
from rawlabel.records import Reason
from tests.helpers.manifest_rows import digest, forge, kept_row

pytestmark = pytest.mark.integration

ADDRESSES = [
    "file:///etc/passwd", "http://127.0.0.1:9/x.jpg", "http://[::1]:9/", "http://10.0.0.1/", "http://0x7f000001/",
    "http://169.254.169.254/latest/meta-data/", "ftp://127.0.0.1/x", "data:image/png;base64,AAAA", "//127.0.0.1/x",
    "http://", "http://user:password@127.0.0.1/", "http://127.0.0.1\r\nX: y/", "javascript:alert(1)", "../../x",
    "", None,
]  # fmt: skip


def quick(manifest: Path, project: Path, **changes: Any) -> RebuildConfig:
    return RebuildConfig(manifest=manifest, project=project, attempts=1, **changes)


def outside(folder: Path, project: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path != project and project not in path.parents}


@pytest.mark.parametrize("source", ["folder", "urls", "manifest", "flickr", "unheard-of"])
def test_no_address_reaches_this_machine_or_its_network(tmp_path: Path, source: str) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"\xff\xd8\xff secret")
    rows = [kept_row(number, source=source, url=url) for number, url in enumerate([*ADDRESSES, secret.as_uri()])]
    rows.append(kept_row(90, source=source, photo_id=str(secret), url=None))
    rows.append(kept_row(91, source=source, photo_id="../secret.jpg", url=str(secret)))
    rebuilt = rebuild(quick(forge(tmp_path / "theirs", rows), tmp_path / "new"))
    refused, absent = (rebuilt.report.reasons[one] for one in (Reason.REFUSED_ADDRESS, Reason.NO_URL))
    # That an address is not asked here is no fact about the photo.
    assert rebuilt.report.counts == {Likeness.PENDING: refused, Likeness.GONE: absent}
    assert refused + absent == len(rows)
    assert not list(images_path(tmp_path / "new").rglob("*.*"))
    assert rebuilt.manifest.kept().num_rows == 0


def test_what_is_stored_is_named_by_its_content_whatever_the_manifest_calls_it(tmp_path: Path) -> None:
    rows = [
        kept_row(0, path="../../outside.jpg", media_type="../../x", stored_sha256=digest("x"), url="file:///x")
    ]
    manifest = forge(tmp_path / "theirs", rows)
    before = outside(tmp_path, tmp_path / "new")
    rebuilt = rebuild(quick(manifest, tmp_path / "new"))
    assert outside(tmp_path, tmp_path / "new") == before
    assert rebuilt.manifest.table["path"].to_pylist() == [None]


texts = st.none() | st.text(max_size=20) | st.sampled_from(["../../x", "/etc/passwd", "{}", '{"a": 1}', "\x1b[2J"])
number = st.none() | st.integers(-(2**31), 2**31 - 1)
columns = {
    **dict.fromkeys(("photo_id", "keyword", "title", "author", "group", "path", "part", "origin"), texts),
    **dict.fromkeys(("license_name", "page_url", "media_type", "stored_sha256", "final_url", "etag"), texts),
    **dict.fromkeys(("rank", "width", "uploaded_at", "searched_at", "license_read_at", "num_bytes"), number),
    "source": st.sampled_from(["flickr", "folder", "..", "x y", ""]),
    "verdict": st.sampled_from(["kept", "rejected", "failed", "?"]),
    "reason": st.sampled_from([None, *map(str, Reason)]),
    "split": st.sampled_from([None, "train", "holdout", "test"]),
    "url": st.sampled_from(ADDRESSES),
}
cell = st.one_of([st.tuples(st.just(name), values) for name, values in columns.items()])
cells = st.tuples(st.sampled_from(ADDRESSES), st.lists(cell, max_size=2)).map(
    lambda drawn: {"url": drawn[0], **dict(drawn[1])}
)
class_lists = (
    st.none()
    | st.none()
    | st.lists(
        st.fixed_dictionaries(
            {"class_id": texts, "keywords": st.lists(texts, max_size=2)}, optional={"name": texts}
        ),
        max_size=3,
    )
)


@settings(max_examples=30)
@given(rows=st.lists(cells, max_size=3), classes=class_lists)
def test_a_manifest_of_any_content_is_rebuilt_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], classes: list[dict[str, Any]] | None
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    rows = [kept_row(index) | changes for index, changes in enumerate(rows)]
    manifest, project = forge(folder / "theirs", rows, classes), folder / "new"
    before = outside(folder, project)
    try:
        rebuilt = rebuild(quick(manifest, project))
    except RawlabelError as error:
        assert "\n" not in str(error)
    else:
        assert rebuilt.manifest.table.num_rows == len(rows)
        with Catalogue(catalogue_path(project)) as catalogue:
            assert catalogue.counts()["label_events"] == len(rows)
    assert outside(folder, project) == before


def test_the_command_prints_no_control_characters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = [kept_row(0, url="file:///x", title="\x1b[2J\x07", author="\x1b]0;x\x07")]
    manifest = forge(tmp_path / "theirs", rows)
    assert cli.run(["rebuild", str(manifest), "--project", str(tmp_path / "new")]) == 1
    assert capsys.readouterr().out.replace("\n", "").isprintable()
    assert json.loads((tmp_path / "new" / "rebuild-report.json").read_text())["counts"]["pending"] == 1
    manifest.write_bytes(b"PAR1 nonsense PAR1")
    assert cli.run(["rebuild", str(manifest), "--project", str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()

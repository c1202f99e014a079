"""Rebuilding a data set from its manifest: each photo is classified as what has become of it."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS
from rawlabel.artifacts.manifest import Manifest, newest_manifest, read_manifest
from rawlabel.artifacts.project import catalogue_path, images_path
from rawlabel.config import CollectConfig, CurateConfig, RebuildConfig, VerifyConfig
from rawlabel.errors import DataError
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate.stage import curate
from rawlabel.manifests.diff import Kind, differences_between
from rawlabel.manifests.rebuild.comparison import Likeness, Promise, likeness
from rawlabel.manifests.rebuild.stage import Rebuilt, rebuild
from rawlabel.manifests.verify.stage import verify
from rawlabel.records import Outcome, Reason, Status, Verdict
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.changes import Change, ChangedSite
from tests.helpers.earlier_collection import Then
from tests.helpers.faulty_site import served
from tests.helpers.held_photos import held_back_while, num_stored
from tests.helpers.processes import forked
from tests.helpers.small_site import KEY

pytestmark = pytest.mark.integration

EXPECTED = {
    None: Likeness.EXACT,
    Change.RELICENSED: Likeness.EXACT,
    Change.METADATA: Likeness.SAME_PIXELS,
    Change.REENCODED: Likeness.NEAR_COPY,
    Change.REPLACED: Likeness.CHANGED,
    Change.DROPPED: Likeness.GONE,
}


def settings(manifest: Manifest, project: Path, **changes: Any) -> RebuildConfig:
    values = {"manifest": manifest.path, "project": project, "allow_loopback": True, "per_host": 16}
    return RebuildConfig(**(values | changes))


def fates(manifest: Manifest, later: ChangedSite) -> dict[str, Likeness]:
    """What is to be found of each kept photo, by its id."""
    kept = manifest.kept()["photo_id"].to_pylist()
    return {photo_id: EXPECTED[later.changes["flickr"].get(photo_id)] for photo_id in kept}


def found_by(rebuilt: Rebuilt) -> dict[str, Likeness]:
    """The likeness of each photo that is not exact, by its id."""
    return {one["photo_id"]: Likeness(one["outcome"]) for one in rebuilt.report.photos}


def test_a_site_that_changed_is_classified_photo_by_photo(
    then: Then, later: ChangedSite, later_site: RunningSite, tmp_path: Path
) -> None:
    expected = fates(then.manifest, later)
    rebuilt = rebuild(settings(then.manifest, tmp_path / "new"))
    assert set(expected.values()) == set(Likeness) - {Likeness.PENDING}
    assert found_by(rebuilt) == {one: fate for one, fate in expected.items() if fate is not Likeness.EXACT}
    assert rebuilt.report.counts == Counter(expected.values())
    report = json.loads(rebuilt.report_path.read_text())
    assert report["near_copy_bits"] == NEAR_COPY_BITS
    assert report["counts"] == {fate.value: rebuilt.report.counts[fate] for fate in Likeness}
    assert sum(report["reasons"].values()) == report["counts"]["gone"]
    assert all(one["url"].startswith("http://127.0.0.1") and one["classes"] for one in report["not_exact"])
    check_manifest(then.manifest, rebuilt.manifest, expected)
    assert verify(VerifyConfig(project=tmp_path / "new")) == []


def check_manifest(before: Manifest, after: Manifest, expected: dict[str, Likeness]) -> None:
    """Labels and splits stay; what is not there any more says why; counts add up; files are there."""
    assert after.parent == before.fingerprint
    assert after.classes == before.classes
    was, now = before.table.to_pylist(), after.table.to_pylist()
    unchanged = (
        "source",
        "photo_id",
        "class_id",
        "keyword",
        "rank",
        "part",
        "group",
        "title",
        "url",
        "license_id",
    )
    for old, new in zip(was, now, strict=True):
        assert [old[name] for name in unchanged] == [new[name] for name in unchanged]
        fate = expected.get(old["photo_id"])
        if old["verdict"] != Verdict.KEPT:
            assert (new["verdict"], new["reason"]) == (old["verdict"], old["reason"])
        elif fate in (Likeness.CHANGED, Likeness.GONE):
            assert (new["verdict"], new["split"], new["path"]) == ("failed", None, None)
            assert (new["reason"] == Reason.CHANGED) == (fate is Likeness.CHANGED)
        else:
            assert (new["verdict"], new["split"]) == ("kept", old["split"])
            assert (after.project / new["path"]).is_file()
            assert (new["sha256"] == old["sha256"]) == (fate is Likeness.EXACT)
            assert (new["pixel_sha256"] == old["pixel_sha256"]) == (fate is not Likeness.NEAR_COPY)
    for row in after.funnel.as_json():
        assert row["found"] == sum(row.get(verdict, 0) for verdict in Verdict)
    told = Counter(one.kind for one in differences_between(before, after))
    assert set(told) <= {Kind.VERDICT, Kind.PIXELS, Kind.BYTES, Kind.OTHER}
    # The rejected photos were not downloaded: nothing else is different about them.
    assert told[Kind.OTHER] == sum(row["verdict"] == "rejected" and row["path"] is not None for row in was)
    assert told[Kind.BYTES] == Counter(expected.values())[Likeness.SAME_PIXELS]


def test_a_site_that_has_not_changed_gives_the_same_manifest(
    then: Then, same_site: RunningSite, tmp_path: Path
) -> None:
    rebuilt = rebuild(settings(then.manifest, tmp_path / "new"))
    assert rebuilt.report.counts == {Likeness.EXACT: rebuilt.report.num_photos}
    kept = {one.name for one in images_path(tmp_path / "new").rglob("*.jpg")}
    assert kept == {Path(path).name for path in then.manifest.kept()["path"].to_pylist()}
    everything = rebuild(settings(then.manifest, tmp_path / "all", all=True))
    assert everything.report.num_photos > rebuilt.report.num_photos
    assert everything.manifest.fingerprint == then.manifest.fingerprint
    assert everything.manifest.parent is None
    # The new project is one like any other: curated anew, it comes to the same decisions.
    again = curate(CurateConfig(project=tmp_path / "all"))
    columns = ["photo_id", "class_id", "keyword", "rank", "part", "verdict", "reason", "split", "path"]
    assert again.table.select(columns).equals(then.manifest.table.select(columns))


def test_photos_that_are_stored_smaller_are_compared_as_the_host_sent_them(
    then: Then, later: ChangedSite, later_site: RunningSite, tmp_path: Path
) -> None:
    rebuilt = rebuild(settings(then.manifest, tmp_path / "new", resize=32))
    assert rebuilt.report.counts == Counter(fates(then.manifest, later).values())


def test_a_manifest_of_photos_that_were_stored_smaller_is_compared_so_too(
    then: Then, later: ChangedSite, tmp_path: Path
) -> None:
    settings_then = json.loads((then.project / "collect.json").read_text())
    small = CollectConfig(**settings_then | {"project": tmp_path / "small", "resize": 40})
    with running(then.site, port=then.port):
        collect(small, api_key=KEY)
    manifest = curate(CurateConfig(project=tmp_path / "small"))
    assert max(manifest.kept()["height"].to_pylist()) < max(then.manifest.kept()["height"].to_pylist())
    assert verify(VerifyConfig(project=tmp_path / "small")) == []
    with running(later.site, port=then.port):
        rebuilt = rebuild(settings(manifest, tmp_path / "new"))
    expected = fates(manifest, later)
    assert found_by(rebuilt) == {one: fate for one, fate in expected.items() if fate is not Likeness.EXACT}
    assert verify(VerifyConfig(project=tmp_path / "new")) == []


def test_a_changed_picture_is_in_no_later_stage(
    then: Then, later: ChangedSite, later_site: RunningSite, tmp_path: Path
) -> None:
    rebuilt = rebuild(settings(then.manifest, tmp_path / "new"))
    changed = {one for one, fate in found_by(rebuilt).items() if fate is Likeness.CHANGED}
    again = curate(CurateConfig(project=tmp_path / "new"))
    rows = [row for row in again.table.to_pylist() if row["photo_id"] in changed]
    assert {(row["verdict"], row["reason"], row["path"]) for row in rows} == {("failed", "changed", None)}
    stored = {path.stem for path in images_path(tmp_path / "new").rglob("*.jpg")}
    assert stored == set(rebuilt.manifest.kept()["stored_sha256"].to_pylist())


def test_what_cannot_be_had_now_is_pending_and_the_same_command_goes_on(
    then: Then, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["rebuild", str(then.manifest.path), "--project", str(tmp_path / "new"), "--allow-loopback",
                 "--per-host", "16", "--attempts", "1"]  # fmt: skip
    with running(then.site, port=then.port) as served:
        assert cli.run(arguments) == 0
        asked = sum(served.requests.values())
        assert cli.run(arguments) == 0
        assert sum(served.requests.values()) == asked
    with Catalogue(catalogue_path(tmp_path / "new")) as catalogue:
        catalogue.forget([path.stem for path in sorted(images_path(tmp_path / "new").rglob("*.jpg"))[:5]])
    for path in sorted(images_path(tmp_path / "new").rglob("*.jpg"))[:5]:
        path.unlink()
    capsys.readouterr()
    assert cli.run(arguments) == 0
    assert "5   2.4 %  not had yet" in capsys.readouterr().out
    with running(then.site, port=then.port):
        assert cli.run(arguments) == 0
    assert "the same bytes" in capsys.readouterr().out
    assert verify(VerifyConfig(project=tmp_path / "new")) == []


@pytest.mark.usefixtures("messages_on_stderr")
def test_a_host_that_throttles_is_named_while_it_does(
    then: Then, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if len(asked) == 1:
            return web.Response(status=429, headers={"Retry-After": "3"})
        return web.Response(status=404)

    with served(handle, then.port):
        rebuild(settings(then.manifest, tmp_path / "new", attempts=1))
    assert f"127.0.0.1:{then.port}: throttles, waits 3 s" in capsys.readouterr().err


def test_kill_9_in_the_middle_leaves_no_trace(
    then: Then, later: ChangedSite, later_site: RunningSite, tmp_path: Path
) -> None:
    whole = rebuild(settings(then.manifest, tmp_path / "whole"))
    project = tmp_path / "killed"
    arguments = ("rebuild", then.manifest.path, "--project", project, "--allow-loopback", "--concurrency", "2")
    moments = (lambda: (project / "rebuild.json").exists(), *(
        lambda share=share: num_stored(project) > share * num_stored(tmp_path / "whole")  # type: ignore[misc]
        for share in (0.05, 0.4)
    ))  # fmt: skip
    for when in moments:
        with held_back_while(when):
            assert forked(arguments, when=when).code == -signal.SIGKILL
    ended = forked(arguments)
    assert ended.code == 0, ended.err
    with Catalogue(catalogue_path(project)) as one, Catalogue(catalogue_path(tmp_path / "whole")) as other:
        assert one.fingerprint() == other.fingerprint()
    newest = newest_manifest(project)
    assert newest is not None
    assert newest.parent.name == whole.manifest.fingerprint[:12]
    assert json.loads((project / "rebuild-report.json").read_text())["counts"] == {
        fate.value: whole.report.counts[fate] for fate in Likeness
    }
    # A file that was being written when its process was killed is only litter.
    assert {one.kind.value for one in verify(VerifyConfig(project=project))} <= {"unfinished"}


def test_a_project_that_holds_something_else_is_left_alone(
    then: Then, same_site: RunningSite, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="holds a collection already"):
        rebuild(settings(then.manifest, then.project))
    rebuild(settings(then.manifest, tmp_path / "new"))
    other = curate(CurateConfig(project=then.project, seed=9))
    with pytest.raises(DataError, match="another manifest was rebuilt here"):
        rebuild(settings(other, tmp_path / "new"))
    assert cli.run(["rebuild"]) == 2


def test_what_was_refused_here_is_not_gone_and_the_permission_brings_it(
    then: Then, same_site: RunningSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["rebuild", str(then.manifest.path), "--project", str(tmp_path / "new"), "--per-host", "16"]
    assert cli.run(command) == 1
    refused = json.loads((tmp_path / "new" / "rebuild-report.json").read_text())
    assert (refused["counts"]["gone"], refused["counts"]["pending"]) == (0, then.manifest.kept().num_rows)
    told = capsys.readouterr()
    assert "--allow-loopback" in told.out
    assert "none of its photos could be had" in told.err
    assert cli.run([*command, "--allow-loopback"]) == 0
    path = newest_manifest(tmp_path / "new")
    assert path is not None
    assert read_manifest(path).kept().equals(then.manifest.kept())


@pytest.mark.parametrize("reason", [Reason.TOO_LARGE, Reason.DECODE_LIMIT])
def test_what_this_machines_limits_stopped_is_not_gone(reason: Reason) -> None:
    outcome = Outcome("flickr", "1", Status.FAILED, reason)
    assert likeness(Promise("00", None, None, "https://h/1"), outcome) is Likeness.PENDING

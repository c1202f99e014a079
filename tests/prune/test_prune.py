"""Pruning: what sites took down goes, with its pixels; what they do not answer for stays."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.manifest import Manifest, newest_manifest, read_manifest
from rawlabel.artifacts.project import catalogue_path, images_path, manifests_path
from rawlabel.base.licenses import LicensePreset
from rawlabel.config import CollectConfig, CurateConfig, PruneConfig, VerifyConfig
from rawlabel.errors import DataError, SourceError
from rawlabel.gather.collect.source import Presence
from rawlabel.gather.collect.sources.flickr import Flickr
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate.stage import curate
from rawlabel.manifests.prune.stage import prune
from rawlabel.manifests.verify.findings import Kind
from rawlabel.manifests.verify.stage import verify
from rawlabel.records import Photo, Reason, Verdict
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.changes import Change, ChangedSite, changed
from tests.helpers.earlier_collection import Then
from tests.helpers.processes import forked
from tests.helpers.small_site import KEY

pytestmark = pytest.mark.integration


@pytest.fixture
def project(then: Then, tmp_path: Path) -> Path:
    return Path(shutil.copytree(then.project, tmp_path / "p"))


@pytest.fixture(scope="module")
def later(then: Then) -> ChangedSite:
    return changed(then.site, seed=2, reencoded=0, replaced=0, dropped=0.1, relicensed=0.2)


@pytest.fixture
def site(then: Then, later: ChangedSite) -> Iterator[RunningSite]:
    with running(later.site, port=then.port) as served:
        yield served


def settings(project: Path, site: RunningSite, **changes: Any) -> PruneConfig:
    return PruneConfig(**({"project": project, "base_url": (site.base_url,), "allow_loopback": True} | changes))


def newest(project: Path) -> Manifest:
    path = newest_manifest(project)
    assert path is not None
    return read_manifest(path)


def ids(later: ChangedSite, change: Change, manifest: Manifest) -> set[str]:
    """Kept photos that this happened to."""
    kept = manifest.kept()["photo_id"].to_pylist()
    return {photo_id for photo_id in kept if later.changes["flickr"].get(photo_id) is change}


def stored(project: Path) -> set[str]:
    return {Path(name).stem for _, _, names in os.walk(images_path(project)) for name in names}


def test_photos_that_were_taken_down_go_with_their_pixels(
    project: Path, site: RunningSite, later: ChangedSite
) -> None:
    before, had = newest(project), stored(project)
    dropped = ids(later, Change.DROPPED, before)
    assert len(dropped) > 10
    pruned = prune(settings(project, site), api_key=KEY)
    assert pruned.left_out == {Reason.TAKEN_DOWN: len(dropped)}
    assert pruned.asked.not_answered.total() == 0
    after = newest(project)
    assert pruned.manifest is not None
    assert (after.fingerprint, after.parent) == (pruned.manifest.fingerprint, before.fingerprint)
    assert before.path.is_file()
    lost = set()
    for was, now in zip(before.table.to_pylist(), after.table.to_pylist(), strict=True):
        assert [was[name] for name in ("photo_id", "class_id", "keyword", "rank")] == [
            now[name] for name in ("photo_id", "class_id", "keyword", "rank")
        ]
        if was["photo_id"] in dropped:
            assert (now["verdict"], now["reason"], now["path"], now["split"]) == (
                "failed",
                "taken_down",
                None,
                None,
            )
            lost.add(was["stored_sha256"])
        else:
            assert (was["verdict"], was["reason"], was["split"]) == (now["verdict"], now["reason"], now["split"])
    for row in after.funnel.as_json():
        assert row["found"] == sum(row.get(verdict, 0) for verdict in Verdict)
    assert stored(project) == had - lost
    assert pruned.num_deleted == len(lost) > 0
    assert verify(VerifyConfig(project=project)) == []


def test_curating_and_collecting_again_respect_it(
    then: Then, project: Path, site: RunningSite, later: ChangedSite, tmp_path: Path
) -> None:
    dropped = ids(later, Change.DROPPED, newest(project))
    prune(settings(project, site), api_key=KEY)
    after = newest(project)
    again = curate(CurateConfig(project=project))
    for row in again.table.to_pylist():
        if row["photo_id"] in dropped:
            assert (row["verdict"], row["reason"], row["path"]) == ("failed", "taken_down", None)
    assert set(after.kept()["photo_id"].to_pylist()) <= set(again.kept()["photo_id"].to_pylist())
    had = stored(project)
    config = CollectConfig(**json.loads((project / "collect.json").read_text()) | {"project": project})
    collect(config, api_key=KEY)
    assert stored(project) == had


def test_a_license_that_is_no_longer_allowed_leaves_the_photo_out(
    project: Path, site: RunningSite, later: ChangedSite
) -> None:
    before = newest(project)
    open_before = {
        row["photo_id"]
        for row in before.kept().to_pylist()
        if LicensePreset.OPEN.allows(row["license_name"], row["license_url"])
    }
    closed = ids(later, Change.RELICENSED, before)
    pruned = prune(settings(project, site, licenses="open"), api_key=KEY)
    assert pruned.left_out[Reason.LICENSE] == len(closed & open_before) > 5
    rows = {row["photo_id"]: row for row in newest(project).table.to_pylist()}
    for photo_id in closed & open_before:
        assert (rows[photo_id]["verdict"], rows[photo_id]["reason"]) == ("rejected", "license")
        assert rows[photo_id]["license_name"] == "All Rights Reserved"
    # Photos whose license was never among those are not what this is about.
    assert all(rows[one]["verdict"] == "kept" for one in set(before.kept()["photo_id"].to_pylist()) - open_before
               - ids(later, Change.DROPPED, before))  # fmt: skip
    again = {row["photo_id"]: row for row in curate(CurateConfig(project=project)).table.to_pylist()}
    assert {again[one]["reason"] for one in closed & open_before} == {"license"}
    assert {again[one]["license_name"] for one in closed & open_before} == {"All Rights Reserved"}


def test_any_license_is_what_the_collection_was_made_with(
    project: Path, site: RunningSite, later: ChangedSite
) -> None:
    closed = ids(later, Change.RELICENSED, newest(project))
    pruned = prune(settings(project, site), api_key=KEY)
    assert Reason.LICENSE not in pruned.left_out
    assert 0 < pruned.num_relicensed <= len(closed)
    with (project / "collect.json").open("r+") as stream:
        text = json.load(stream) | {"licenses": "open"}
        stream.seek(0)
        stream.write(json.dumps(text))
    with pytest.raises(DataError, match=r"collect\.json"):
        (project / "collect.json").write_text('{"licenses": "whatever"}')
        prune(settings(project, site), api_key=KEY)


def test_a_dry_run_changes_nothing(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    project: Path,
    site: RunningSite,
    later: ChangedSite,
) -> None:
    before, had = newest(project), stored(project)
    with Catalogue(catalogue_path(project)) as catalogue:
        facts = catalogue.fingerprint()
    monkeypatch.setenv("FLICKR_API_KEY", KEY)
    arguments = ["prune", str(project), "--base-url", site.base_url, "--allow-loopback", "--dry-run"]
    assert cli.run(arguments) == 0
    out = capsys.readouterr().out
    assert f"{len(ids(later, Change.DROPPED, before))} left out: the photo was taken down" in out
    assert "dry run" in out
    assert newest(project).fingerprint == before.fingerprint
    assert stored(project) == had
    with Catalogue(catalogue_path(project)) as catalogue:
        assert catalogue.fingerprint() == facts
    assert [path.name for path in manifests_path(project).iterdir() if path.is_dir()] == [before.path.parent.name]


def test_a_second_run_asks_nothing_and_an_older_answer_is_asked_for_again(
    project: Path, site: RunningSite
) -> None:
    prune(settings(project, site), api_key=KEY)
    before, asked = newest(project), sum(site.requests.values())
    again = prune(settings(project, site), api_key=KEY)
    assert (again.manifest, again.num_deleted) == (None, 0)
    assert sum(site.requests.values()) == asked
    assert newest(project).fingerprint == before.fingerprint
    prune(settings(project, site, max_age=0), api_key=KEY)
    assert sum(site.requests.values()) >= asked + before.kept().num_rows


def test_what_is_not_answered_is_not_gone(
    project: Path, site: RunningSite, later: ChangedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = newest(project)
    real = Flickr.presence
    silent = set(sorted(before.kept()["photo_id"].to_pylist())[::2])

    async def presence(self: Flickr, photos: Sequence[Photo]) -> Mapping[str, Presence]:
        found = await real(self, photos)
        return {photo_id: one for photo_id, one in found.items() if photo_id not in silent}

    monkeypatch.setattr(Flickr, "presence", presence)
    pruned = prune(settings(project, site), api_key=KEY)
    assert pruned.asked.not_answered["flickr"] == len(silent)
    lost = set(before.kept()["photo_id"].to_pylist()) - set(newest(project).kept()["photo_id"].to_pylist())
    assert lost == ids(later, Change.DROPPED, before) - silent


def test_a_site_that_cannot_be_asked_changes_nothing(then: Then, project: Path, site: RunningSite) -> None:
    before, had = newest(project), stored(project)
    with pytest.raises(SourceError, match="refuses the API key"):
        prune(settings(project, site), api_key="wrong")
    assert (newest(project).fingerprint, stored(project)) == (before.fingerprint, had)


def test_a_site_that_says_that_nearly_all_is_gone_is_not_believed(then: Then, project: Path) -> None:
    before, had = newest(project), stored(project)
    away = changed(then.site, seed=3, reencoded=0, replaced=0, dropped=0.9)
    with running(away.site, port=then.port) as served, Catalogue(catalogue_path(project)) as catalogue:
        facts = catalogue.fingerprint()
        with pytest.raises(DataError, match=r"photos are gone, more than --most-gone 0\.5"):
            prune(settings(project, served), api_key=KEY)
        assert catalogue.fingerprint() == facts
        assert (newest(project).fingerprint, stored(project)) == (before.fingerprint, had)
        prune(settings(project, served, most_gone=1), api_key=KEY)
    assert len(stored(project)) < len(had) / 2


def test_a_file_that_a_photo_still_shown_shares_is_not_deleted(
    project: Path, site: RunningSite, later: ChangedSite
) -> None:
    dropped = sorted(ids(later, Change.DROPPED, newest(project)))[0]
    with Catalogue(catalogue_path(project)) as catalogue:
        lost = catalogue.outcomes([("flickr", dropped)])["flickr", dropped]
        # A rejected photo with the very same bytes, about which nobody has been asked.
        kept = set(newest(project).kept()["photo_id"].to_pylist())
        other = next(one.photo for one in catalogue.candidates() if one.photo.photo_id not in kept)
        catalogue.record_outcomes([replace(lost, photo_id=other.photo_id)])
    prune(settings(project, site), api_key=KEY)
    assert lost.stored_sha256 in stored(project)
    assert dropped not in newest(project).kept()["photo_id"].to_pylist()


def test_kill_9_in_the_middle_leaves_no_trace(
    project: Path, site: RunningSite, tmp_path: Path, then: Then
) -> None:
    whole = Path(shutil.copytree(project, tmp_path / "whole"))
    prune(settings(whole, site), api_key=KEY)
    arguments = ("prune", project, "--base-url", site.base_url, "--allow-loopback")

    def num_answers() -> int:
        with Catalogue(catalogue_path(project)) as catalogue:
            return len(catalogue.presence("flickr"))

    full = len(stored(project))
    moments = (
        lambda: num_answers() >= 50,
        lambda: num_answers() >= 150,
        lambda: len([one for one in manifests_path(project).iterdir() if one.is_dir()]) > 1,
        lambda: len(stored(project)) < full,
    )
    ends = [forked(arguments, when=when, FLICKR_API_KEY=KEY).code for when in moments]
    kills = ends.count(-signal.SIGKILL)
    assert kills >= 2
    ended = forked(arguments, FLICKR_API_KEY=KEY)
    assert ended.code == 0, ended.err
    with Catalogue(catalogue_path(project)) as one, Catalogue(catalogue_path(whole)) as other:
        assert one.fingerprint() == other.fingerprint()
    assert newest(project).fingerprint == newest(whole).fingerprint
    assert stored(project) == stored(whole)
    # A manifest that was being written when its process was killed is only litter.
    assert {one.kind for one in verify(VerifyConfig(project=project))} <= {Kind.UNFINISHED}


def test_files_that_a_killed_prune_left_are_found(project: Path, site: RunningSite) -> None:
    had = {path.stem: path for path in images_path(project).rglob("*.jpg")}
    kept = {stem: path.read_bytes() for stem, path in had.items()}
    prune(settings(project, site), api_key=KEY)
    gone = sorted(kept.keys() - stored(project))[0]
    had[gone].write_bytes(kept[gone])
    found = verify(VerifyConfig(project=project))
    assert [(one.kind, one.path) for one in found] == [(Kind.TAKEN_DOWN, had[gone])]
    prune(settings(project, site), api_key=KEY)
    assert verify(VerifyConfig(project=project)) == []


def test_a_project_without_a_manifest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["prune", str(tmp_path)]) == 2
    assert "has no manifest; run `rawlabel curate` first" in capsys.readouterr().err

"""Collecting from a real server on loopback: everything found is accounted for, whatever happens."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path, images_path
from rawlabel.config import CollectConfig, CurateConfig, PhotoSiteConfig
from rawlabel.errors import SourceError
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate.stage import curate
from rawlabel.records import Reason, Status
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.held_photos import held_back_while, num_stored
from tests.helpers.processes import forked
from tests.helpers.small_site import KEY, PER_CLASS
from tests.helpers.wire import NOBODY

pytestmark = pytest.mark.integration


def settings(site: RunningSite, class_file: Path, project: Path, **changes: object) -> CollectConfig:
    values = {"base_url": (site.base_url,), "classes": class_file, "project": project, "image_size": 64,
              "source": ("flickr",), "allow_loopback": True}  # fmt: skip
    return CollectConfig(**(values | changes))  # type: ignore[arg-type]


def test_everything_found_has_an_outcome_that_fits_the_truth(
    site: RunningSite, small_site: PhotoSite, class_file: Path, tmp_path: Path
) -> None:
    counts = collect(settings(site, class_file, tmp_path / "p"), api_key=KEY)
    assert counts["label_events"] == 3 * PER_CLASS
    assert counts["pending"] == 0
    truth = small_site.truth()["photos"]
    expected = {
        "removed": {Reason.PLACEHOLDER},
        "missing": {Reason.HTTP_GONE},
        "truncated": {Reason.TRUNCATED},
        "corrupt": {Reason.NOT_AN_IMAGE, Reason.SOFT_BLOCK},
    }
    with Catalogue(catalogue_path(tmp_path / "p")) as catalogue:
        candidates = list(catalogue.candidates())
    assert len({one.photo.photo_id for one in candidates}) == counts["photos"]
    for one in candidates:
        assert one.outcome.reason in expected.get(truth[one.photo.photo_id]["fault"], {None})
        assert one.photo.author_id
        assert one.photo.page_url == f"https://www.flickr.com/photos/{one.photo.author_id}/{one.photo.photo_id}"
        assert one.photo.license_name
    stored = {path.stem for path in images_path(tmp_path / "p").rglob("*.*")}
    assert stored == {one.outcome.stored_sha256 for one in candidates if one.outcome.status is Status.FETCHED}


def test_a_second_run_asks_for_nothing_again(site: RunningSite, class_file: Path, tmp_path: Path) -> None:
    config = settings(site, class_file, tmp_path / "p")
    counts = collect(config, api_key=KEY)
    before = sum(site.requests.values())
    may_pass = sum(counts.get(reason, 0) * config.attempts for reason in Reason if reason.may_pass)
    with Catalogue(catalogue_path(config.project)) as catalogue:
        fingerprint = catalogue.fingerprint()
    collect(config, api_key=KEY)
    assert sum(site.requests.values()) <= before + may_pass
    with Catalogue(catalogue_path(config.project)) as catalogue:
        assert catalogue.fingerprint() == fingerprint


def test_a_higher_limit_goes_on_from_the_lower_one(site: RunningSite, class_file: Path, tmp_path: Path) -> None:
    first = collect(settings(site, class_file, tmp_path / "p", per_keyword=10), api_key=KEY)
    assert first["label_events"] == 30
    more = collect(settings(site, class_file, tmp_path / "p", per_keyword=25), api_key=KEY)
    assert more["label_events"] == 75
    at_once = collect(settings(site, class_file, tmp_path / "q", per_keyword=25), api_key=KEY)
    assert at_once == more


def test_kill_9_at_fifty_random_moments_leaves_no_trace(class_file: Path, tmp_path: Path) -> None:
    large = PhotoSite.build(PhotoSiteConfig(seed=3, per_class=PER_CLASS * 3, api_key=KEY))
    with running(large) as site:
        whole, killed = settings(site, class_file, tmp_path / "whole"), tmp_path / "killed"
        collect(whole, api_key=KEY)
        arguments = ("collect", class_file, "--project", killed, "--base-url", site.base_url, "--source", "flickr",
                     "--image-size", "64", "--concurrency", "1", "--allow-loopback")  # fmt: skip
        rng = random.Random(5)
        for _ in range(6):
            # While it still searches, and as the first photos come.
            count = sum(site.requests.values()) + rng.randrange(4)
            ended = forked(
                arguments, when=lambda count=count: sum(site.requests.values()) > count, FLICKR_API_KEY=KEY
            )
            assert ended.code == -signal.SIGKILL
        before = num_stored(killed)
        for kills in range(6, 50):
            # Each start gets further than all before it: no kill falls into the start of Python.
            asked, more = site.requests["image"], rng.randrange(6)

            def due(asked: int = asked, more: int = more, before: int = before) -> bool:
                # Counting the files takes long, and none is new without a request for it.
                return site.requests["image"] > asked + more and num_stored(killed) > before + more

            with held_back_while(due):
                ended = forked(arguments, when=due, FLICKR_API_KEY=KEY)
            assert ended.code == -signal.SIGKILL, f"ended by itself after {kills} kills: {ended.err}"
            before, last = num_stored(killed), before
            assert before > last
        assert forked(arguments, FLICKR_API_KEY=KEY).code == 0
    assert num_stored(killed) == num_stored(whole.project) > before
    with Catalogue(catalogue_path(whole.project)) as one, Catalogue(catalogue_path(killed)) as two:
        assert one.fingerprint() == two.fingerprint()
    assert not list(killed.rglob("*.part"))
    manifests = [curate(CurateConfig(project=project)) for project in (whole.project, killed)]
    assert manifests[0].fingerprint == manifests[1].fingerprint


def test_a_wrong_key_is_refused_at_once_and_never_repeated(
    site: RunningSite, class_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match="refuses the API key") as caught:
        collect(settings(site, class_file, tmp_path / "p"), api_key="secret-word")
    assert "secret-word" not in str(caught.value)
    assert sum(site.requests.values()) == 1
    monkeypatch.delenv("FLICKR_API_KEY", raising=False)
    with pytest.raises(SourceError, match="FLICKR_API_KEY"):
        collect(settings(site, class_file, tmp_path / "p"))


def test_the_key_is_in_no_file(site: RunningSite, class_file: Path, tmp_path: Path) -> None:
    collect(settings(site, class_file, tmp_path / "p"), api_key=KEY)
    curate(CurateConfig(project=tmp_path / "p"))
    files = [path for path in (tmp_path / "p").rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_a_site_that_cannot_be_reached_is_named(class_file: Path, tmp_path: Path) -> None:
    config = CollectConfig(
        classes=class_file, project=tmp_path / "p", source=("flickr",), base_url=(NOBODY,), attempts=1,
        allow_loopback=True,
    )  # fmt: skip
    with pytest.raises(SourceError, match=f"{NOBODY}: cannot be reached .* check --base-url"):
        collect(config, api_key=KEY)


def test_ctrl_c_and_sigterm_stop_at_once_and_the_same_command_goes_on(
    site: RunningSite, class_file: Path, tmp_path: Path
) -> None:
    project = tmp_path / "p"
    arguments = ("collect", class_file, "--project", project, "--base-url", site.base_url, "--concurrency", "1",
                 "--source", "flickr", "--allow-loopback")  # fmt: skip
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        seen = num_stored(project)

        def due(seen: int = seen) -> bool:
            return num_stored(project) > seen

        with held_back_while(due):
            ended = forked(arguments, number, due, FLICKR_API_KEY=KEY)
        assert ended.code == code, ended.err
        assert ended.last_line() == "rawlabel: stopped; the same command goes on from here"
        assert "Traceback" not in ended.err, ended.err
        assert "Error" not in ended.err, ended.err
    assert forked(arguments, FLICKR_API_KEY=KEY).code == 0

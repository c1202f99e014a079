"""The Ray engine on a real cluster of two nodes on loopback: the outcomes of the local engine, whatever dies."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.copies import hamming
from rawlabel.artifacts.copies.fingerprint import Fingerprint
from rawlabel.artifacts.copies.store import FingerprintStore, fingerprints_folder
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base import ray_cluster
from rawlabel.config import CollectConfig, CurateConfig, DecontaminateConfig, ExportConfig
from rawlabel.errors import ConfigError, DataError, DiskError
from rawlabel.gather.collect.engines import ray_engine
from rawlabel.gather.collect.engines.engine import Engine, make_engine
from rawlabel.gather.collect.engines.ray_worker import Batch, Job, fetch_batch
from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.gather.collect.http.client import HttpClient
from rawlabel.gather.collect.source import Source
from rawlabel.gather.collect.sources.flickr import PLUGIN as Flickr
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate import examining
from rawlabel.gather.curate.stage import curate
from rawlabel.judge.decontaminate import hashes
from rawlabel.judge.decontaminate.stage import decontaminate_stage
from rawlabel.manifests.export import export
from rawlabel.models.transfer import store
from rawlabel.models.transfer.for_curating import make_features
from rawlabel.models.transfer.store import FeatureStore
from rawlabel.records import Outcome, Photo, Reason, Status
from rawlabel_photo_site.web.server import RunningSite
from tests.helpers.collected_project import make_project
from tests.helpers.held_requests import HeldRequests
from tests.helpers.image_host import image_host
from tests.helpers.pictures import photo
from tests.helpers.processes import end_by_signal, rawlabel
from tests.helpers.small_site import KEY, PER_CLASS
from tests.helpers.stored_photos import jpeg, project_of

pytestmark = [
    pytest.mark.integration,
    # Ray leaves sockets and log files of its own to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
LONGEST = 240.0
"""Seconds after which a busy machine, too, has done what a test waits for; so a hang ends."""
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node, with which this process is connected; all of it on loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        # A machine that is gone counts as dead after three seconds.
        patch.setenv("RAY_health_check_period_ms", "1000")
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        import ray
        from ray.cluster_utils import Cluster

        head = {**NODE, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
        nodes = Cluster(initialize_head=True, head_node_args=head)
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        yield nodes
        ray.shutdown()
        nodes.shutdown()
        # While what it left may be thrown away unclosed; in the next file that is an error.
        gc.collect()


@pytest.fixture
def second_node(cluster: Any) -> Iterator[Any]:
    node = cluster.add_node(**NODE)
    cluster.wait_for_nodes(LONGEST)
    yield node
    if node in cluster.list_all_nodes():
        cluster.remove_node(node)


def settings(project: Path, **changes: object) -> CollectConfig:
    values: dict[str, object] = {"project": project, "engine": "ray", "allow_loopback": True}
    return CollectConfig(**(values | changes))  # type: ignore[arg-type]


def downloaded(
    config: CollectConfig,
    photos: Sequence[Photo],
    source: type[Source] = Flickr,
    meanwhile: Callable[[Engine, list[Outcome]], None] = lambda engine, outcomes: None,
) -> list[Outcome]:
    """What an engine records; `meanwhile` is called after each outcome."""
    outcomes: list[Outcome] = []

    async def main() -> None:
        async with HttpClient(config) as http:
            sources = {"flickr": source.__new__(source)}  # searching is not needed
            async with make_engine(config, http, sources) as engine:

                def record(outcome: Outcome, _exchange: Exchange | None) -> None:
                    outcomes.append(outcome)
                    meanwhile(engine, outcomes)

                await engine.download(photos, record)

    asyncio.run(main())
    return outcomes


def stored(project: Path) -> list[str]:
    return sorted(name for _, _, names in os.walk(project / "images") for name in names)


def test_a_node_that_dies_in_the_middle_changes_nothing(
    held: HeldRequests, second_node: Any, cluster: Any, site: RunningSite, class_file: Path, tmp_path: Path
) -> None:
    common = {"base_url": (site.base_url,), "classes": class_file, "image_size": 64, "source": ("flickr",)}
    ray = settings(tmp_path / "ray", per_host=4, **common)
    killed_at: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + LONGEST
        # Counted once: a file that is being written has another name a moment later, or none.
        while ((count := len(stored(ray.project))) < 12 or not held.have_all()) and time.monotonic() < deadline:
            time.sleep(0.01)
        killed_at.append(count)
        cluster.remove_node(second_node, allow_graceful=False)
        held.release()
        # Whether or not it was writing when it died.
        (ray.project / "images/unfinished/photo.jpg.part").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    counts = collect(ray, api_key=KEY)
    killer.join()
    asked = site.requests["image"]
    local = settings(tmp_path / "local", engine="local", **common)
    assert collect(local, api_key=KEY) == counts
    assert 12 <= killed_at[0] < len(stored(local.project))
    assert asked > site.requests["image"] - asked, "the node died before it had begun, so the test shows nothing"
    with Catalogue(catalogue_path(ray.project)) as one, Catalogue(catalogue_path(local.project)) as two:
        assert one.fingerprint() == two.fingerprint()
    assert counts["label_events"] == 3 * PER_CLASS
    assert counts["pending"] == 0
    assert stored(ray.project) == stored(local.project)


def test_a_host_is_asked_no_faster_by_a_cluster(second_node: Any, cluster: Any, tmp_path: Path) -> None:
    refused = {}
    for engine, count in (("local", 40), ("ray", 150)):
        with image_host(per_second=15) as host:
            # As many at once as a machine that stalls may deliver together without breaking the host's rule.
            outcomes = downloaded(settings(tmp_path / engine, engine=engine, per_host=4), host.photos(count))
        assert len({one.photo_id for one in outcomes if one.status is Status.FETCHED}) == count
        refused[engine] = sum(status == 429 for _, status in host.times)
    times = [(at - host.times[0][0], status) for at, status in host.times]
    assert times[-1][0] > 10
    assert not [at for at, status in times if status == 429 and at > 10]
    late = [at for at, _ in times if at > 4]
    assert len(late) / (late[-1] - late[0]) < 15
    assert 1 <= refused["ray"] <= refused["local"] + 8


def test_the_keeper_of_the_limits_may_die(cluster: Any, tmp_path: Path) -> None:
    import ray

    killed: list[int] = []

    def kill(engine: Any, outcomes: list[Outcome]) -> None:
        if not killed and len(outcomes) >= 30:
            killed.append(len(outcomes))
            ray.kill(engine._keeper, no_restart=False)

    with image_host(seconds=0.02) as host:
        outcomes = downloaded(settings(tmp_path, per_host=4), host.photos(160), meanwhile=kill)
        assert killed
        assert sorted(int(one.photo_id) for one in outcomes) == list(range(160))
        assert {one.status for one in outcomes} == {Status.FETCHED}
        assert len(stored(tmp_path)) == 160


class DeadlyFlickr(Flickr):
    """Takes the process down that looks at one of its photos."""

    @classmethod
    def is_placeholder(cls, final_url: str) -> bool:
        if final_url.endswith("/3.jpg"):
            os.kill(os.getpid(), signal.SIGKILL)
        return False


def test_a_photo_that_kills_its_process_fails_alone_and_may_be_asked_again(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ray takes seconds to replace a process.
    monkeypatch.setattr(ray_engine, "RETRIES", 1)
    with image_host() as host:
        outcomes = downloaded(settings(tmp_path), host.photos(5), DeadlyFlickr)
    assert sorted((one.photo_id, one.reason) for one in outcomes) == [
        (str(i), Reason.UNREACHABLE if i == 3 else None) for i in range(5)
    ]
    assert Reason.UNREACHABLE.may_pass


def test_without_ray_the_flag_says_how_to_install_it(tmp_path: Path) -> None:
    script = """
import sys
sys.modules["ray"] = None
from rawlabel.cli import main
main()
"""
    (tmp_path / "classes.txt").write_text("owl\n")
    arguments = ["collect", "classes.txt", "--engine", "ray", "--source", "flickr"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=tmp_path,
        env=dict(os.environ) | {"FLICKR_API_KEY": "k"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "rawlabel: --engine ray: Ray is not installed; run `pip install 'rawlabel[ray]'` or leave --engine out"
    ]


def test_a_folder_that_a_machine_does_not_share_is_named(tmp_path: Path) -> None:
    job = Job(
        "one", settings(tmp_path), {}, str(tmp_path / "images"), tmp_path / "images" / "unfinished" / "x", None
    )
    result = fetch_batch(job, Batch((), {}))
    assert isinstance(result.error, DiskError)
    assert str(result.error).startswith(
        f"{tmp_path}/images: is not the same folder on every machine of the cluster; "
    )


def test_a_store_that_other_processes_cannot_see_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another one in each process"):
        downloaded(settings(tmp_path, store="memory://photos"), [])


def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    address = "127.0.0.1:1"
    (tmp_path / "classes.txt").write_text("owl\n")
    ended = rawlabel(
        "collect", tmp_path / "classes.txt", "--project", tmp_path / "p", "--source", "flickr", "--engine", "ray",
        "--ray-address", address, "--base-url", "http://127.0.0.1:1", "--allow-loopback", FLICKR_API_KEY="k",
    )  # fmt: skip
    assert ended.code == 2
    assert ended.last_line().startswith(
        f"rawlabel: --ray-address {address}: no Ray cluster answers there; start one"
    )
    assert "Traceback" not in ended.err


def test_a_stopped_and_a_killed_run_go_on(
    cluster: Any, site: RunningSite, class_file: Path, tmp_path: Path
) -> None:
    project = tmp_path / "p"
    arguments = ("collect", class_file, "--project", project, "--base-url", site.base_url, "--source", "flickr",
                 "--image-size", "64", "--allow-loopback", "--engine", "ray", "--per-host", "1",
                 "--workers", "1")  # fmt: skip
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        seen = len(stored(project))
        ended = end_by_signal(
            number,
            lambda seen=seen: len(stored(project)) > seen + 5,  # type: ignore[misc]
            (*arguments, "--ray-address", cluster.address),
            FLICKR_API_KEY=KEY,
        )
        assert ended.code == code, ended.err
        assert "Traceback" not in ended.err
    # The last one without a cluster, which it starts by itself.
    ended = rawlabel(*arguments, FLICKR_API_KEY=KEY)
    assert ended.code == 0, ended.err
    same = {"base_url": (site.base_url,), "classes": class_file, "image_size": 64, "source": ("flickr",)}
    local = settings(tmp_path / "local", engine="local", **same)
    collect(local, api_key=KEY)
    with Catalogue(catalogue_path(project)) as one, Catalogue(catalogue_path(local.project)) as two:
        assert one.fingerprint() == two.fingerprint()
    assert stored(project) == stored(local.project)


def test_fingerprints_made_by_a_cluster_whose_node_dies_are_those_made_here(
    second_node: Any, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examining, "PIECE", 6)
    photos = [(str(number), "owl", jpeg(photo(number // 2, 160), 60 + number % 30)) for number in range(240)]
    project = project_of(tmp_path / "p", photos)
    pieces = fingerprints_folder(project)
    killed_at: list[int] = []

    def add(store: FingerprintStore, found: dict[str, Fingerprint]) -> None:
        added(store, found)
        if len(killed_at) < 1 and len(list(pieces.glob("*.keys.npy"))) >= 4:
            killed_at.append(len(found))
            cluster.remove_node(second_node, allow_graceful=False)

    added = FingerprintStore.add
    monkeypatch.setattr(FingerprintStore, "add", add)
    by_ray = curate(CurateConfig(project=project, engine="ray"))
    assert killed_at
    kept = {path.name: path.read_bytes() for path in pieces.iterdir()}
    shutil.rmtree(pieces)
    monkeypatch.undo()
    monkeypatch.setattr(examining, "PIECE", 6)
    here = curate(CurateConfig(project=project))
    assert by_ray.table == here.table and by_ray.fingerprint == here.fingerprint and here.funnel.total.kept == 120
    assert kept == {path.name: path.read_bytes() for path in pieces.iterdir()}
    shutil.rmtree(pieces)
    (project / here.kept()["path"][0].as_py()).unlink()
    with pytest.raises(DataError, match="images"):
        curate(CurateConfig(project=project, engine="ray"))


def test_features_and_searches_of_a_cluster_whose_node_dies_are_those_made_here(
    second_node: Any, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies among the features; the search within the set comes before, that for test images after."""
    for module, name, value in ((hamming, "TASK_HASHES", 16), (store, "CHUNK", 4), (hashes, "_AT_ONCE", 200)):
        monkeypatch.setattr(module, name, value)
    pictures = [photo(number, 240) for number in range(14)]
    crop = pictures[7][37:231, 22:197]
    pictures.append(cv2.resize(crop, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA))
    pictures.append(np.ascontiguousarray(pictures[1][:, ::-1]))
    photos = [(str(number), "owl", jpeg(one, 85)) for number, one in enumerate(pictures)]
    (tmp_path / "test" / "owl").mkdir(parents=True)
    for number, one in enumerate(pictures[11:14]):
        (tmp_path / "test" / "owl" / f"{number}.jpg").write_bytes(jpeg(one, 60))
    project, died = project_of(tmp_path / "p", photos), list[int]()
    kept = FeatureStore._keep

    def keep(*arguments: Any) -> None:
        kept(*arguments)
        if not died:
            died.append(1)
            cluster.remove_node(second_node, allow_graceful=False)

    monkeypatch.setattr(FeatureStore, "_keep", keep)
    told = []
    for engine in ("ray", "local"):
        manifest = curate(CurateConfig(project=project, engine=engine, crops=True), make_features)
        found = decontaminate_stage(
            DecontaminateConfig(data=str(project), test=str(tmp_path / "test"), engine=engine)
        )
        features = {path.name: path.read_bytes() for path in sorted((project / "features").rglob("*.npy"))}
        told.append((manifest.table, manifest.funnel, features, found.certificate.as_json()))
        for name in ("features", "fingerprints", "manifests"):
            shutil.rmtree(project / name)
    assert died
    assert told[0] == told[1]
    _, funnel, features, certificate = told[0]
    assert (funnel.total.kept, len(features), len(certificate["removed"])) == (14, 8, 3)


def test_what_no_other_process_survives_is_done_here(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "RETRIES", 0)
    own = os.getpid()

    def doubled(number: int) -> int:
        if os.getpid() != own and number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * number

    calls = [(number,) for number in range(20)]
    assert list(ray_cluster.Cluster(None, 2).results(doubled, calls)) == [2 * number for number in range(20)]


def test_shards_written_by_a_cluster_are_those_written_here(cluster: Any, tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    manifest = curate(CurateConfig(project=project))
    settings = {"project": project, "format": "webdataset", "per_shard": 5}
    here, count = export(ExportConfig(**settings, out=tmp_path / "here"))
    by_ray, same = export(ExportConfig(**settings, out=tmp_path / "ray", engine="ray"))
    written = [{path.name: path.read_bytes() for path in folder.glob("*.tar")} for folder in (here, by_ray)]
    assert written[0] == written[1]
    assert len(written[0]) > 2
    assert count == same == manifest.kept().num_rows
    with pytest.raises(ConfigError, match="--engine ray"):
        export(ExportConfig(project=project, format="parquet", out=tmp_path / "q", engine="ray"))
    next(path for path in (project / "images").rglob("*.jpg")).unlink()
    with pytest.raises(DataError, match="images"):
        export(ExportConfig(**settings, out=tmp_path / "third", engine="ray"))

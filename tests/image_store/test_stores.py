"""Photos in a folder, on S3 and on a file server: the same facts, whole objects, and no credentials on disk."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.image_store.local import object_name
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos, open_store, settle_store
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base.files import write_json
from rawlabel.config import CollectConfig, CurateConfig, ExportConfig, ReportConfig, TrainConfig, VerifyConfig
from rawlabel.errors import ConfigError, DataError, DiskError
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate.stage import curate
from rawlabel.manifests.export import export
from rawlabel.manifests.verify.stage import verify
from rawlabel.show.report.stage import build_report
from rawlabel.training.data import load_training_data
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.processes import rawlabel
from tests.helpers.small_site import KEY, small_site  # noqa: F401 - a fixture
from tests.helpers.store_servers import FTP_PASSWORD, FTP_USER, KEYS, ftp_server, s3_service

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 service with an empty bucket."""
    with s3_service() as endpoint, pytest.MonkeyPatch.context() as patch:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint}.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
        fsspec.filesystem("s3").clear_instance_cache()


@pytest.fixture(scope="module")
def ftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A file server, whose user and password fsspec has from its own settings, as from the environment."""
    with ftp_server(tmp_path_factory.mktemp("ftp")) as host:
        fsspec.config.conf["ftp"] = {"username": FTP_USER, "password": FTP_PASSWORD}
        yield f"ftp://{host}"
        del fsspec.config.conf["ftp"]
        fsspec.get_filesystem_class("ftp").clear_instance_cache()


@pytest.fixture(params=["folder", "memory", "s3", "ftp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty store of each kind."""
    name = request.node.name.partition("[")[0]
    if request.param == "folder":
        return str(tmp_path / "far away")
    if request.param == "memory":
        return f"memory://{name}"
    return f"{request.getfixturevalue(request.param)}/{name}"


def names_in(place: str) -> list[str]:
    files, root = fsspec.url_to_fs(place)
    files.invalidate_cache()
    return sorted(path.removeprefix(root).lstrip("/") for path in files.find(root))


def test_each_object_is_there_once_and_whole_whoever_writes_it(place: str) -> None:
    open_store(place).open_for_writing()
    photos = [b"\xff\xd8\xff" + bytes([i]) * 50_000 for i in range(6)]

    def put(data: bytes) -> tuple[str, str]:
        return open_store(place).put(data)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(put, photos * 5))
    assert len(set(results)) == 6
    assert names_in(place) == sorted(object_name(*result) for result in set(results))
    for data, result in zip(photos, results[:6], strict=True):
        assert open_store(place).read(object_name(*result)) == data
    with pytest.raises(DataError, match="the photo cannot be read"):
        open_store(place).read(object_name("0" * 64, "image/jpeg"))


def test_what_a_killed_writer_left_is_swept_away(ftp: str) -> None:
    files, root = fsspec.url_to_fs(f"{ftp}/swept")
    files.makedirs(f"{root}/unfinished")
    files.pipe_file(f"{root}/unfinished/half.part", b"\xff\xd8\xff")
    open_store(f"{ftp}/swept").open_for_writing()
    assert names_in(f"{ftp}/swept") == []


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("s3://key:secret-word@bucket/photos", "environment"),
        ("ftp://me:secret-word@host/photos", "environment"),
        ("https://host/photos?token=secret-word", "environment"),
        ("nosuch://bucket", "fsspec knows no such address"),
        ("s3://", "fsspec knows no such address"),
        ("gs://bucket/photos", "needs another package"),
    ],
)
def test_an_address_that_cannot_be_used_gets_one_line(address: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        settle_store(tmp_path / "p", address)
    assert "secret-word" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "p").exists()


def test_a_store_that_refuses_gets_one_line_that_names_it_and_is_not_noted(s3: str, tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"s3://no-such-bucket/photos: cannot be written \(.*\); check") as caught:
        settle_store(tmp_path / "p", "s3://no-such-bucket/photos")
    assert not (tmp_path / "p").exists()
    assert "\n" not in str(caught.value)
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)


def test_a_project_keeps_its_photos_in_one_place(tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    settle_store(tmp_path / "p", str(first))
    assert ProjectPhotos(tmp_path / "p").path("images/ab/cd/x.jpg") == first / "ab" / "cd" / "x.jpg"
    settle_store(tmp_path / "p", None)
    settle_store(tmp_path / "p", first.as_uri())
    with pytest.raises(ConfigError, match=r"keeps its photos in .*first already"):
        settle_store(tmp_path / "p", str(other))
    settle_store(tmp_path / "q", None).open_for_writing()
    with pytest.raises(ConfigError, match=r"keeps its photos in .*images already"):
        settle_store(tmp_path / "q", str(other))


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "images/../../secret"])
def test_a_manifest_reaches_no_file_outside_of_its_project(name: str, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for address in (None, str(tmp_path / "far"), "memory://far"):
        if address is not None:
            write_json(tmp_path / "p" / "store.json", {"store": address})
        with pytest.raises(DataError):
            ProjectPhotos(tmp_path / "p").read(name)


@pytest.fixture(scope="module")
def site(small_site: PhotoSite) -> Iterator[RunningSite]:  # noqa: F811
    with running(small_site) as served:
        yield served


def collected(site: RunningSite, project: Path, **changes: object) -> str:
    """Collect and curate; return the fingerprint of the catalogue."""
    classes = project.with_suffix(".json")
    classes.write_text('{"three": ["three"], "nine": ["nine"]}')
    values = {"base_url": (site.base_url,), "classes": classes, "project": project, "image_size": 64,
              "source": ("flickr",), "allow_loopback": True, "per_class": 12}  # fmt: skip
    collect(CollectConfig(**(values | changes)), api_key=KEY)  # type: ignore[arg-type]
    curate(CurateConfig(project=project))
    with Catalogue(catalogue_path(project)) as catalogue:
        return catalogue.fingerprint()


def test_a_store_on_s3_changes_nothing_but_the_place(site: RunningSite, s3: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert collected(site, here) == collected(site, there, store=f"{s3}/photos/")
    manifests = [curate(CurateConfig(project=project)) for project in (here, there)]
    assert manifests[0].fingerprint == manifests[1].fingerprint
    local = sorted(path.relative_to(here / "images").as_posix() for path in (here / "images").rglob("*.*"))
    assert names_in(f"{s3}/photos") == local
    assert not (there / "images").exists()
    out, count = export(ExportConfig(project=there))
    assert count == manifests[0].kept().num_rows > 10
    exported = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.jpg")}
    out, _ = export(ExportConfig(project=here))
    assert exported == {path.relative_to(out): path.read_bytes() for path in out.rglob("*.jpg")}
    pages = [build_report(ReportConfig(project=project)).read_text("utf-8") for project in (here, there)]
    assert pages[1].count("data:image/webp") == pages[0].count("data:image/webp") > 5
    with pytest.raises(
        DataError, match=r"s3://bucket/photos: holds the photos.*rawlabel export .*--main candidate"
    ):
        load_training_data(TrainConfig(root=there))
    assert len(load_training_data(TrainConfig(root=there, main="candidate")).train) > 10
    with pytest.raises(DataError, match=r"s3://bucket/photos: holds the photos.*store\.json"):
        verify(VerifyConfig(project=there))
    photos = ProjectPhotos(there)
    name = manifests[1].kept()["path"][0].as_py()
    assert photos.delete(name)
    assert not photos.delete(name)
    assert len(names_in(f"{s3}/photos")) == len(local) - 1
    secrets = [*KEYS.values()][:2]
    for path in (path for path in there.rglob("*") if path.is_file()):
        assert not [secret for secret in secrets if secret.encode() in path.read_bytes()], path


def test_a_folder_elsewhere_is_trained_on_where_it_is(site: RunningSite, tmp_path: Path) -> None:
    collected(site, tmp_path / "p", store=str(tmp_path / "photos"))
    data = load_training_data(TrainConfig(root=tmp_path / "p"))
    paths = [Path(data.train.source.where(index)) for index in range(len(data.train))]
    assert paths and all(path.is_relative_to(tmp_path / "photos") and path.is_file() for path in paths)


def test_the_command_says_in_one_line_that_a_store_cannot_be_reached(tmp_path: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("owl\n")
    ended = rawlabel("collect", classes, "--project", tmp_path / "p", "--store", "ftp://127.0.0.1:1/photos",
                     "--source", "flickr", "--base-url", "http://127.0.0.1:1", "--allow-loopback",
                     FLICKR_API_KEY="k")  # fmt: skip
    assert ended.code == 2
    assert ended.last_line().startswith("rawlabel: ftp://127.0.0.1:1/photos: cannot be written (ConnectionRefused")
    assert "Traceback" not in ended.err

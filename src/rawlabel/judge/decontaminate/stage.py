"""The verb `decontaminate`: a manifest without copies of test images, or a list of them, and a certificate."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rawlabel.artifacts.certificate import FILE, Certificate, read_certificates
from rawlabel.artifacts.decision import decisions_of, table_of
from rawlabel.artifacts.manifest import METADATA_KEY, Manifest, read_manifest, write_manifest
from rawlabel.artifacts.project import is_project, manifests_path
from rawlabel.base.files import atomic_write, write_json
from rawlabel.base.image_files import images_below
from rawlabel.base.image_header import extra_extensions
from rawlabel.base.ray_cluster import Cluster
from rawlabel.config import DecontaminateConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.image_source import ImageFiles, ImageSource
from rawlabel.images.input import InputRequest, is_address, read_input
from rawlabel.judge.decontaminate.comparing import Settings
from rawlabel.judge.decontaminate.decontaminating import Decontamination, decontaminate
from rawlabel.judge.decontaminate.listing import REVIEW, manifest_file, people_said, shots_of, write_review
from rawlabel.manifests.reading import find_manifest
from rawlabel.records import Reason

LIST = "test_copies.txt"
_DIGITS = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True)
class Decontaminated:
    """What the verb came to."""

    certificate: Certificate
    folder: Path
    """Where the certificate and the lists are."""
    manifest: Manifest | None
    """The manifest without the copies, which is the old one where there are none; None of other images."""
    is_new: bool
    """Whether that manifest was made now."""


def decontaminate_stage(config: DecontaminateConfig) -> Decontaminated:
    """Find the copies of test images in a set, leave them out, and certify it; the same call goes on.

    Raises `ConfigError` where one of both sides is not named, `DataError` that names what cannot be read, and
    `DiskError`.
    """
    if config.data is None:
        raise ConfigError("DATA: name a project, a manifest or images, as in `rawlabel decontaminate birds`")
    if config.test is None:
        raise ConfigError("--test: name the test images, such as a folder of them")
    path, manifest = _located(config.data, config.project)
    candidates = read_pictures(path, config.max_megapixels)
    tests = read_pictures(Path(config.test), config.max_megapixels)
    names = [candidates.name(row) for row in range(len(candidates))]
    cache = manifest.project / "features" if manifest else config.out
    found = decontaminate(
        candidates,
        tests,
        cache,
        shots=None if config.keep_bursts else shots_of(path, names),
        settings=Settings(
            listed=config.listed,
            thorough=config.thorough,
            cluster=Cluster.of(config.engine, config.ray_address, config.workers),
        ),
    )
    if manifest is None:
        certificate = found.certificate(str(path), config.test)
        _write(config.out, certificate, found)
        with atomic_write(config.out / LIST) as stream:
            stream.write("".join(f"{candidates.where(row)}\n" for row in found.left_out.tolist()).encode())
        return Decontaminated(certificate, config.out, None, is_new=False)
    said = people_said(manifest.path, found)
    certificate = found.certificate(str(path), config.test).decided(said.counts, said.left)
    kept = _without(manifest, {names[row] for row in found.left_out.tolist()}, config)
    _write(kept.path.parent, certificate, found)
    return Decontaminated(certificate, kept.path.parent, kept, is_new=kept is not manifest)


def read_pictures(path: Path, max_megapixels: float) -> ImageSource:
    """The images at a place, whatever their labels; of a folder that is of no format, all image files below it.

    Raises `DataError`.
    """
    if not is_address(path) and path.is_dir() and not is_project(path):
        try:
            names = sorted(name for name, _ in images_below(path, extra=extra_extensions()).files)
        except OSError as error:
            raise DataError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
        if any("/" not in name for name in names):
            source = ImageFiles([path / name for name in names], names)
            source.max_megapixels = max_megapixels
            return source
    return read_input(path, InputRequest("test", max_megapixels=max_megapixels)).images.source


def _located(data: str, project: Path) -> tuple[Path, Manifest | None]:
    """Where the images are, and the manifest that they are of, if any."""
    path = Path(data)
    is_named = not path.exists() and _DIGITS.fullmatch(data) is not None
    if is_named or (path.exists() and (is_project(path) or manifest_file(path) is not None)):
        manifest = read_manifest(find_manifest(data, project))
        if manifest.path.parents[1] != manifests_path(manifest.project):
            raise DataError(f"{manifest.path}: lies in no project; name one at PROJECT/manifests/<fingerprint>/")
        return manifest.path, manifest
    return path, None


def _without(manifest: Manifest, paths: set[str], config: DecontaminateConfig) -> Manifest:
    """The manifest with the photos at `paths` rejected; itself where there are none."""
    if not paths:
        return manifest
    decisions = [
        one.lost(Reason.TEST_COPY) if one.is_kept and one.path in paths else one
        for one in decisions_of(manifest.table)
    ]
    if not any(one.is_kept for one in decisions):
        raise DataError(f"{manifest.path}: all of its photos are copies of test images; collect others")
    header: Mapping[str, str] = json.loads(manifest.table.schema.metadata[METADATA_KEY])
    return write_manifest(
        manifest.project,
        table_of(decisions),
        manifest.all_classes,
        config=config.as_json(),
        catalogue_fingerprint=header["catalogue_fingerprint"],
        parent=manifest.fingerprint,
        reviewed=manifest.reviewed,
    )


def _write(folder: Path, certificate: Certificate, found: Decontamination) -> None:
    """Beside the certificates of other test sets, in the place of one of the same.

    Where nothing is left to be left out, what says what was left out stays, with what people decided since.
    """
    before = read_certificates(folder)
    is_of_both = [one for one in before if one.matches(certificate.kept.digest, certificate.test.digest)]
    if is_of_both and not certificate.removed:
        if not certificate.decisions:
            return
        certificate = is_of_both[0].decided(certificate.decisions, certificate.for_review)
    others = [one for one in before if one.test.digest != certificate.test.digest]
    write_json(folder / FILE, [one.as_json() for one in (*others, certificate)])
    write_review(folder / REVIEW, [found])

"""The verb `noise`: a new manifest whose labels are wrong on purpose, with every change marked.

The manifest that it is made from is its parent and stays as it is. A row with another label says in
`injected_from` what it was; a photo that another one replaces stays as a rejected row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rawlabel.artifacts.decision import Decision, decisions_of, table_of
from rawlabel.artifacts.manifest import METADATA_KEY, Manifest, read_manifest, write_manifest
from rawlabel.artifacts.project import manifests_path
from rawlabel.config import NoiseConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.manifests.label_noise import Evidence, Injection, Labels, inject
from rawlabel.manifests.reading import find_manifest
from rawlabel.records import Reason, Split, Verdict


@dataclass(frozen=True)
class _SecondSet:
    """Photos of another manifest that the first one has not."""

    table: pa.Table
    labels: Labels


def write_noisy_manifest(config: NoiseConfig) -> tuple[Manifest, Injection]:
    """Inject noise into the kept rows of a manifest and write the result as a new one; the same call repeats it.

    Raises `ConfigError` for settings that do not fit, `DataError` for a manifest, features or a second set that do
    not, `PluginError` for an unknown kind, and `DiskError`.
    """
    if config.manifest is None:
        raise ConfigError("MANIFEST: name the manifest or its project, for example `rawlabel noise birds`")
    manifest = _of_a_project(config.manifest, config.project)
    kept = np.flatnonzero(pc.equal(manifest.table["verdict"], Verdict.KEPT.value).to_numpy())
    second = None if config.second is None else _second_set(config.second, manifest)
    injection = inject(
        _labels(manifest.table["class_id"].take(kept), manifest),
        len(manifest.classes),
        config.kind,
        config.rate,
        config.seed,
        options=config.option,
        evidence=Evidence(
            tuple(manifest.class_ids),
            tuple(spec.name for spec in manifest.classes),
            None if config.features is None else _features(config.features),
            None if second is None else second.labels,
        ),
    )
    if not injection.noisy.is_changed.any():
        raise DataError(f"{manifest.path}: --rate {config.rate} of {len(kept)} labels is none; raise --rate")
    decisions = _decisions(manifest, kept, injection, second)
    _refuse_collisions(manifest.path, decisions)
    header = json.loads(manifest.table.schema.metadata[METADATA_KEY])
    noisy = write_manifest(
        manifest.project,
        table_of(decisions),
        manifest.all_classes,
        config=config.as_json() | {"injected": injection.record()},
        catalogue_fingerprint=header["catalogue_fingerprint"],
        parent=manifest.fingerprint,
        reviewed=manifest.reviewed,
    )
    return noisy, injection


def _of_a_project(named: str, project: Path) -> Manifest:
    manifest = read_manifest(find_manifest(named, project))
    if manifest.path.parents[1] != manifests_path(manifest.project):
        raise DataError(f"{manifest.path}: lies in no project; name one at PROJECT/manifests/<fingerprint>/")
    if manifest.table["injected_from"].null_count < manifest.table.num_rows:
        parent = f" {manifest.parent[:12]}" if manifest.parent else ""
        raise DataError(f"{manifest.path}: holds injected noise already; start from its parent{parent}")
    return manifest


def _labels(class_ids: Any, manifest: Manifest) -> Labels:
    """Class indices; -1 for a class that the manifest does not list."""
    found = pc.fill_null(pc.index_in(class_ids, value_set=pa.array(manifest.class_ids, pa.string())), -1)
    return np.asarray(found.to_numpy(), dtype=np.int64)


def _features(path: Path) -> npt.NDArray[np.floating[Any]]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"--features {path}: is no .npy file of numbers; write it with numpy.save") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise DataError(f"--features {path}: is no array of real numbers; write one with numpy.save")
    return array.astype(np.float64)


def _second_set(named: str, first: Manifest) -> _SecondSet:
    """The kept photos of another manifest of the project that are not in the first one, each once."""
    second = _of_a_project(named, first.project)
    if second.project.resolve() != first.project.resolve():
        raise DataError(
            f"--second {second.path}: lies in another project, and its photos with it; collect them into "
            f"{first.project} too"
        )
    rows = second.kept()
    known = {*zip(first.table["source"].to_pylist(), first.table["photo_id"].to_pylist(), strict=True)}
    pixels = set(first.kept()["pixel_sha256"].to_pylist())
    new = []
    columns = (rows[name].to_pylist() for name in ("source", "photo_id", "pixel_sha256"))
    for place, (source, photo_id, digest) in enumerate(zip(*columns, strict=True)):
        if (source, photo_id) not in known and digest not in pixels:
            known.add((source, photo_id))
            pixels.add(digest)
            new.append(place)
    table = rows.take(pa.array(new, pa.int64()))
    return _SecondSet(table, _labels(table["class_id"], first))


def _decisions(
    manifest: Manifest, kept: npt.NDArray[np.int64], injection: Injection, second: _SecondSet | None
) -> list[Decision]:
    """All decisions, in their order, and behind them the photos of the second set that replace some."""
    decisions = list(decisions_of(manifest.table))
    added: list[Decision] = []
    for i in np.flatnonzero(injection.noisy.is_changed):
        place, other = int(kept[i]), int(injection.noisy.replaced_by[i])
        before = decisions[place]
        if other < 0:
            label = manifest.class_ids[injection.noisy.labels[i]]
            decisions[place] = replace(before, injected_from=before.class_id, class_id=label)
            continue
        assert second is not None
        new = next(decisions_of(second.table.slice(other, 1)))
        added.append(replace(new, class_id=before.class_id, injected_from=new.class_id))
        decisions[place] = before.lost(Reason.REPLACED, new.photo_id)
    return decisions + added


def _refuse_collisions(path: Path, decisions: list[Decision]) -> None:
    """Refuse a label event that stands there twice, a photo twice under a class, and a group on both sides."""
    events: set[tuple[str, ...]] = set()
    photos: set[tuple[str, ...]] = set()
    splits: dict[str | None, Split | None] = {}
    for one in decisions:
        photo = (*one.photo, one.class_id)
        if (event := (*photo, one.keyword)) in events or (one.is_kept and photo in photos):
            raise DataError(
                f"{path}: photo {one.photo_id} was found for several classes and would be under '{one.class_id}' "
                "twice; curate with --conflicts drop, and no keyword for two classes"
            )
        events.add(event)
        if one.is_kept:
            photos.add(photo)
            if splits.setdefault(one.group, one.split) != one.split:
                raise DataError(
                    f"{path}: the photos of {one.group} would be in training and in the holdout; curate both "
                    "manifests with the same --seed and --holdout"
                )

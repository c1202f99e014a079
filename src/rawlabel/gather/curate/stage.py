"""The stage `curate`: a catalogue in, a manifest of decisions out. No label is ever edited.

The order of the checks is part of their meaning (a placeholder must not survive as the first of its
duplicates), so it is written out here and is not configurable:

1. downloads that failed keep their reason; what its site was found to have taken down since, or to have given a
   license that is not among those asked for (`rawlabel prune`), is left out;
2. files that cannot be decoded, are placeholders, too small or too large are rejected;
3. a photo found for one class under a second keyword, or by a second source, counts once;
4. a photo or equal pixels under several classes are a contradiction of labels (`--cross-class`);
5. of equal pixels within one class the first found stays;
6. of near copies on different sites, within one class, the first found stays;
7. what is left is kept and split into training and holdout by author, so that no class has too few on a side.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.image_check import Decoded, check_image
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import SCHEMA, Manifest, write_manifest
from rawlabel.artifacts.presence import decided_again
from rawlabel.artifacts.project import catalogue_path
from rawlabel.artifacts.split import splits_of
from rawlabel.base.progress import progress
from rawlabel.config import CurateConfig
from rawlabel.errors import DataError
from rawlabel.gather.curate.placeholders import is_placeholder
from rawlabel.gather.curate.same_picture import Names, near_copies, own_name, photo_names
from rawlabel.records import Reason, Status, Verdict


def curate(config: CurateConfig) -> Manifest:
    """Decide about every label event of the project's catalogue and freeze the decisions.

    A class of which nothing is left is left out, which the manifest says. Raises `DataError` when there is no
    catalogue or no class has anything left, and `DiskError`.
    """
    with Catalogue(catalogue_path(config.project)) as catalogue:
        candidates = list(catalogue.candidates())
        classes = catalogue.classes()
        fingerprint = catalogue.fingerprint()
    if not candidates:
        raise DataError(f"{config.project}: the catalogue holds no photos; run `rawlabel collect` again")
    photos = ProjectPhotos(config.project)
    rows = decide(candidates, _decode_all(candidates, photos, config), config)
    for row in rows:
        if row["stored_sha256"]:
            row["path"] = photos.name(row["stored_sha256"], row["media_type"])
    if not any(row["verdict"] == Verdict.KEPT for row in rows):
        raise DataError(
            f"{config.project}: no photo of any class is left; collect more, or loosen --min-side ({_most(rows)})"
        )
    return write_manifest(
        config.project, rows, classes, config=config.as_json(), catalogue_fingerprint=fingerprint
    )


def _most(rows: list[dict[str, Any]]) -> str:
    """The most frequent reasons in words."""
    counts = Counter(row["reason"] for row in rows)
    return "; ".join(f"{count:,}: {Reason(reason).describe()}" for reason, count in counts.most_common(3))


def decide(candidates: list[Candidate], decoded: dict[str, Decoded], config: CurateConfig) -> list[dict[str, Any]]:
    """One manifest row a candidate, in order; `decoded` maps SHA-256 of the bytes to what decoding found."""
    rows = [decided_again(_row(candidate, decoded), candidate.last_seen) for candidate in candidates]
    names = photo_names(rows)
    _reject_placeholders(rows, candidates, config.placeholder_copies, names)
    _reject_same_photo(rows, names)
    _settle_cross_class(rows, names, config.cross_class)
    _reject_exact_duplicates(rows)
    for row, earlier in list(near_copies([row for row in rows if row["verdict"] == Verdict.KEPT])):
        _reject(row, Reason.NEAR_DUPLICATE, earlier["photo_id"])
    kept = [row for row in rows if row["verdict"] == Verdict.KEPT]
    groups, classes = ([row[name] for row in kept] for name in ("group", "class_id"))
    for row, split in zip(kept, splits_of(groups, classes, config.seed, config.holdout), strict=True):
        row["split"] = split
    return rows


def _decode_all(candidates: list[Candidate], photos: ProjectPhotos, config: CurateConfig) -> dict[str, Decoded]:
    objects = {
        digest: one.outcome.media_type or ""
        for one in candidates
        if (digest := one.outcome.stored_sha256) and not (one.last_seen and one.last_seen.reason)
    }
    decoded: dict[str, Decoded] = {}
    with ThreadPoolExecutor(config.workers) as pool, progress("checking photos", len(objects)) as task:
        names = (photos.name(digest, media_type) for digest, media_type in objects.items())
        limits = (config.min_side, config.max_megapixels)
        found = pool.map(lambda name: check_image(photos.read(name), *limits), names)
        try:
            for digest, one in zip(objects, found, strict=True):
                decoded[digest] = one
                task.advance()
        except BaseException:
            # Whoever stops this does not want to wait for all the others.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return decoded


def _row(candidate: Candidate, decoded: dict[str, Decoded]) -> dict[str, Any]:
    event, photo, outcome = candidate.event, candidate.photo, candidate.outcome
    image = decoded.get(outcome.stored_sha256 or "", Decoded())
    verdict, reason = Verdict.KEPT, image.reason
    if outcome.status is not Status.FETCHED:
        reason = outcome.reason or Reason.NOT_FETCHED
        verdict = reason.verdict
    elif reason is not None:
        verdict = Verdict.REJECTED
    row = {name: value for part in (event, photo, outcome) for name, value in asdict(part).items()}
    # One author's series holds near copies; they must not straddle training and holdout.
    group = f"{event.source}:{photo.author_id}" if photo.author_id else image.pixel_sha256 or photo.photo_id
    row |= {
        "part": candidate.bounds,
        "verdict": verdict.value,
        "reason": reason.value if reason else None,
        "duplicate_of": None,
        "group": group,
        "split": None,
        "injected_from": None,
        "path": None,
        "pixel_sha256": outcome.pixel_sha256 or image.pixel_sha256,
        "perceptual_hash": outcome.perceptual_hash or image.perceptual_hash,
        # The size of what is stored; what the host sent may have been larger.
        "width": image.width,
        "height": image.height,
        "searched_at": candidate.searched_at,
        "license_read_at": candidate.found_at,
        "fetched_at": candidate.fetched_at,
    }
    return {name: row[name] for name in SCHEMA.names}


def _kept_by_pixels(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows that are still kept, in groups of equal pixels."""
    groups = defaultdict(list)
    for row in rows:
        if row["verdict"] == Verdict.KEPT:
            groups[row["pixel_sha256"]].append(row)
    return list(groups.values())


def _reject(row: dict[str, Any], reason: Reason, duplicate_of: str | None = None) -> None:
    row["verdict"], row["reason"], row["duplicate_of"] = Verdict.REJECTED.value, reason.value, duplicate_of


def _reject_placeholders(
    rows: list[dict[str, Any]], candidates: list[Candidate], copies: int, names: Names
) -> None:
    sizes = {own_name(row): (one.photo.width, one.photo.height) for row, one in zip(rows, candidates, strict=True)}
    for group in _kept_by_pixels(rows):
        if is_placeholder(group, copies, names, sizes):
            for row in group:
                _reject(row, Reason.PLACEHOLDER)


def _reject_same_photo(rows: list[dict[str, Any]], names: Names) -> None:
    first: dict[tuple[str, str], str] = {}
    for row in rows:
        if row["verdict"] != Verdict.KEPT:
            continue
        key = (names.of(own_name(row)), row["class_id"])
        if key in first:
            _reject(row, Reason.SAME_PHOTO, first[key])
        else:
            first[key] = row["photo_id"]


def _settle_cross_class(rows: list[dict[str, Any]], names: Names, policy: str) -> None:
    if policy == "keep":
        return
    groups = defaultdict(list)
    for row in rows:
        if row["verdict"] == Verdict.KEPT:
            names.join(own_name(row), f"pixels:{row['pixel_sha256']}")
    for row in rows:
        # A photo whose bytes came by another source may say another class than that one does.
        if row["verdict"] == Verdict.KEPT or row["reason"] == Reason.SAME_PHOTO:
            groups[names.of(own_name(row))].append(row)
    for group in groups.values():
        kept = [row for row in group if row["verdict"] == Verdict.KEPT]
        if len({row["class_id"] for row in group}) == 1 or not kept:
            continue
        for row in kept:
            if policy == "reject" or row["class_id"] != kept[0]["class_id"]:
                _reject(row, Reason.CROSS_CLASS, kept[0]["photo_id"])


def _reject_exact_duplicates(rows: list[dict[str, Any]]) -> None:
    for group in _kept_by_pixels(rows):
        first: dict[str, str] = {}
        for row in group:
            if row["class_id"] in first:
                _reject(row, Reason.EXACT_DUPLICATE, first[row["class_id"]])
            else:
                first[row["class_id"]] = row["photo_id"]

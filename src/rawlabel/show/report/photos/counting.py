"""What is counted over all label events in one pass: photos, their licenses, pictures of several classes.

A few numbers are kept of each event, never its texts, so that a million of them take some tens of megabytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rawlabel.artifacts.manifest_rows import ManifestRows
from rawlabel.records import Reason, Verdict

_PHOTO = ["source", "photo_id"]
_LICENSE = ["license_name", "license_url", "license_id"]
License = tuple[str | None, str | None, str | None]
"""Name, address and id, as the source states them."""


@dataclass(frozen=True)
class Counted:
    """Counts of a manifest's photos."""

    photos: int
    """Different photos; one found twice counts once."""
    licenses: Mapping[License, int]
    """Kept photos by license; a photo that is kept for two classes counts once."""
    shared: list[Mapping[str, set[str]]]
    """Of each picture that several classes have: the ids of its photos by class. Placeholders are left out, which
    would tie every class to every other."""


def count_photos(rows: ManifestRows) -> Counted:
    """Read a manifest once, and of pictures that may be shared the rows again. Raises `DataError`."""
    codes: dict[License, int] = {}
    photos, pictures, classes, licenses = [_NONE], [_NONE], [_NONE], [_NONE]
    columns = [*_PHOTO, "pixel_sha256", "class_id", "verdict", "reason", *_LICENSE]
    for batch in rows.batches(columns):
        photo = _names(batch)
        photos.append(_numbers(photo))
        is_placeholder = pc.fill_null(pc.equal(batch["reason"], Reason.PLACEHOLDER.value), False)
        picture = _numbers(_pictures(batch, photo))
        # A number that is a photo's own is no other's.
        pictures.append(np.where(is_placeholder.to_numpy(zero_copy_only=False), photos[-1], picture))
        classes.append(_numbers(batch["class_id"]))
        kept = pc.equal(batch["verdict"], Verdict.KEPT.value).to_numpy(zero_copy_only=False)
        licenses.append(np.where(kept, _license_codes(batch, codes), -1))
    photo_of, license_of = np.concatenate(photos), np.concatenate(licenses)
    is_kept = license_of >= 0
    return Counted(
        len(np.unique(photo_of)),
        _count_licenses(photo_of[is_kept], license_of[is_kept], list(codes)),
        _shared(rows, np.concatenate(pictures), np.concatenate(classes)),
    )


_NONE: NDArray[np.int64] = np.zeros(0, np.int64)


def _names(batch: pa.RecordBatch) -> pa.Array:
    return pc.binary_join_element_wise(batch["source"], batch["photo_id"], ":")


def _pictures(batch: pa.RecordBatch | pa.Table, photo: pa.Array) -> pa.Array:
    """The same photo has the same pixels; one that could not be decoded is known by its id alone."""
    return pc.coalesce(batch["pixel_sha256"], photo)


def _numbers(texts: pa.Array) -> NDArray[np.int64]:
    """Python's hashes: of a billion texts, two are given one number with a probability of 3 %."""
    return np.fromiter(map(hash, texts.to_pylist()), np.int64, len(texts))


def _license_codes(batch: pa.RecordBatch, codes: dict[License, int]) -> NDArray[np.int64]:
    """The license of each row as a number, the same for the same license in all batches."""
    found = [batch[name].dictionary_encode() for name in _LICENSE]
    places = np.stack([pc.fill_null(one.indices, -1).to_numpy().astype(np.int64) for one in found])
    distinct, of_row = np.unique(places, axis=1, return_inverse=True)
    texts = [[*one.dictionary.to_pylist(), None] for one in found]
    numbers = [
        codes.setdefault((texts[0][name], texts[1][url], texts[2][license_id]), len(codes))
        for name, url, license_id in distinct.T.tolist()
    ]
    return np.array(numbers, np.int64)[of_row.reshape(-1)] if numbers else _NONE


def _count_licenses(
    photos: NDArray[np.int64], licenses: NDArray[np.int64], names: list[License]
) -> dict[License, int]:
    order = np.lexsort((licenses, photos))
    photos, licenses = photos[order], licenses[order]
    is_new = np.ones(len(photos), bool)
    is_new[1:] = (np.diff(photos) != 0) | (np.diff(licenses) != 0)
    counts = np.bincount(licenses[is_new], minlength=len(names)).tolist()
    return {name: count for name, count in zip(names, counts, strict=True) if count}


def _shared(
    rows: ManifestRows, pictures: NDArray[np.int64], classes: NDArray[np.int64]
) -> list[Mapping[str, set[str]]]:
    """Look at those rows alone whose picture has the number of another class's."""
    order = np.lexsort((classes, pictures))
    picture_of, class_of = pictures[order], classes[order]
    several = picture_of[1:][(np.diff(picture_of) == 0) & (np.diff(class_of) != 0)]
    places = np.flatnonzero(np.isin(pictures, several))
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    if len(places):
        table = rows.take(places, [*_PHOTO, "pixel_sha256", "class_id", "reason"])
        table = table.filter(pc.fill_null(pc.not_equal(table["reason"], Reason.PLACEHOLDER.value), True))
        photo = _names(table)
        columns = _pictures(table, photo), table["class_id"], photo
        for picture, class_id, name in zip(*(one.to_pylist() for one in columns), strict=True):
            found[picture][class_id].add(name)
    return [one for one in found.values() if len(one) > 1]

"""What `rawlabel labels` leaves in the run directory of `report_project`, by its own code as far as it goes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.review.photo_groups import PhotoGroup, PhotoGroups
from rawlabel.artifacts.review.responsible_photos import FILE, Responsible, ResponsiblePhoto, ResponsiblePhotos
from rawlabel.base.files import write_json
from rawlabel.judge.label_evidence.ambiguity import find_ambiguous_classes
from rawlabel.judge.label_evidence.held_out import HeldOut, Pool
from rawlabel.judge.label_evidence.of_runs import describe


def label_evidence():
    """What `rawlabel labels` writes of the project's classes, by its own code."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    shown = np.where((labels == 0) & (rng.random(300) < 0.5), 1, labels)
    classes, photos = ("bus", "n00000002", "R&D <b>"), tuple(map(str, range(300)))
    held = HeldOut(classes, photos, labels, 0.05 + 0.85 * np.eye(3)[shown])
    pool = Pool.of([held])
    return describe(pool, find_ambiguous_classes(pool))


def write_label_evidence(run, manifest):
    """What `rawlabel labels` leaves in a run directory: three of the labels are doubted."""
    write_json(run / "label_evidence.json", label_evidence())
    kept = manifest.kept().select(["path", "class_id"]).to_pylist()
    rows = [(one["path"], one["class_id"], one["class_id"], 0.1) for one in kept if one["class_id"] != "bus"]
    buses = [one["path"] for one in kept if one["class_id"] == "bus"]
    rows += [(path, "bus", "n00000002" if i < 3 else "bus", 0.9 - i / 10) for i, path in enumerate(buses)]
    rows.sort(key=lambda row: -row[3])
    columns = dict(zip(("photo", "label", "preferred_class", "suspicion"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table({**columns, "basis": ["held_out"] * len(rows)}), run / "suspicion.parquet")


def write_groups(run, manifest):
    """What `labels` and `evaluate` leave where photos have features: two groups, and what taught one confusion."""
    paths = {}
    for one in manifest.kept().select(["path", "class_id"]).to_pylist():
        paths.setdefault(one["class_id"], []).append(one["path"])
    like = PhotoGroup(
        label="bus", looks_like="n00000002", suspicion=0.9, photos=tuple(paths["bus"][:3]), keywords={"bus <i>": 3}
    )
    stray = PhotoGroup(
        label="R&D <b>", looks_like=None, suspicion=0.8, photos=tuple(paths["R&D <b>"]), keywords={}
    )
    PhotoGroups(photos=30, suspected=8, scattered=2, groups=(like, stray)).write(run)
    near = tuple(
        ResponsiblePhoto(photo=path, test_photos=4 - i, likeness=0.5)
        for i, path in enumerate(paths["n00000002"][:3])
    )
    taught = Responsible(
        true_class="bus", predicted_class="n00000002", test_photos=("0-0.png",), training_photos=near
    )
    write_json(run / FILE, ResponsiblePhotos(confusions=(taught,)).as_json())

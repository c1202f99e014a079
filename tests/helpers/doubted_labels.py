"""What `rawlabel labels` leaves in the run directory of `report_project`, by its own code as far as it goes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.base.files import write_json
from rawlabel.judge.label_evidence.ambiguity import find_ambiguous_classes
from rawlabel.judge.label_evidence.held_out import HeldOut, Pool
from rawlabel.judge.label_evidence.noise_share import estimate_noise
from rawlabel.judge.label_evidence.of_runs import describe


def label_evidence():
    """What `rawlabel labels` writes of the project's classes, by its own code."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    shown = np.where((labels == 0) & (rng.random(300) < 0.5), 1, labels)
    classes, photos = ("bus", "n00000002", "R&D <b>"), tuple(map(str, range(300)))
    held = HeldOut(classes, photos, labels, 0.05 + 0.85 * np.eye(3)[shown])
    pool = Pool.of([held])
    return describe(held.class_ids, estimate_noise(pool, draws=20), find_ambiguous_classes(pool))


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

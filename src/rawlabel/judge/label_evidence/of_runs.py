"""Gather the evidence of finished runs: `rawlabel labels`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import softmax

from rawlabel.artifacts.class_overlap import class_overlap, pairs_to_tell
from rawlabel.artifacts.evidence.labels import EVIDENCE
from rawlabel.artifacts.manifest import Manifest, read_manifest
from rawlabel.artifacts.review.suspicion import SUSPICION
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.files import atomic_write, write_json
from rawlabel.base.metrics import confusion_matrix, top_confusions
from rawlabel.config import Device, LabelsConfig
from rawlabel.errors import ConfigError, DataError, RawlabelError
from rawlabel.judge.label_evidence import experience
from rawlabel.judge.label_evidence.ambiguity import ClassSigns, find_ambiguous_classes, shared_shares
from rawlabel.judge.label_evidence.by_agreement import AgreementEvidence, suspicion_by_agreement
from rawlabel.judge.label_evidence.evidence_records import (
    ConfusionRow,
    Described,
    FoundTogether,
    LabelEvidence,
)
from rawlabel.judge.label_evidence.groups import find_groups
from rawlabel.judge.label_evidence.held_out import Floats, HeldOut, Pool
from rawlabel.judge.label_evidence.noise_share import frequent_mistakes
from rawlabel.judge.label_evidence.suspicion import Suspicion, held_out_suspicion, training_suspicion
from rawlabel.records import Reason
from rawlabel.training.around.holdout import data_of_run, predict_holdout

MOST_IMAGES = 100_000
"""Images of a run whose labels are looked at without being asked for: more take long on a processor."""
_MOST_MISTAKES = 30
_Columns = dict[str, list[str] | list[int] | npt.NDArray[np.float64]]
"""Columns of `suspicion.parquet` by name."""


def gather_evidence(config: LabelsConfig) -> LabelEvidence:
    """Write `label_evidence.json` and `suspicion.parquet` into `config.out`, by default the first run.

    Where the first run is on the features of an encoder, `label_groups.json` too (`groups`).

    Returns what the JSON file holds. The runs must have the same classes; where they held out different photos,
    all of these count. Raises `ConfigError`, `DataError`, `CheckpointError`, `DiskError`.
    """
    if not config.runs:
        raise ConfigError("RUN: name finished run directories, for example `rawlabel labels project/runs/NAME`")
    runs = [RunDirectory.existing(path) for path in config.runs]
    pool = Pool.of([_held_out(run, config.device) for run in runs])
    manifest = _manifest(runs[0])
    signs = find_ambiguous_classes(pool, shared_photos(manifest, pool.runs[0].class_ids) if manifest else None)
    evidence: LabelEvidence = {
        **describe(pool, signs),
        "run_directories": [run.path.name for run in runs],
        "shared_photos_known": manifest is not None,
        "found_together": found_together(manifest) if manifest else [],
    }
    out = config.out or runs[0].path
    agreed = suspicion_by_agreement(runs[0], config.device)
    _write_suspicion(out / SUSPICION, pool, runs, agreed)
    if agreed is not None:
        find_groups(agreed, pool.runs[0].class_ids, _keywords(manifest)).write(out)
    write_json(out / EVIDENCE, evidence)
    return evidence


def add_label_evidence(path: Path) -> str:
    """Gather the evidence of the finished run in `path`, for a page that shows it if it can.

    Returns in a phrase why there is none, else nothing.
    """
    try:
        start = Run(path).last_start
        count = (start.training_images or 0) + (start.holdout_images or 0)
        if count > MOST_IMAGES:
            return f"its {count:,} images take long; `rawlabel labels {path}` looks at them"
        gather_evidence(LabelsConfig(runs=(path,)))
    except RawlabelError as error:
        return str(error)
    return ""


def describe(pool: Pool, signs: Sequence[ClassSigns]) -> Described:
    """The evidence as plain values; shares are from 0 to 1, and of wrong labels there is none (`experience`)."""
    class_ids = pool.runs[0].class_ids
    return {
        "classes": list(class_ids),
        "held_out_photos": len(pool.mean().labels),
        "runs": len(pool.runs),
        "caution": experience.IN_ALL,
        "confusions": _confusions(pool),
        "ambiguous_classes": [
            {
                "class": class_ids[one.class_index],
                "expected_damage": one.expected_damage,
                "signature": one.signature.value,
                "sibling": None if one.sibling is None else class_ids[one.sibling],
                "lost": one.lost,
                "to_sibling": one.to_sibling,
                "mass_deficit": one.mass_deficit,
                "second_mode": one.second_mode,
                "bimodality": one.bimodality,
                "shared": one.shared,
                "held_out_photos": one.photos,
            }
            for one in signs
        ],
    }


def _confusions(pool: Pool) -> list[ConfusionRow]:
    """Photos of one raw label whose first choice is another class.

    Those that the confident joint puts first come first, in its order, and then the most frequent.
    """
    pooled = pool.mean()
    taken = confusion_matrix(pooled.labels, pooled.probabilities.argmax(axis=1), len(pooled.class_ids))
    # The confident joint also has pairs that are no photo's first choice, which nobody could look at.
    order = [one for one in frequent_mistakes(pooled.labels, pooled.probabilities) if taken[one]]
    # Of few photos it is often diagonal, and says nothing of mistakes that can be counted.
    counted = [(one.true, one.predicted) for one in top_confusions(taken, _MOST_MISTAKES)]
    return [
        {
            "given": pooled.class_ids[given],
            "preferred": pooled.class_ids[preferred],
            "photos": int(taken[given, preferred]),
            "of": int(taken[given].sum()),
        }
        for given, preferred in list(dict.fromkeys([*order, *counted]))[:_MOST_MISTAKES]
    ]


def held_out_of(
    class_ids: Sequence[str], photos: Sequence[str], labels: Any, logits: Any, features: Any = None
) -> HeldOut:
    """Held-out predictions from logits [photos, classes]."""
    return HeldOut(
        tuple(class_ids),
        tuple(photos),
        np.asarray(labels, dtype=np.int64),
        softmax(np.asarray(logits, dtype=np.float64), axis=1),
        None if features is None else np.asarray(features, dtype=np.float64),
    )


def _held_out(run: RunDirectory, device: Device) -> HeldOut:
    output = predict_holdout(run, device)
    return held_out_of(output.class_ids, output.photos, output.labels, output.logits, output.features)


def _manifest(run: RunDirectory) -> Manifest | None:
    origin = data_of_run(run).origin
    file = origin / "manifest.parquet" if origin.is_dir() else origin
    return read_manifest(file) if file.name == "manifest.parquet" and file.is_file() else None


def _keywords(manifest: Manifest | None) -> dict[str, str]:
    """The keyword that brought each photo, by the name that a run calls it; empty without a manifest."""
    if manifest is None:
        return {}
    kept = manifest.kept()
    return dict(zip(kept["path"].to_pylist(), kept["keyword"].to_pylist(), strict=True))


def found_together(manifest: Manifest) -> list[FoundTogether]:
    """The pairs of classes whose searches find the same pictures, those worth telling."""
    return [
        {
            "classes": list(one.classes), "shared_photos": one.shared_photos, "copies": one.copies,
            "share": one.share, "says": one.describe(),
        }
        for one in pairs_to_tell(class_overlap(manifest.table))
    ]  # fmt: skip


def shared_photos(manifest: Manifest, class_ids: Sequence[str]) -> Floats:
    """Shares of pictures that searches for two classes returned, near copies included, curated away or not."""
    index = {class_id: i for i, class_id in enumerate(class_ids)}
    classes_of: dict[tuple[str, str], set[int]] = {}
    columns = ["source", "photo_id", "class_id", "reason", "pixel_sha256", "copy_group"]
    for row in manifest.table.select(columns).to_pylist():
        if row["reason"] != Reason.PLACEHOLDER.value and row["class_id"] in index:
            # Equal pixels, and copies of one picture, are one, under however many names.
            key = next(
                ((name, row[name]) for name in ("copy_group", "pixel_sha256") if row[name]),
                (row["source"], row["photo_id"]),
            )
            classes_of.setdefault(key, set()).add(index[row["class_id"]])
    found = Counter(one for classes in classes_of.values() for one in classes)
    pairs = Counter(pair for classes in classes_of.values() for pair in combinations(sorted(classes), 2))
    return shared_shares(
        [(first, second, count) for (first, second), count in pairs.items()],
        [found[i] for i in range(len(class_ids))],
    )


def _write_suspicion(
    path: Path, pool: Pool, runs: Sequence[RunDirectory], agreed: AgreementEvidence | None
) -> None:
    """One row a photo and label: by agreement, where the first run has features; else by predictions.

    Of these, held-out photos come first, and then those that the first run trained on and none held out. The
    scores of different kinds are not comparable, so each kind is ordered by itself.
    """
    pooled = pool.mean()
    if agreed is not None:
        found = _columns(agreed.photos, agreed.labels, agreed.suspicion, pooled.class_ids)
        count = len(agreed.photos)
        _write_sorted(path, pa.table(found | {"basis": ["agreement"] * count, "runs": [1] * count}))
        return
    held = _columns(pooled.photos, pooled.labels, held_out_suspicion(pooled), pooled.class_ids)
    held["basis"], held["runs"] = ["held_out"] * len(pooled.photos), pool.times_held_out().tolist()
    tables = [pa.table(held)]
    known = set(zip(pooled.photos, pooled.labels.tolist(), strict=True))
    trained = _training_columns(runs[0], known, pooled.class_ids)
    if trained:
        tables.append(pa.table(trained, schema=tables[0].schema))
    _write_sorted(path, pa.concat_tables(tables))


def _write_sorted(path: Path, table: pa.Table) -> None:
    table = table.sort_by([("basis", "ascending"), ("suspicion", "descending"), ("photo", "ascending")])
    with atomic_write(path) as stream:
        pq.write_table(table, stream)


def _training_columns(run: RunDirectory, known: set[tuple[str, int]], class_ids: Sequence[str]) -> _Columns | None:
    predictions = run.training_predictions()
    if predictions is None:
        return None
    data = data_of_run(run)
    photos, labels = data.train.names(), data.train.labels
    if predictions.shape[1] != len(photos):
        raise DataError(f"{run.path}: its training predictions are not of its photos; train again")
    until = run.summary().selected_epoch + 1
    suspicion = training_suspicion(predictions[:until], labels)
    rows = [i for i, key in enumerate(zip(photos, labels.tolist(), strict=True)) if key not in known]
    chosen = Suspicion(suspicion.preferred[rows], suspicion.self_confidence[rows], suspicion.score[rows])
    columns = _columns([photos[i] for i in rows], labels[rows], chosen, class_ids)
    return columns | {"basis": ["training"] * len(rows), "runs": [1] * len(rows)}


def _columns(photos: Sequence[str], labels: Any, suspicion: Suspicion, class_ids: Sequence[str]) -> _Columns:
    return {
        "photo": list(photos),
        "label": [class_ids[i] for i in labels],
        "preferred_class": [class_ids[i] for i in suspicion.preferred],
        "label_confidence": suspicion.self_confidence.astype(np.float64),
        "suspicion": suspicion.score.astype(np.float64),
    }

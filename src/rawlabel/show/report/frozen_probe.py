"""Simple classifiers on frozen features, which a probe measured, in rows beside the run's own result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rawlabel.artifacts.evidence.probe import Classifier, Probe, read_probes
from rawlabel.artifacts.run_records import Accuracy
from rawlabel.show.report.evidence import RunEvidence
from rawlabel.show.report.measuring import MeasureRun


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One classifier; accuracies as text."""

    classifier: str
    features: str
    raw_holdout: str
    test: str


@dataclass(frozen=True, slots=True)
class PeerSection:
    """The run itself, then its peers."""

    rows: list[PeerRow]
    remarks: list[str]
    confidence: str
    """Of the intervals, each value that occurs [percent]."""
    missing: list[str]
    """What has not been measured, and how it is."""


def make_peers(run: RunEvidence, measure: MeasureRun | None = None) -> PeerSection:
    """Read `probe.json` of the run; where that lacks the run's own features, `measure` them first.

    Raises `DataError` when the file is damaged, and what `measure` raises.
    """
    probes, why = read_probes(run.path), ""
    if not run.is_finished and not probes:
        return PeerSection([], [], "", ["not yet measured: the training is not finished"])
    if measure is not None and run.is_finished and not _has_own(probes, run):
        why = measure(run.path)
        probes = read_probes(run.path)
    rows = [_own_row(run)] if probes else []
    for probe in probes:
        linear, neighbors = probe.linear, probe.nearest_neighbors
        rows.append(_row(run, probe, f"linear, C = {linear.strength:g}", linear))
        rows.append(_row(run, probe, f"nearest neighbors, k = {neighbors.neighbors}", neighbors))
    confidences = {probe.confidence for probe in probes}
    if run.measurement:
        confidences.add(run.measurement.confidence)
    shown = " or ".join(f"{100 * one:g}" for one in sorted(confidences))
    remarks = list(dict.fromkeys(probe.remark for probe in probes))
    return PeerSection(rows, remarks, shown, _missing(probes, run, why))


def _has_own(probes: Sequence[Probe], run: RunEvidence) -> bool:
    """Whether the features of the run's chosen epoch are among the probes."""
    return any(probe.epoch is not None and probe.epoch == run.selected_epoch for probe in probes)


def _missing(probes: Sequence[Probe], run: RunEvidence, why: str) -> list[str]:
    """The rows that a reader should expect, and how to get them; `why` the own features could not be measured."""
    missing = []
    if not _has_own(probes, run):
        missing.append(f"the run's own features are not yet measured: {why or f'`rawlabel probe {run.path}`'}")
    if all(probe.epoch is not None for probe in probes):
        missing.append(
            "features that were trained elsewhere, the independent peer, are not yet measured: "
            f"`rawlabel probe {run.path} --backbone vit_small_patch14_dinov2` (a network that learned without "
            "labels) takes its weights from timm's hub, or, with `--weights FILE`, from a file"
        )
    return missing


def _own_row(run: RunEvidence) -> PeerRow:
    chosen = run.selected_epoch
    logged = next((one.holdout.acc1 for one in run.epochs if one.epoch == chosen), None)
    measured = run.measurement
    return PeerRow(
        "the run",
        f"trained, epoch {chosen}",
        "not logged" if logged is None else f"{logged:.2f} %",
        _accuracy(measured.selected.top1) if measured else "not yet measured",
    )


def _row(run: RunEvidence, probe: Probe, classifier: str, one: Classifier) -> PeerRow:
    test = _accuracy(one.test) if one.test else "not measured: no test set"
    measured = run.measurement
    if probe.test and measured and (probe.test.folder, probe.test.images) != (measured.folder, measured.images):
        test += f", on another test set: {probe.test.folder}"
    if probe.epoch is not None:
        origin = f"the run's own, epoch {probe.epoch}"
        if probe.epoch != run.selected_epoch:
            origin += ", which is no longer the chosen one; run `rawlabel probe` again"
    else:
        origin = f"{probe.backbone}, " + (
            f"weights of {probe.weights_file}" if probe.weights_file else f"{probe.origin} weights"
        )
        origin += f" ({probe.weights_sha256[:8]})"
    return PeerRow(classifier, origin, f"{one.raw_holdout_accuracy:.2f} %", test)


def _accuracy(one: Accuracy) -> str:
    return f"{one.accuracy:.2f} % ({one.interval[0]:.2f} to {one.interval[1]:.2f} %)"

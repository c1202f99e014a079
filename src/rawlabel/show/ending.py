"""The ten lines with which a chain from class names to a classifier ends, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rawlabel.artifacts.manifest import Manifest
from rawlabel.artifacts.review.suspicion import SUSPICION, count_doubts, read_doubts
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_records import EpochAccuracy, Measurement, Summary
from rawlabel.base.metrics import clopper_pearson
from rawlabel.errors import DataError

_MOST_CLASSES, _MOST_SUSPECTS = 20, 3


def collection_lines(manifest: Manifest, counts: Mapping[str, int], names: Sequence[str]) -> list[str]:
    """Four lines: what was asked for, found, thrown away with its reasons, and kept.

    `counts` are those of the catalogue, `names` the classes that were asked for.
    """
    funnel = manifest.funnel.total
    lost = sorted(
        ((count, loss.reason) for loss, count in funnel.losses.items()), key=lambda one: (-one[0], one[1])
    )
    without = [name for name in names if name not in set(manifest.class_ids)]
    nothing = f"; nothing was kept for {', '.join(without[:_MOST_CLASSES])}" if without else ""
    who = (
        manifest.reviewed.describe().removesuffix("; no label was edited")
        if manifest.reviewed.looked_at
        else ("nobody labelled any")
    )
    rest = f" and {len(names) - _MOST_CLASSES} more" if len(names) > _MOST_CLASSES else ""
    return [
        f"asked for     {len(names)} classes by name: {', '.join(names[:_MOST_CLASSES])}{rest}{nothing}",
        f"found         {funnel.found} search results, {counts['photos']} different photos",
        f"thrown away   {funnel.rejected} rejected and {funnel.failed} failed: "
        + ("; ".join(f"{count} {reason.replace('_', ' ')}" for count, reason in lost) or "none"),
        f"kept          {funnel.kept} photos with their raw labels; no label was edited, {who}",
    ]


def epoch_line(summary: Summary) -> str:
    """One line: which epoch of a finished run was chosen, and why."""
    return (
        f"epoch chosen  {summary.selected_epoch} of 0..{summary.last_epoch}, without clean labels: "
        f"{summary.why_selected()}"
    )


def test_lines(test: Measurement) -> list[str]:
    """Three lines about the test accuracy; two where the test set is not the one that was logged."""
    lines = [
        f"test accuracy {top1(test.selected)} at the chosen epoch, on {test.images} clean test images",
        f"              {top1(test.last)} at the last epoch ({test.last.epoch})",
    ]
    if test.oracle is not None:
        lines.append(
            f"              {top1(test.oracle)} at the oracle {_which(test.oracle)}, the best on the test "
            "set, which nobody could have chosen"
        )
    return lines


def _which(oracle: EpochAccuracy) -> str:
    return f"({oracle.where})" if oracle.weights else f"epoch ({oracle.epoch})"


def top1(one: EpochAccuracy) -> str:
    """A top-1 test accuracy [percent] with its interval, of one epoch."""
    lower, upper = one.top1.interval
    return f"{one.top1.accuracy:.2f} % [{lower:.1f}, {upper:.1f}]"


def accuracies(test: Measurement) -> tuple[float, float, float]:
    """Test top-1 [percent] at the chosen, the last and the oracle epoch, on the test set that a run logged."""
    assert test.oracle is not None
    return test.selected.top1.accuracy, test.last.top1.accuracy, test.oracle.top1.accuracy


def holdout_lines(run: Run) -> list[str]:
    """Two lines: how many held-out raw labels the classifier gives, with its interval, and what that says.

    Raises `DataError` where nothing was held out.
    """
    accuracy = next(one.holdout.acc1 for one in run.epochs if one.epoch == run.summary.selected_epoch)
    count = run.last_start.holdout_images
    if accuracy is None or not count:
        raise DataError(f"{run.path}: held nothing out; train again with --holdout above 0")
    correct = round(accuracy * count / 100)
    lower, upper = (100 * end for end in clopper_pearson(correct, count))
    return [
        f"held out      {100 * correct / count:.1f} % [{lower:.1f}, {upper:.1f}] of {count} held-out photos get "
        "their raw label",
        "              wrong raw labels count against it: it says which epoch is better, not how accurate the "
        "classifier is; --test FOLDER with clean photos would",
    ]


@dataclass(frozen=True)
class Suspect:
    """A photo whose raw label is doubted most, by a signal made of raw labels alone."""

    photo: str
    """Path in the project."""
    label: str
    likeliest: str


def suspects(run: Run, most: int = _MOST_SUSPECTS) -> list[Suspect]:
    """The photos to look at first, as `rawlabel labels` has listed them; none where it has not."""
    path = run.path / SUSPICION
    if not path.is_file():
        return []
    doubted = (one for one in read_doubts(path) if one.is_doubted)
    return [Suspect(one.photo, one.label, one.preferred_class) for one in islice(doubted, most)]


def suspect_line(run: Run, project: Path) -> str:
    """The photos whose raw labels are doubted most, by name."""
    named = "; ".join(
        f"{project / one.photo} ('{one.label}', more like '{one.likeliest}')" for one in suspects(run)
    )
    return f"look first at {named or 'no photo: no raw label is doubted'}"


def doubts_line(run: Run) -> str:
    """How many raw labels the evidence about them prefers another class to; else how to get it."""
    path = run.path / SUSPICION
    if not path.is_file():
        return "raw labels    none was doubted yet; `rawlabel labels` says which photos look like another class"
    doubted, total = count_doubts(path)
    return (
        f"raw labels    {doubted} of {total} photos look more like another class, which is no count of wrong "
        f"labels; all are in {path.name} of the run, the most doubtful first"
    )

"""Whether the test photos were kept out of the training photos, as the certificate says or does not."""

from __future__ import annotations

from dataclasses import dataclass

from rawlabel.artifacts.certificate import Certificate, read_certificates
from rawlabel.artifacts.run_records import Accuracy, Decontamination
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence


@dataclass(frozen=True, slots=True)
class CertificateSection:
    """What is certified about the run's data, and what lies beside the manifest without binding a run."""

    status: str
    """`decontaminated` or `not decontaminated`."""
    says: str
    tested: Decontamination | None
    accuracies: list[tuple[str, Accuracy]]
    """All test photos, those without a copy among the candidates, and those with one."""
    certificates: list[tuple[str, str, int, int, str]]
    """Of each: test set, what was done, pairs compared, pairs left to review, digest of the test set."""
    binds: str
    """What these certificates say of the accuracy on this page."""


def read_certificate(collection: CollectionEvidence, run: RunEvidence | None) -> CertificateSection:
    """Gather what is known; raises `DataError` when a certificate is damaged."""
    folders = [run.path] if run else []
    folders.append(collection.manifest.path.parent)
    found: list[Certificate] = []
    for folder in folders:
        found += [one for one in read_certificates(folder) if one not in found]
    measured = run.measurement if run else None
    tested = measured.decontamination if measured else None
    accuracies = [("all test photos", measured.selected.top1)] if measured else []
    if tested and tested.clean:
        accuracies.append(("test photos without a copy among the candidates", tested.clean))
    if tested and tested.overlap:
        accuracies.append(("test photos with a copy among the candidates", tested.overlap))
    return CertificateSection(
        tested.status if tested else "not decontaminated",
        tested.says if tested else _why_none(run),
        tested,
        accuracies,
        [_row(one) for one in found],
        _binds(run, tested),
    )


def _binds(run: RunEvidence | None, tested: Decontamination | None) -> str:
    if run is None or run.measurement is None:
        return "No accuracy has been measured of which it could speak."
    if tested is None:
        return "Whether it speaks of these photos and this test set was not looked at; `rawlabel evaluate` does."
    if tested.is_certified:
        return ""
    return "It speaks of other photos, or of another test set, so it says nothing of the accuracy on this page."


def _row(one: Certificate) -> tuple[str, str, int, int, str]:
    return one.test.place or "not named", one.describe(), one.pairs_compared, one.for_review, one.test.digest[:16]


def _why_none(run: RunEvidence | None) -> str:
    if run is None:
        return "there is no run to certify"
    if run.measurement is None:
        return "no test set has been measured"
    return "no certificate binds these photos to this test set, so copies of test photos may be among them"

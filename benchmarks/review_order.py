"""How many wrong photos a person finds in the first looks: in the review page's order, and in random order.

    python -m benchmarks.review_order PHOTOS WORK_FOLDER OUT_FOLDER [--seeds 0 1 2]

A simulated site serves PHOTOS (a folder a class) with search noise; it is collected and curated as any site. Of
the wrong photos that are kept, as many are taken out by chance (`curate --drop`) as leaves 200 in. Then a
classifier is trained (recipe transfer), `labels` says which raw labels it doubts, and a person who is never
mistaken, played by the site's truth, answers what the page asks. The truth is opened for the taking out and for
these answers alone.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import hypergeom

from rawlabel.artifacts.manifest import Manifest, newest_manifest, read_manifest
from rawlabel.artifacts.review.answers import Answer
from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.files import atomic_write, read_json, write_json
from rawlabel.cli.command import run
from rawlabel.config import CollectConfig, PhotoSiteConfig
from rawlabel.gather.collect.stage import collect
from rawlabel.show.review.index import evidence_of
from rawlabel.show.review.session import Session
from rawlabel.show.review.stage import open_session
from rawlabel_photo_site.web.server import running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite

PLANTED, NOISE, PER_CLASS = 200, 0.3, 200
LOOKS = (50, 100, 200, 400)


@dataclass(frozen=True)
class Found:
    """What one seed came to."""

    seed: int
    photos: int
    wrong: int
    found: Mapping[int, int]
    """Wrong photos found, by the number of looks, in the page's order."""
    by_chance: Mapping[int, tuple[float, int, int]]
    """Mean and central 95 % of what random order finds in as many looks."""


def is_wrong_of(manifest: Manifest, truth: Path) -> dict[tuple[str, str], bool]:
    """Whether the label of each kept photo is not what it shows, by photo id and class."""
    content = {name: one["content"] for name, one in read_json(truth, "the site's truth")["photos"].items()}
    kept = manifest.kept().select(["photo_id", "class_id"]).to_pylist()
    return {(row["photo_id"], row["class_id"]): content[row["photo_id"]] != row["class_id"] for row in kept}


def look(session: Session, is_wrong: Mapping[tuple[str, str], bool], ids: Sequence[str], looks: int) -> list[bool]:
    """Answer so many questions of the page by the truth; whether each was about a wrong photo, in their order.

    `ids` are the photo ids of the manifest's rows.
    """
    seen: list[bool] = []
    while len(seen) < looks and (questions := session.queue("suspects", 0).questions):
        card = questions[0].photos[0]
        wrong = is_wrong[ids[card.row], card.class_id]
        session.answer(secrets.token_hex(12), "suspects", {card.row: Answer.DROP if wrong else Answer.KEEP})
        seen.append(wrong)
    return seen


def chance(photos: int, wrong: int, looks: int) -> tuple[float, int, int]:
    """Mean and central 95 % of the wrong photos that random order finds."""
    law = hypergeom(photos, wrong, looks)
    low, high = law.interval(0.95)
    return float(law.mean()), int(low), int(high)


def _newest(project: Path) -> Manifest:
    path = newest_manifest(project)
    assert path is not None
    return read_manifest(path)


def _collect(photos: Path, project: Path, seed: int) -> None:
    settings = PhotoSiteConfig(photos=photos, seed=seed, noise=NOISE, per_class=PER_CLASS)
    site = PhotoSite.build(settings, NO_FAULTS)
    project.mkdir(parents=True)
    site.write_truth(project / "truth.json")
    classes = project / "classes.txt"
    classes.write_text("".join(f"{name}\n" for name in site.classes))
    with running(site) as served:
        given = CollectConfig(
            classes=classes, project=project, source=("flickr",), base_url=(served.base_url,), per_class=PER_CLASS,
            allow_loopback=True,
        )  # fmt: skip
        collect(given, api_key="any")


def measure(photos: Path, work: Path, seed: int) -> Found:
    """One seed, from the site to the answers."""
    project = work / f"seed-{seed}"
    if not project.exists():
        _collect(photos, project, seed)
    assert run(["curate", str(project)]) == 0
    manifest = _newest(project)
    wrong = sorted(name for name, is_wrong in is_wrong_of(manifest, project / "truth.json").items() if is_wrong)
    surplus = np.random.default_rng(seed).permutation(len(wrong))[PLANTED:]
    (project / "surplus.txt").write_text("".join(f"{wrong[i][0]}\n" for i in surplus))
    assert run(["curate", str(project), "--drop", str(project / "surplus.txt")]) == 0
    runs = project / "runs" / "looked"
    for arguments in (
        ["train", "--root", str(project), "--recipe", "transfer", "--outpath", str(runs), "--seed", str(seed)],
        ["labels", str(runs)],
    ):
        assert run(arguments) == 0
    manifest = _newest(project)
    is_wrong = is_wrong_of(manifest, project / "truth.json")
    (project / "review.jsonl").unlink(missing_ok=True)
    session = open_session(project, evidence_of(project, manifest.path))
    seen = look(session, is_wrong, manifest.table["photo_id"].to_pylist(), max(LOOKS))
    session.close()
    count, planted = len(is_wrong), sum(is_wrong.values())
    return Found(
        seed, count, planted, {n: sum(seen[:n]) for n in LOOKS}, {n: chance(count, planted, n) for n in LOOKS}
    )


def _page(found: Sequence[Found], about: Mapping[str, object]) -> str:
    lines = [
        "# What a person finds in the review page's order\n",
        f"Flower photos of a simulated site, search noise, {PLANTED} wrong photos among those kept; recipe "
        "transfer; the person is the site's truth, who is never mistaken. Wrong photos found after so many looks; "
        "in brackets what random order finds (mean, central 95 %).\n",
        "| seed | kept photos | wrong | " + " | ".join(f"{n} looks" for n in LOOKS) + " |",
        "|--:|--:|--:|" + "--:|" * len(LOOKS),
    ]
    for one in found:
        laws = [one.by_chance[n] for n in LOOKS]
        found_by = [one.found[n] for n in LOOKS]
        cells = [f"{k} ({mean:.0f}; {low} to {high})" for k, (mean, low, high) in zip(found_by, laws, strict=True)]
        lines.append(f"| {one.seed} | {one.photos} | {one.wrong} | " + " | ".join(cells) + " |")
    means = [f"{np.mean([one.found[n] for one in found]):.0f}" for n in LOOKS]
    lines.append("| mean | | | " + " | ".join(means) + " |")
    lines.append(f"\nCommit {about['commit']}, {about['hardware']}; `{about['command']}`.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    found = []
    for seed in given.seeds:
        found.append(measure(given.photos, given.work, seed))
        _write(given, found)


def _write(given: argparse.Namespace, found: Sequence[Found]) -> None:
    """Write what was measured so far."""
    environment = describe_environment()
    about: dict[str, object] = {
        "command": f"python -m benchmarks.review_order PHOTOS WORK OUT --seeds {' '.join(map(str, given.seeds))}",
        "commit": environment.commit, "hardware": environment.processor, "seeds": given.seeds,
        "python": environment.python, "packages": dict(environment.packages),
    }  # fmt: skip
    write_json(given.out / "order.json", about | {"found": [asdict(one) for one in found]})
    with atomic_write(given.out / "order.md") as stream:
        stream.write(_page(found, about).encode())


if __name__ == "__main__":
    main()

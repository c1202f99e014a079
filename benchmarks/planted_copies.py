"""Copies that a simulated site planted: what was found, and what leaving them out did to the test accuracy.

    python -m benchmarks.planted_copies digits WORK [--seeds 0 1 2 3 4]
    python -m benchmarks.planted_copies flowers WORK --data shared/data/flowers [--seeds 0 1 2 3 4]

Each seed has a site of its own with search noise, re-uploads, copies of test photos and faults, which is collected
as any site is. One collection is trained on three times by the recipe transfer: with all copies but those of equal
pixels (`curate --no-near-copies`, `train --overlap keep`), without near copies, and without copies of test photos
as well, which is what happens by default. The site's truth judges afterwards; nothing else reads it. A seed that
is done is not measured again; the tables go to results/measured/planted_copies.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rawlabel.artifacts.manifest import newest_manifest, read_manifest
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.artifacts.run_records import Environment
from rawlabel.base.files import atomic_write, read_json, write_json
from rawlabel.base.metrics import mean_interval
from rawlabel.cli.command import run
from rawlabel.config import CollectConfig, PhotoSiteConfig
from rawlabel.gather.collect.stage import collect
from rawlabel.judge.decontaminate.comparing import Settings
from rawlabel.judge.decontaminate.decontaminating import decontaminate
from rawlabel.judge.decontaminate.listing import shots_of
from rawlabel.judge.decontaminate.stage import read_pictures
from rawlabel.judge.evaluate.planted import PlantedCopies, find_planted
from rawlabel_photo_site.web.server import running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite

OUT = Path("results/measured/planted_copies")
NOISE, PER_CLASS, SIDE = 0.4, {"digits": 80, "flowers": 120}, {"digits": 160, "flowers": 96}
HEAD = ["--choose", "off", "--weighing", "soft", "--weight-decay", "0.03"]
"""One of the heads among which the recipe would choose; with small views, a seed takes a minute."""
ARMS = {
    "all kept": (["--no-near-copies"], ["--overlap", "keep"]),
    "without near copies": ([], ["--overlap", "keep"]),
    "without leaks either": ([], []),
}
"""What `curate` and `train` are told."""
_Json = dict[str, Any]


def main() -> None:
    """Measure the seeds, and write the tables after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", choices=tuple(PER_CLASS))
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", type=Path, help="folder of flowers, with train/ and test/")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--without-training", action="store_true", help="count what is found alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    asked = parser.parse_args()
    # Before the first table is written, which changes the tree.
    known, rows = describe_environment(), []
    for seed in asked.seeds:
        done = asked.work / f"{asked.site}-{seed}.json"
        if not done.is_file():
            write_json(done, measure(asked, seed))
        rows.append(read_json(done, "what a seed came to"))
        write(asked, rows, known)


def measure(asked: argparse.Namespace, seed: int) -> _Json:
    """One seed: its collection, and all arms on it."""
    project = asked.work / f"{asked.site}-{seed}"
    if not (project / "collected").exists():
        gather(asked, project, seed)
        (project / "collected").touch()
    test = project / "test" if asked.site == "digits" else asked.data / "test"
    if asked.without_training:
        return {"seed": seed, "arms": {list(ARMS)[-1]: found_alone(project, test, seed)}}
    arms = {}
    for name, (curate, train) in ARMS.items():
        out = project / "runs" / name.replace(" ", "_")
        encoder = ["--encoder", f"efficientnet_lite0@{SIDE[asked.site]}"]
        common = ["--root", str(project), "--test", str(test.absolute()), "--recipe", "transfer", *encoder, *HEAD]
        for command in (
            ["curate", str(project), "--seed", str(seed), *curate],
            ["train", *common, "--outpath", str(out), "--seed", str(seed), *train],
            ["evaluate", str(out)],
        ):
            assert run(command) == 0, command
        arms[name] = arm(project, Run(out))
    return {"seed": seed, "arms": arms}


def found_alone(project: Path, test: Path, seed: int) -> _Json:
    """What curating and decontaminating find by default, as a training would, without one and without canaries."""
    assert run(["curate", str(project), "--seed", str(seed)]) == 0
    path = newest_manifest(project)
    assert path is not None
    candidates, tests = read_pictures(path, 200), read_pictures(test, 200)
    names = [candidates.name(row) for row in range(len(candidates))]
    found = decontaminate(
        candidates, tests, project / "features", shots=shots_of(path, names), settings=Settings(canaries=False)
    )
    left_out = [names[row] for row in found.left_out.tolist()]
    manifest = read_manifest(path)
    planted = find_planted(manifest, project / "truth.json", left_out)
    assert planted is not None
    return {"kept": manifest.kept().num_rows, "left out": len(left_out), "planted": counts(planted)}


def gather(asked: argparse.Namespace, project: Path, seed: int) -> None:
    """Serve the seed's site and collect all of it."""
    is_digits = asked.site == "digits"
    project.mkdir(parents=True, exist_ok=True)
    settings = PhotoSiteConfig(
        seed=seed, noise=NOISE, per_class=PER_CLASS[asked.site],
        photos=None if is_digits else asked.data / "train", test_photos=None if is_digits else asked.data / "test",
    )  # fmt: skip
    site = PhotoSite.build(settings, NO_FAULTS)
    site.write_truth(project / "truth.json")
    if is_digits:
        site.write_test_set(project / "test")
    (project / "classes.txt").write_text("".join(f"{name}\n" for name in site.classes))
    with running(site) as served:
        given = CollectConfig(
            classes=project / "classes.txt", project=project, source=("flickr",), base_url=(served.base_url,),
            image_size=64 if is_digits else 128, per_class=4000, allow_loopback=True,
        )  # fmt: skip
        collect(given, api_key="any")


def arm(project: Path, trained: Run) -> _Json:
    """What one training saw, and how often it was right."""
    path = newest_manifest(project)
    assert path is not None and trained.summary.test is not None
    manifest = read_manifest(path)
    left_out = trained.left_out_copies
    planted = find_planted(manifest, project / "truth.json", left_out.images if left_out else ())
    assert planted is not None
    measured = trained.summary.test
    split = measured.decontamination
    return {
        "kept": manifest.kept().num_rows, "left out": len(left_out.images) if left_out else 0,
        "planted": counts(planted),
        "all": measured.selected.top1.accuracy,
        "clean": split.clean.accuracy if split and split.clean else None,
        "overlap": [split.overlap.correct, split.overlapping] if split and split.overlap else [0, 0],
    }  # fmt: skip


def counts(planted: PlantedCopies) -> dict[str, int]:
    """As the table has them."""
    return {
        "second uploads": planted.reuploads.total, "second uploads found": planted.reuploads.found,
        "other near copies": planted.other_copies,
        "leaks": planted.leaks.total, "leaks found": planted.leaks.found, "other leaks": planted.other_leaks,
    }  # fmt: skip


def write(asked: argparse.Namespace, rows: Sequence[_Json], known: Environment) -> None:
    """Write both tables of a site."""
    about = {
        "command": f"python -m benchmarks.planted_copies {asked.site} WORK"
        + (" --data FLOWERS" if asked.data else "") + f" --seeds {' '.join(str(one['seed']) for one in rows)}",
        "commit": known.commit, "processor": known.processor, "python": known.python,
        "packages": dict(known.packages),
    }  # fmt: skip
    write_json(
        asked.out / f"{asked.site}.json",
        about | {"noise": NOISE, "per_class": PER_CLASS[asked.site], "rows": rows},
    )
    with atomic_write(asked.out / f"{asked.site}.md") as stream:
        stream.write("\n".join(page(asked.site, rows, about)).encode())


def page(site: str, rows: Sequence[_Json], about: _Json) -> list[str]:
    """The tables of a site."""
    last = list(ARMS)[-1]
    lines = [
        f"# Planted copies of the simulated site of {site}: found, missed, and what they are worth", "",
        f"{PER_CLASS[site]} photos a class, {100 * NOISE:.0f} % search noise. Found by what happens by default, "
        "against the site's truth. A second upload is found where it and its original, in one class, are not both "
        "kept; a leak is a copy of a test photo, found where it is not trained on. `others` were left out, though "
        "the site knows of no copy.", "",
        "| seed | kept | second uploads | found | missed | others | leaks | found | missed | others |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    sums = [0] * 8
    for one in rows:
        found = one["arms"][last]["planted"]
        numbers = [*_four(found, "second uploads", "other near copies"), *_four(found, "leaks", "other leaks")]
        sums = [a + b for a, b in zip(sums, numbers, strict=True)]
        lines.append(f"| {one['seed']} | {one['arms'][last]['kept']} | {' | '.join(map(str, numbers))} |")
    lines += [f"| all | | {' | '.join(map(str, sums))} |", ""]
    trained = [one for one in rows if len(one["arms"]) == len(ARMS)]
    return [*lines, *(_accuracies(site, trained) if trained else []), *_about(about)]


def _accuracies(site: str, rows: Sequence[_Json]) -> list[str]:
    """The table of the seeds that were trained on."""
    lines = [
        f"Test accuracy [%] by the recipe transfer on views of {SIDE[site]} pixels, with one head "
        f"(`{' '.join(HEAD)}`), on all test photos and, in brackets, on those of which the pass found no copy; "
        "mean and 95 % interval (Student's t) of several seeds, also of the differences within a seed.", "",
        f"| seed | {' | '.join(ARMS)} |", "|--:|" + "--:|" * len(ARMS),
    ]  # fmt: skip
    for one in rows:
        cells = [
            f"{a['all']:.2f} ({'–' if a['clean'] is None else format(a['clean'], '.2f')})" for a in _arms(one)
        ]
        lines.append(f"| {one['seed']} | {' | '.join(cells)} |")
    first, second, third = ([one["arms"][name]["all"] for one in rows] for name in ARMS)
    return [
        *lines, f"| mean | {_mean(first)} | {_mean(second)} | {_mean(third)} |", "",
        f"- leaving out near copies: {_mean([b - a for a, b in zip(first, second, strict=True)], '+')} points",
        f"- leaving out leaks as well: {_mean([b - a for a, b in zip(second, third, strict=True)], '+')} points",
    ]  # fmt: skip


def _about(about: _Json) -> list[str]:
    return [f"- {name}: {about[name]}" for name in ("command", "commit", "processor")] + [""]


def _arms(row: _Json) -> list[_Json]:
    return [row["arms"][name] for name in ARMS]


def _four(found: dict[str, int], kind: str, others: str) -> list[int]:
    return [found[kind], found[f"{kind} found"], found[kind] - found[f"{kind} found"], found[others]]


def _mean(values: Sequence[float], sign: str = "") -> str:
    value, half_width = mean_interval(list(values))
    return f"{value:{sign}.2f}" + (f" ± {half_width:.2f}" if half_width is not None else "")


if __name__ == "__main__":
    main()

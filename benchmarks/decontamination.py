"""How well copies of test images are found: people's near-duplicates of CIFAR-10, and canaries on flower photos.

    python benchmarks/decontamination.py cifar10 --data DATA            # 50,000 x 10,000, whole and mirrored
    python benchmarks/decontamination.py cifar10 --data DATA --crops    # with crops, of the judged test images
    python benchmarks/decontamination.py flowers --data DATA            # canaries, and each stage switched off

DATA holds `cifar10n/` and `flowers/`. Each part of the work is kept in --work, so that a stopped run goes on; with
--minutes it stops by itself and says so. Results go to results/measured/decontamination/.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.files import atomic_write, write_json
from rawlabel.base.metrics import clopper_pearson
from rawlabel.images.input import InputRequest, read_input
from rawlabel.judge.decontaminate.comparing import AUTOMATIC_CORRELATION, Settings
from rawlabel.judge.decontaminate.correlation import correlate
from rawlabel.judge.decontaminate.decontaminating import decontaminate
from rawlabel.judge.decontaminate.kept_fingerprints import Fingerprints, KeptFingerprints
from rawlabel.judge.decontaminate.probes import SMALL_PROBES

OUT = Path("results/measured/decontamination")
STAGES = ("equal", "identity", "flip", "trim", "square", "centre", "grid", "verification")
_SLICE, _DEPTHS, _LISTED = 1000, (1, 10, 100), 100


def main() -> None:
    """Measure one of the two, and write its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("what", choices=("cifar10", "flowers"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("build/decontamination"))
    parser.add_argument("--crops", action="store_true")
    parser.add_argument("--minutes", type=float, default=1e9)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    (measure_cifar10 if asked.what == "cifar10" else measure_flowers)(asked)


@dataclass(frozen=True)
class Pairs:
    """Pairs of a training and a test row that people judged: 1 near-duplicate, 2 very similar."""

    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    judgment: npt.NDArray[np.int64]

    @classmethod
    def read(cls, path: Path) -> Pairs:
        """The pairs of ciFAIR (Barz and Denzler, 2020)."""
        with path.open(newline="") as stream:
            rows = np.array([[int(one) for one in row] for row in list(csv.reader(stream))[1:]], dtype=np.int64)
        return cls(rows[:, 0], rows[:, 1], rows[:, 2])


def measure_cifar10(asked: argparse.Namespace) -> None:
    """Where the judged training image stands in the list of each test image."""
    sides: list[Fingerprints] = []
    started = time.perf_counter()
    with KeptFingerprints.open(asked.work) as kept:
        for part, columns in (("train", "aggregate_label"), ("test", "clean_label")):
            request = InputRequest(part, label_column=columns)
            found = read_input(asked.data / "cifar10n" / f"{part}.parquet", request)
            sides.append(kept.of(found.images.source, f"fingerprints of {part} images"))
    reading = time.perf_counter() - started
    pairs = Pairs.read(asked.data / "cifar10n" / "near_duplicates.csv")
    rows = np.unique(pairs.test) if asked.crops else np.arange(len(sides[1]))
    probes = SMALL_PROBES if asked.crops else SMALL_PROBES[:2]
    listed, likest, seconds = _in_slices(asked, sides, rows, len(probes))
    places = {row: place for place, row in enumerate(rows.tolist())}
    ranks = np.array(
        [
            next((rank for rank, one in enumerate(listed[places[test]].tolist()) if one == train), _LISTED)
            for train, test in zip(pairs.train.tolist(), pairs.test.tolist(), strict=True)
        ]
    )
    name = "cifar10_crops" if asked.crops else "cifar10"
    table = [
        _row(label, ranks[mask])
        for label, mask in (("near-duplicates", pairs.judgment <= 1), ("all judged pairs", pairs.judgment <= 2))
    ]
    facts = {
        "training_images": len(sides[0]), "test_images": len(rows), "probes": [one.name for one in probes],
        "correlations": len(sides[0]) * len(rows) * len(probes), "seconds": round(seconds, 1),
        "seconds_of_fingerprints": round(reading, 1),
        "training_images_left_out": int((likest >= AUTOMATIC_CORRELATION).sum()), "rows": table,
    }  # fmt: skip
    _write(name, facts, ["| pairs | number | in the first 1 | first 10 | first 100 |", "|---|--:|--:|--:|--:|"] + [
        f"| {one['pairs']} | {one['number']} | " + " | ".join(str(one[str(depth)]) for depth in _DEPTHS) + " |"
        for one in table
    ])  # fmt: skip


def _in_slices(
    asked: argparse.Namespace, sides: Sequence[Fingerprints], rows: npt.NDArray[np.int64], num_probes: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], float]:
    """The listed candidates of each test row, the best correlation of each candidate, and the seconds it took."""
    began, parts = time.perf_counter(), []
    for start in range(0, len(rows), _SLICE):
        path = asked.work / f"slice-{num_probes}-{len(rows)}-{start}.npz"
        if not path.exists():
            if time.perf_counter() - began > 60 * asked.minutes:
                sys.exit(f"stopped before test image {start}; the same command goes on")
            clock = time.perf_counter()
            tests = sides[1].rows["thumbnail"][rows[start : start + _SLICE]]
            nearest, likest = correlate(tests, sides[0].rows["thumbnail"], SMALL_PROBES[:num_probes], _LISTED)
            with atomic_write(path) as stream:
                taken = time.perf_counter() - clock
                np.savez(stream, listed=nearest.candidates, likest=likest.correlations, seconds=taken)
        parts.append(dict(np.load(path)))
    listed = np.concatenate([one["listed"] for one in parts])
    likest = np.max([one["likest"] for one in parts], axis=0)
    return listed, likest, float(sum(one["seconds"] for one in parts))


def _row(label: str, ranks: npt.NDArray[np.int64]) -> dict[str, str | int]:
    row: dict[str, str | int] = {"pairs": label, "number": len(ranks)}
    for depth in _DEPTHS:
        found = int((ranks < depth).sum())
        lower, upper = clopper_pearson(found, len(ranks))
        row[str(depth)] = f"{100 * found / len(ranks):.1f} % [{100 * lower:.1f}, {100 * upper:.1f}]"
    return row


def measure_flowers(asked: argparse.Namespace) -> None:
    """Canaries caught among the flower photos, with every stage and with each switched off."""
    train, test = (
        read_input(asked.data / "flowers" / part, InputRequest(part)).images.source for part in ("train", "test")
    )
    table = []
    for stage in (None, *STAGES):
        clock = time.perf_counter()
        without = frozenset[str]() if stage is None else frozenset({stage})
        found = decontaminate(train, test, asked.work, settings=Settings(without=without))
        canaries = found.outcome.canaries
        missed = {
            name: one.planted - one.caught
            for name, one in canaries.by_transform.items()
            if one.caught < one.planted
        }
        table.append({
            "without": stage or "nothing", "caught": canaries.caught, "planted": canaries.planted,
            "interval": [round(100 * one, 1) for one in canaries.interval], "missed": missed,
            "left_out": len(found.removed), "for_review": len(found.review),
            "pairs": found.outcome.pairs_compared, "seconds": round(time.perf_counter() - clock, 1),
        })  # fmt: skip
    lines = ["| without | canaries caught | interval [%] | missed | left out of 2,934 |", "|---|--:|--:|---|--:|"]
    for one in table:
        names = ", ".join(f"{name} {count}" for name, count in one["missed"].items()) or "none"
        caught, (lower, upper) = f"{one['caught']} of {one['planted']}", one["interval"]
        lines.append(f"| {one['without']} | {caught} | {lower} to {upper} | {names} | {one['left_out']} |")
    _write("flowers", {"training_images": len(train), "test_images": len(test), "rows": table}, lines)


def _write(name: str, facts: dict[str, object], lines: Sequence[str]) -> None:
    environment, argv = describe_environment(), sys.argv[1:]
    about = {
        "command": "python benchmarks/decontamination.py " + " ".join(one for one in argv if "/" not in one),
        "commit": environment.commit, "processor": environment.processor, "threads": torch.get_num_threads(),
        "torch": environment.packages["torch"],
    }  # fmt: skip
    write_json(OUT / f"{name}.json", {**about, **facts})
    told = [f"{key.replace('_', ' ')}: {value}" for key, value in facts.items() if isinstance(value, int | float)]
    with atomic_write(OUT / f"{name}.md") as stream:
        stream.write("\n".join([*lines, "", *(f"- {one}" for one in told), ""]).encode())
        stream.write("".join(f"- {key}: {value}\n" for key, value in about.items()).encode())


if __name__ == "__main__":
    main()

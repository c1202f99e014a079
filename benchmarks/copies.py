"""Copies: recall by change, false pairs, fingerprints a second, and all pairs of a million hashes.

Each photo is changed with random parameters that fit no grid, and stored again as a JPEG file. A copy is found if
the photo and its changed file, alone, are one star to `curate`. CleanVision, where `--peer-venv` has it, is handed
the files of some photos and of their copies; it finds a pair when it puts both into one set.

    python benchmarks/copies.py shared/data/flowers --out results/measured/copies [--peer-venv DIR]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from tests.helpers.picture_changes import FOUND, HARD, LIKELY, SURE, changed

from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS, VERSION, Fingerprint, fingerprint
from rawlabel.artifacts.copies.hamming import pairs_within
from rawlabel.artifacts.copies.stars import stars_within
from rawlabel.artifacts.copies.table import Fingerprints
from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.metrics import clopper_pearson

CHANGES = (*SURE, *LIKELY, *FOUND, *HARD)
PEER = """
import contextlib, io, json, sys
from cleanvision import Imagelab
lab = Imagelab(data_path=sys.argv[1])
with contextlib.redirect_stdout(io.StringIO()):
    lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, n_jobs=1)
sets = [one for kind in ("near_duplicates", "exact_duplicates") for one in lab.info[kind]["sets"]]
print(json.dumps(sets))
"""


def bits(one: Fingerprint, other: Fingerprint) -> int:
    return (int.from_bytes(one.hash) ^ int.from_bytes(other.hash)).bit_count()


def recall(pictures: list[np.ndarray]) -> dict[str, dict[str, int]]:
    originals = [fingerprint(one) for one in pictures]
    found = {}
    for name in CHANGES:
        counts = {"within 51": 0, "within 64": 0, "found": 0, "listed": 0, "of": len(pictures)}
        for seed, (picture, original) in enumerate(zip(pictures, originals, strict=True)):
            both = [picture, changed(name, picture, seed)]
            copy = fingerprint(both[1])
            apart = bits(original, copy)
            counts["within 51"] += apart <= NEAR_COPY_BITS
            counts["within 64"] += apart <= 64
            stars = stars_within(Fingerprints.of([original, copy]), both.__getitem__)
            counts["found"] += any(one.is_sure for one in stars)
            counts["listed"] += any(not one.is_sure for one in stars)
        found[name] = counts
        print(name, counts, flush=True)
    return found


def pairs_of_photos(files: list[Path]) -> dict[str, object]:
    """What curating takes for copies among photos that nobody has changed, to be looked at."""
    start = time.process_time()
    table = Fingerprints.of([fingerprint(picture(path)) for path in files])
    seconds = time.process_time() - start
    start = time.process_time()
    stars = stars_within(table, lambda place: picture(files[place]))
    return {
        "photos": len(files),
        "pairs compared": len(files) * (len(files) - 1) // 2,
        "fingerprints a second and core, decoding included": round(len(files) / seconds),
        "seconds to compare": round(time.process_time() - start, 2),
        "pairs found": [
            [files[one.of].name, files[one.copy].name, one.kind, one.bits, round(one.likeness, 3)] for one in stars
        ],
    }


def picture(path: Path) -> np.ndarray:
    data = np.frombuffer(path.read_bytes(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def search(count: int, planted: int, backend: str) -> dict[str, object]:
    """All pairs of random hashes within 51 bits, some of which are planted."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (count, 32), dtype=np.uint8)
    wanted = set()
    places = rng.permutation(count)[: 2 * planted].reshape(-1, 2)
    for number, (one, other) in enumerate(places.tolist()):
        flips = np.zeros(256, np.uint8)
        flips[rng.permutation(256)[: number % 60]] = 1
        hashes[other] = hashes[one] ^ np.packbits(flips)
        if number % 60 <= NEAR_COPY_BITS:
            wanted.add((min(one, other), max(one, other)))
    start = time.perf_counter()
    found = {
        pair
        for some in pairs_within(hashes, NEAR_COPY_BITS, backend=backend)  # type: ignore[arg-type]
        for pair in zip(some.ones.tolist(), some.others.tolist(), strict=True)
    }
    return {
        "hashes": count, "backend": backend, "planted within 51 bits": len(wanted), "found": len(found),
        "is the exact set": found == wanted, "seconds": round(time.perf_counter() - start, 1),
        "peak memory of the process [MB]": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip


def peer(venv: Path | None, pictures: list[np.ndarray]) -> dict[str, int] | str:
    """How many of the copies of each kind CleanVision puts beside their photo."""
    if venv is None:
        return "not yet measured"
    with tempfile.TemporaryDirectory() as folder:
        for number, one in enumerate(pictures):
            for place, name in enumerate((None, *CHANGES)):
                shown = one if name is None else changed(name, one, number)
                cv2.imwrite(
                    f"{folder}/{number:05d}_{place:02d}.jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]
                )
        run = subprocess.run(
            [venv / "bin" / "python", "-c", PEER, folder], capture_output=True, text=True, check=True
        )
    counts = dict.fromkeys(CHANGES, 0) | {"other pairs": 0}
    for together in json.loads(run.stdout.splitlines()[-1]):
        names = [Path(one).stem.split("_") for one in together]
        for number, place in names:
            if place != "00" and [number, "00"] in names:
                counts[CHANGES[int(place) - 1]] += 1
        counts["other pairs"] += len({number for number, _ in names}) - 1
    return counts | {"of": len(pictures)}


def environment() -> dict[str, object]:
    """What was measured with, but for where things lie."""
    known = describe_environment()
    return {
        name: getattr(known, name)
        for name in ("started_at", "commit", "python", "packages", "platform", "processor")
    }


def table(result: dict) -> str:  # type: ignore[type-arg]
    """The page of the table."""
    rival = result["cleanvision"]
    lines = [
        "Copies with random parameters, of photos of flowers; CleanVision has its near and exact duplicates of "
        f"{rival if isinstance(rival, str) else rival['of']} of them. imagededup: not yet measured.",
        "",
    ]
    lines += ["| change | within 51 bits | within 64 | found by curating | exact lower bound | CleanVision |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, one in result["recall"].items():
        share = [f"{100 * one[key] / one['of']:.1f} %" for key in ("within 51", "within 64", "found")]
        lower = f"{100 * clopper_pearson(one['found'], one['of'])[0]:.1f} %"
        theirs = rival if isinstance(rival, str) else f"{100 * rival[name] / rival['of']:.1f} %"
        lines.append(f"| {name} | {' | '.join(share)} | {lower} | {theirs} |")
    photos = result["photos"]
    speed = photos["fingerprints a second and core, decoding included"]
    lines += [
        "",
        f"Of {photos['pairs compared']:,} pairs of {photos['photos']:,} photos that nobody changed, "
        f"{len(photos['pairs found'])} are taken for copies; `copies.json` lists them. {speed:,} fingerprints a "
        "second and core, decoding included.",
    ]
    lines += ["", "| hashes | by | planted | found | the exact set | seconds | peak memory [MB] |"]
    lines += ["|---|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(str(value) for value in one.values())} |" for one in result["search"]]
    if not any(one["hashes"] >= 1_000_000 for one in result["search"]):
        lines.append("| 1000000 | faiss | not yet measured | | | | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results/measured/copies"))
    parser.add_argument("--peer-venv", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--peer-count", type=int, default=200)
    parser.add_argument("--search", nargs="*", default=["100000:numpy", "100000:faiss", "1000000:faiss"])
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    files = sorted(arguments.photos.rglob("*.jpg"))
    order = np.random.default_rng(1).permutation(len(files))
    pictures = [picture(files[place]) for place in order[: arguments.count]]
    result = {
        "version": VERSION, "environment": environment(),
        "recall": recall(pictures), "photos": pairs_of_photos(files),
        "cleanvision": peer(arguments.peer_venv, pictures[: arguments.peer_count]), "search": [],
    }  # fmt: skip
    arguments.out.mkdir(parents=True, exist_ok=True)
    for wanted in [None, *arguments.search]:
        if wanted is not None:
            count, _, backend = wanted.partition(":")
            result["search"].append(search(int(count), int(count) // 100, backend))  # type: ignore[attr-defined]
        (arguments.out / "copies.json").write_text(json.dumps(result, indent=1, default=str) + "\n")
        (arguments.out / "copies.md").write_text(table(result))


if __name__ == "__main__":
    main()

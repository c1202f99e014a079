"""Copies: recall by change beside two other tools, false pairs, speed, and all pairs of a million hashes.

Each photo is changed with random parameters that fit no grid, and stored again as a JPEG file. To `curate` a copy
is found if the photo and its changed file, alone, are one star. imagededup and CleanVision, where `--peer-python`
has them, find it when they pair the two files. Each of the three tools is also handed two whole folders: all
photos as they are, and some photos with all of their copies. What it pairs there of different photos is a false
pair where `judged.csv`, which was filled in by looking at both, says so.

    python -m benchmarks.copies shared/data/flowers [--peer-python PYTHON] [--only recall tools search]

A peer that PYTHON lacks is "not installed". Whatever is measured is written at once; --only measures some parts
again and keeps the rest of the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks.copies_of_tool import NOT_INSTALLED, TOOLS, peak_memory
from tests.helpers.picture_changes import FOUND, HARD, LIKELY, SURE, changed

from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS, VERSION, Fingerprint, fingerprint
from rawlabel.artifacts.copies.hamming import pairs_within
from rawlabel.artifacts.copies.stars import stars_within
from rawlabel.artifacts.copies.table import Fingerprints
from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.metrics import clopper_pearson

CHANGES = (*SURE, *LIKELY, *FOUND, *HARD)
JUDGED = "judged.csv"
_Json = dict[str, Any]


def main() -> None:
    """Measure what is asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results/measured/copies"))
    parser.add_argument("--peer-python", type=Path, default=Path(sys.executable))
    parser.add_argument("--count", type=int, default=1000, help="photos that are changed")
    parser.add_argument("--only", nargs="*", default=["recall", "tools", "search"])
    parser.add_argument("--search", nargs="*", default=["100000:numpy", "100000:faiss", "1000000:faiss"])
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    files = sorted(asked.photos.rglob("*.jpg"))
    order = np.random.default_rng(1).permutation(len(files))[: asked.count].tolist()
    kept = asked.out / "copies.json"
    result: _Json = json.loads(kept.read_text()) if kept.is_file() else {}
    for part in asked.only:
        if part == "recall":
            result |= {"version": VERSION, "recall": recall([picture(files[place]) for place in order])}
            result["speed"] = speed(files)
        elif part == "tools":
            result["tools"] = tools(asked.peer_python, files, order)
        else:
            for count, _, backend in (one.partition(":") for one in asked.search):
                row = search(int(count), int(count) // 100, backend)
                others = [
                    one for one in result.get("search", ()) if (one["hashes"], one["by"]) != (int(count), backend)
                ]
                result["search"] = [*others, row]
        result.setdefault("environment", {})[part] = environment(sys.argv[1:])
        asked.out.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(result, indent=1, default=str) + "\n")
    (asked.out / "copies.md").write_text(page(result, judged(asked.out / JUDGED)))


def picture(path: Path) -> np.ndarray:
    data = np.frombuffer(path.read_bytes(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def bits(one: Fingerprint, other: Fingerprint) -> int:
    return (int.from_bytes(one.hash) ^ int.from_bytes(other.hash)).bit_count()


def recall(pictures: Sequence[np.ndarray]) -> dict[str, dict[str, int]]:
    """How many copies are found of each change, each pair alone."""
    originals = [fingerprint(one) for one in pictures]
    found = {}
    for name in CHANGES:
        counts = {"within 51": 0, "within 64": 0, "found": 0, "of": len(pictures)}
        for seed, (shown, original) in enumerate(zip(pictures, originals, strict=True)):
            both = [shown, changed(name, shown, seed)]
            copy = fingerprint(both[1])
            apart = bits(original, copy)
            counts["within 51"] += apart <= NEAR_COPY_BITS
            counts["within 64"] += apart <= 64
            stars = stars_within(Fingerprints.of([original, copy]), both.__getitem__)
            counts["found"] += any(one.is_sure for one in stars)
        found[name] = counts
        print(name, counts, flush=True)
    return found


def speed(files: Sequence[Path]) -> dict[str, int]:
    """Fingerprints a second of CPU, with the decoding of the files and without."""
    start = time.process_time()
    pictures = [picture(path) for path in files]
    decoded = time.process_time()
    for one in pictures:
        fingerprint(one)
    end = time.process_time()
    return {"with decoding": round(len(files) / (end - start)), "alone": round(len(files) / (end - decoded))}


def tools(peer_python: Path, files: Sequence[Path], order: Sequence[int]) -> _Json:
    """What each tool pairs of all photos as they are, and of some photos with all of their copies."""
    told: _Json = {name: {} for name in TOOLS}
    with tempfile.TemporaryDirectory() as folder:
        unchanged, copied = Path(folder) / "unchanged", Path(folder) / "copied"
        unchanged.mkdir()
        copied.mkdir()
        for number, path in enumerate(files):
            (unchanged / f"{number:05d}_00.jpg").symlink_to(path.resolve())
        for seed, number in enumerate(order):
            (copied / f"{number:05d}_00.jpg").symlink_to(files[number].resolve())
            for place, name in enumerate(CHANGES, start=1):
                # What `recall` changed in RGB, a file has in its own order of channels.
                shown = changed(name, picture(files[number]), seed)[..., ::-1]
                cv2.imwrite(str(copied / f"{number:05d}_{place:02d}.jpg"), shown, [cv2.IMWRITE_JPEG_QUALITY, 95])
        for where in (unchanged, copied):
            for name, about in told.items():
                python = Path(sys.executable) if name == "rawlabel" else peer_python
                about[where.name] = of_tool(name, python, where, [one.name for one in files])
                print(
                    name, where.name, {k: v for k, v in about[where.name].items() if k != "different"}, flush=True
                )
    return told


def of_tool(name: str, python: Path, folder: Path, names: Sequence[str]) -> _Json:
    """What one tool came to in a process of its own; copies found by change, and pairs of different photos."""
    out = folder.parent / "pairs.json"
    script = Path(__file__).with_name("copies_of_tool.py")
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [python, script, name, folder, out], capture_output=True, text=True, env={**os.environ, **threads}
    )
    if run.returncode:
        sys.exit(f"{name}: {run.stderr[-2000:]}")
    told = json.loads(out.read_text())
    if told == NOT_INSTALLED:
        return {"version": NOT_INSTALLED}
    found, different = dict.fromkeys(CHANGES, 0), set()
    for pair in told.pop("pairs"):
        (one, place), (other, other_place) = sorted((int(n), int(p)) for n, p in (x[:-4].split("_") for x in pair))
        if one != other:
            different.add(tuple(sorted((names[one], names[other]))))
        elif place == 0:
            found[CHANGES[other_place - 1]] += 1
    files = len(list(folder.iterdir()))
    return told | {"files": files, "found": found, "different": sorted(different)}


def search(count: int, planted: int, backend: str) -> _Json:
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
    # So that the peak is that of the search.
    Path("/proc/self/clear_refs").write_text("5")
    start, clock = time.perf_counter(), time.process_time()
    found = {
        pair
        for some in pairs_within(hashes, NEAR_COPY_BITS, backend=backend)  # type: ignore[arg-type]
        for pair in zip(some.ones.tolist(), some.others.tolist(), strict=True)
    }
    told = {
        "hashes": count, "by": backend, "planted": len(wanted), "found": len(found),
        "exact": found == wanted, "seconds": round(time.perf_counter() - start, 1),
        "CPU seconds": round(time.process_time() - clock, 1),
        "peak memory [MB]": peak_memory(),
    }  # fmt: skip
    print(told, flush=True)
    return told


def environment(arguments: Sequence[str]) -> _Json:
    """What was measured with, but for where things lie."""
    known = describe_environment()
    names = ("started_at", "commit", "python", "packages", "platform", "processor")
    told = " ".join(one for one in arguments if "/" not in one)
    return {name: getattr(known, name) for name in names} | {
        "command": f"python -m benchmarks.copies PHOTOS {told}".strip()
    }


def judged(path: Path) -> dict[tuple[str, str], str]:
    """Pairs of photos that were looked at, and what they are: one `picture`, one `scene`, or `two`."""
    if not path.is_file():
        return {}
    with path.open(newline="") as stream:
        return {(row["one"], row["other"]): row["shows"] for row in csv.DictReader(stream)}


def page(result: _Json, seen: dict[tuple[str, str], str]) -> str:
    """The page of the tables."""
    lines = ["# Copies of photos: what is found, beside two other tools", ""]
    if "recall" in result:
        lines += _recall_table(result)
    if "tools" in result:
        lines += _tools_table(result["tools"], seen)
    if "search" in result:
        lines += _search_table(result["search"])
    lines += ["## With what", ""]
    for part, one in result.get("environment", {}).items():
        lines.append(
            f"- {part}: `{one['command']}`, commit {one['commit']}, Python {one['python']}, {one['processor']}"
        )
    return "\n".join(lines) + "\n"


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %"


def _recall_table(result: _Json) -> list[str]:
    peers = [name for name in TOOLS if name != "rawlabel"]
    lines = [
        f"Copies with random parameters of {next(iter(result['recall'].values()))['of']:,} photos of flowers. The "
        "two columns of bits are of the hash alone; the bound is exact, at 95 % (two-sided).", "",
        f"| change | within 51 bits | within 64 | found by curating | lower bound | {' | '.join(peers)} |",
        "|---|--:|--:|--:|--:|" + "--:|" * len(peers),
    ]  # fmt: skip
    for name, one in result["recall"].items():
        cells = [_percent(one[key], one["of"]) for key in ("within 51", "within 64", "found")]
        cells.append(f"{100 * clopper_pearson(one['found'], one['of'])[0]:.1f} %")
        for peer in peers:
            theirs = result.get("tools", {}).get(peer, {}).get("copied", {"version": "not yet measured"})
            cells.append(
                _percent(theirs["found"][name], theirs["files"] // (len(CHANGES) + 1))
                if "found" in theirs
                else theirs["version"]
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    if told := result.get("speed"):
        lines += [
            "",
            f"{told['with decoding']:,} fingerprints a second and core with the decoding of the files (short side "
            f"160 px), {told['alone']:,} without.",
        ]
    return [*lines, ""]


def _tools_table(told: _Json, seen: dict[tuple[str, str], str]) -> list[str]:
    lines = [
        "## Whole folders", "",
        "Pairs of different photos that each tool names, planted copies aside; all were looked at (`judged.csv`). "
        "One picture: an edit, a crop, a second upload. One scene: shots of the same thing moments apart. Two: a "
        "false pair. Images a second are of CPU, search included; peak memory is of the process with its imports.",
        "",
        "| files | tool | pairs of files | one picture | one scene | two | images a second | peak memory [MB] |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for where, shown in (("unchanged", "photos as they are"), ("copied", "photos and their copies")):
        for tool, about in told.items():
            one = about[where]
            if "files" not in one:
                lines.append(f"| {shown} | {tool} | {one['version']} | | | | | |")
                continue
            said, files = [seen.get((a, b)) for a, b in one["different"]], one["files"]
            unseen = f", {said.count(None)} not looked at" if None in said else ""
            speed_of = files / max(one["CPU seconds"], 0.1)
            counts = " | ".join(str(said.count(kind)) for kind in ("picture", "scene", "two"))
            lines.append(
                f"| {files:,} {shown} | {tool} {one['version']} | {files * (files - 1) // 2:,} | "
                f"{counts}{unseen} | {speed_of:,.0f} | {one['peak memory [MB]']:,} |"
            )
    return [
        *lines, "",
        "imagededup is its `PHash` within 10 of 64 bits, CleanVision its near and exact duplicates, each with its "
        "defaults. imagededup's neural method is not measured: it loads weights from elsewhere at its first use.",
        "",
    ]  # fmt: skip


def _search_table(rows: Sequence[_Json]) -> list[str]:
    lines = [
        "## All pairs within 51 bits of random hashes, some planted", "",
        "| hashes | by | planted | found | the exact set | seconds | seconds of CPU | peak memory [MB] |",
        "|--:|---|--:|--:|---|--:|--:|--:|",
    ]  # fmt: skip
    for one in rows:
        lines.append(
            f"| {one['hashes']:,} | {one['by']} | {one['planted']:,} | {one['found']:,} | "
            f"{'yes' if one['exact'] else 'no'} | {one['seconds']:,} | {one['CPU seconds']:,} | "
            f"{one['peak memory [MB]']:,} |"
        )
    return [
        *lines, "",
        "The machine did other work beside this; seconds of CPU, of one thread, say what it takes. `faiss` is the "
        "extra `rawlabel[faiss]`; what it finds is what numpy finds by counting bits.", "",
    ]  # fmt: skip


if __name__ == "__main__":
    main()

"""Which files of a folder one tool takes for copies of each other; `copies.py` runs it, a process for each tool.

    python benchmarks/copies_of_tool.py TOOL FOLDER OUT.json

TOOL is `rawlabel`, `imagededup` or `CleanVision`, as it comes: its own defaults, one process, one thread where it
can be told so. Written are the pairs of file names, seconds of CPU without the imports, and the peak of memory
with them. The module imports nothing but the standard library, so that the peers' Python can run it.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from pathlib import Path
from typing import Any

Pairs = list[tuple[str, str]]
NOT_INSTALLED = "not installed"


def of_rawlabel(folder: Path) -> Callable[[], Pairs]:
    """Fingerprints of whole files, then stars around the best; the middle of a star and each copy are a pair."""
    import cv2
    import numpy as np
    import numpy.typing as npt

    from rawlabel.artifacts.copies.fingerprint import Fingerprint, fingerprint
    from rawlabel.artifacts.copies.stars import stars_within
    from rawlabel.artifacts.copies.table import Fingerprints

    def read(path: Path) -> npt.NDArray[np.uint8]:
        decoded = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
        return np.asarray(decoded, np.uint8)

    def of(path: Path) -> Fingerprint:
        return fingerprint(read(path))

    def find() -> Pairs:
        cv2.setNumThreads(1)
        # The best first, as `curate` has them: the largest, then by name.
        found = [(path.name, of(path)) for path in sorted(folder.iterdir())]
        found.sort(key=lambda one: (-one[1].width * one[1].height, one[0]))
        table = Fingerprints.of([one for _, one in found])
        stars = stars_within(table, lambda place: read(folder / found[place][0]))
        return [(found[one.of][0], found[one.copy][0]) for one in stars if one.is_sure]

    return find


def of_imagededup(folder: Path) -> Callable[[], Pairs]:
    """`PHash`, the method of its README, within its default of 10 of 64 bits."""
    method: Any = import_module("imagededup.methods").PHash(verbose=False)

    def find() -> Pairs:
        found = method.find_duplicates(image_dir=str(folder), num_enc_workers=0, num_dist_workers=0)
        return [(one, other) for one, others in found.items() for other in others if one < other]

    return find


def of_cleanvision(folder: Path) -> Callable[[], Pairs]:
    """Its exact and near duplicates; all files of a set are pairs."""
    lab: Any = import_module("cleanvision").Imagelab(data_path=str(folder))

    def find() -> Pairs:
        with contextlib.redirect_stdout(io.StringIO()):
            lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, n_jobs=1)
        sets = [one for kind in ("near_duplicates", "exact_duplicates") for one in lab.info[kind]["sets"]]
        return [pair for one in sets for pair in combinations(sorted(Path(name).name for name in one), 2)]

    return find


TOOLS: dict[str, Callable[[Path], Callable[[], Pairs]]] = {
    "rawlabel": of_rawlabel, "imagededup": of_imagededup, "CleanVision": of_cleanvision,
}  # fmt: skip


def cpu_seconds() -> float:
    """Seconds of CPU of this process and its children: imagededup begins one even where it is asked for none."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def peak_memory() -> int:
    """Most memory that this process has held [MB]; `getrusage` would tell of the process that began it, too."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) // 1024


def main() -> None:
    """Run one tool over one folder."""
    tool, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    try:
        known = version(tool.lower())
        find = TOOLS[tool](folder)
    except (ImportError, PackageNotFoundError):
        out.write_text(json.dumps(NOT_INSTALLED))
        return
    start, clock = cpu_seconds(), time.perf_counter()
    pairs = find()
    told = {
        "version": known, "pairs": pairs, "CPU seconds": round(cpu_seconds() - start, 1),
        "seconds": round(time.perf_counter() - clock, 1),
        "peak memory [MB]": peak_memory(),
    }  # fmt: skip
    out.write_text(json.dumps(told))


if __name__ == "__main__":
    main()

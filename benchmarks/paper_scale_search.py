"""Search for the paper's classes at their published sizes, on a simulated Flickr of metadata: no photo is fetched.

Measures API calls against the least possible, time, peak memory of the searching process and the share of the
photos found. The class lists and counts are the paper's own files (200 searched classes, of which 125 have a
published count, and 10 trained classes that its search file lacks); a class's photos are spread evenly over its
keywords, and a keyword of a class without a published count has none.

    python benchmarks/paper_scale_search.py --metadata DIR --out benchmarks/results/paper_scale_search.json
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import platform
import resource
import subprocess
import time
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import ClassesConfig, CollectConfig
from rawlabel.gather.classes.reading import read_classes
from rawlabel.gather.classes.selection import select
from rawlabel.gather.classes.writing import write_classes
from rawlabel.gather.collect.stage import collect
from rawlabel_photo_site.bulk.bulk import BulkSite
from rawlabel_photo_site.web.server import running

PAGE = 500


def keyword_counts(metadata: Path, classes: Path) -> dict[str, int]:
    """Photos of each keyword; a keyword of two classes has the photos of both."""
    rows = (metadata / "num_imgs_per_class.txt").read_text().split("\n")[1:]
    published = {line.split()[0]: int(line.split()[1]) for line in rows if line.strip()}
    counts: dict[str, int] = {}
    for spec in read_classes(classes):
        total = published.get(spec.class_id, 0)
        for position, keyword in enumerate(spec.keywords):
            part = total // len(spec.keywords) + (position < total % len(spec.keywords))
            counts[keyword] = counts.get(keyword, 0) + part
    return counts


def serve(counts: dict[str, int], seed: int, noise: float, pipe: Connection) -> None:
    """Run the site in a process of its own, so that its memory and time are not the searcher's."""
    site = BulkSite(counts, seed, noise)
    with running(site) as served:
        pipe.send(served.base_url)
        pipe.recv()
        pipe.send(served.requests["api"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metadata", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--noise", type=float, default=0.1)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        result = run(Path(name), arguments.metadata, arguments.seed, arguments.noise)
    print(json.dumps(result, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")


def run(folder: Path, metadata: Path, seed: int, noise: float) -> dict[str, object]:
    classes = folder / "classes.json"
    listed = {spec.class_id: spec for name in ("paper-200", "paper-135")
              for spec in select(ClassesConfig(subset=name)).classes}  # fmt: skip
    write_classes(classes, list(listed.values()))
    counts = keyword_counts(metadata, classes)
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(counts, seed, noise, there))
    server.start()
    base_url = here.recv()
    settings = CollectConfig(
        classes=classes,
        project=folder / "p",
        source=("flickr",),
        base_url=(base_url,),
        per_class=0,
        search_only=True,
        allow_loopback=True,
        calls_per_hour=10**9,
    )
    began = time.perf_counter()
    collect(settings, api_key="any")
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    here.send("stop")
    calls = here.recv()
    server.join()
    site = BulkSite(counts, seed, noise)
    with Catalogue(catalogue_path(folder / "p")) as catalogue:
        queries = catalogue.queries()
        found: dict[str, int] = {}
        for spec in catalogue.classes():
            ids = {one.photo.photo_id for one in catalogue.found(spec.class_id)}
            for keyword in spec.keywords:
                found[keyword] = sum(one in ids for one in site.ids(keyword))
    true = {keyword: len(site.ids(keyword)) for keyword in counts}
    ideal = sum(math.ceil(number / PAGE) or 1 for number in true.values())
    return {
        "command": f"python benchmarks/paper_scale_search.py --metadata METADATA --seed {seed} --noise {noise}",
        "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
        "hardware": f"{platform.machine()}, {multiprocessing.cpu_count()} cores",
        "python": platform.python_version(),
        "classes": len(listed),
        "keywords": len(counts),
        "photos": sum(true.values()),
        "photos_found": sum(found.values()),
        "recall": sum(found.values()) / sum(true.values()),
        "worst_recall_of_a_keyword": min(found[one] / true[one] for one in counts if true[one]),
        "truncated_searches": sum(one.truncated for one in queries),
        "slices": sum(one.num_parts for one in queries),
        "calls": calls,
        "ideal_calls": ideal,
        "calls_over_ideal": calls / ideal,
        "hours_of_quota_at_3600": calls / 3600,
        "seconds": seconds,
        "peak_megabytes": peak,
        "catalogue_megabytes": catalogue_path(folder / "p").stat().st_size / 1e6,
    }


if __name__ == "__main__":
    main()

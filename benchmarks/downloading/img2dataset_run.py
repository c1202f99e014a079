"""Download a list of addresses with img2dataset, in its own environment; prints seconds and photos.

Usage: img2dataset_run.py URL_FILE OUT_FOLDER SIDE THREADS PROCESSES; SIDE 0 stores the bytes as they come.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from img2dataset import download


def main(url_file: Path, out: Path, side: int, threads: int, processes: int) -> None:
    num_urls = len(url_file.read_text("utf-8").split())
    sizes = {"resize_mode": "keep_ratio", "image_size": side} if side else {"disable_all_reencoding": True}
    started = time.perf_counter()
    download(
        url_list=str(url_file),
        output_folder=str(out),
        output_format="files",
        encode_quality=95,
        resize_only_if_bigger=True,
        processes_count=processes,
        thread_count=threads,
        number_sample_per_shard=-(-num_urls // (2 * processes)),
        disallowed_header_directives=["noai", "noimageai", "noindex", "noimageindex"],
        enable_wandb=False,
        **sizes,
    )
    seconds = time.perf_counter() - started
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_seconds = sum(one.ru_utime + one.ru_stime for one in used)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "photos": len(list(out.rglob("*.jpg")))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6]))

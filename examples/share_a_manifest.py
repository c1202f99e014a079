"""Share a data set without its pixels, and put it together again from what was shared."""

from pathlib import Path

import rawlabel as rl

with rl.PhotoSite(per_class=15, noise=0.3) as site:
    project = rl.collect(["one", "seven"], "digits", image_size=64, **site.access)
    manifest = rl.curate(project)

    # Every decision, with address, author and license of each photo; no pixels.
    shared = rl.export(manifest, "manifest", out="share") / "manifest.parquet"
    print(f"{shared}: {shared.stat().st_size // 1000} kB")

    # Somebody else, later: the photos come from where they were found.
    copy = rl.collect(project="copy", source="manifest", input=shared, allow_loopback=True)

again = rl.curate(copy)
kept, kept_again = (set(one.kept()["pixel_sha256"].to_pylist()) for one in (manifest, again))
print(f"{len(kept & kept_again)} of {len(kept)} photos are there again, pixel by pixel, in {Path(copy.path)}")

"""From class names to a classifier, on a simulated photo site: no key, no network, no GPU.

For real photos leave the site out: `rl.collect(names, "birds", contact="you@example.org")` asks Wikimedia Commons.
"""

from pathlib import Path

import rawlabel as rl

names = ["one", "seven", "zero"]
with rl.PhotoSite(per_class=30, noise=0.3) as site:
    project = rl.collect(names, "digits", image_size=128, **site.access)
    clean = site.write_test_set("clean", names)

manifest = rl.curate(project)
print(f"kept {manifest.kept().num_rows} photos; nobody labelled any")

run = rl.train(project)
print(f"the run is in {run.path}")

classifier = rl.load(run)
photo = next(Path(clean, "seven").iterdir())
for guess in classifier.predict(photo, top=2):
    print(f"{guess.class_id}: {guess.probability:.2f}")
print(f"a page about it all: {rl.report(project, probe=False)}")

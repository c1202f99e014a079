"""Make the projects that `photo_site_judge.py` reads: simulated sites with planted classes.

    python benchmarks/label_evidence/photo_site_runs.py WORK_FOLDER

Each seed plants other classes, and is curated twice, so that two runs hold out different photos. The test set of
the site is measured for the judge alone; nothing that learns or detects reads it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from rawlabel.collect import collect
from rawlabel.config import CollectConfig, CurateConfig, EvaluateConfig, PhotoSiteConfig, TrainConfig
from rawlabel.curate import curate
from rawlabel.evaluate import evaluate
from rawlabel.files import write_json
from rawlabel.photo_site import NO_FAULTS, PhotoSite, running
from rawlabel.train import train

PLANTED = (
    {"homonym_class": ["two"], "sibling_pair": ["four:nine"]},
    {"homonym_class": ["seven"], "sibling_pair": ["three:eight"]},
    {"homonym_class": ["zero"], "sibling_pair": ["one:five"]},
)
"""Of each seed; the last pair is none of those that the site's ordinary noise mixes up."""


def main() -> None:
    """Make one project a seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--per-class", type=int, default=300)
    parser.add_argument("--noise", type=float, default=0.2)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--model", default="cifar_resnet20")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in options.seeds:
        project = options.work / f"seed-{seed}"
        planted = PLANTED[seed % len(PLANTED)]
        collect_site(project, seed, planted, options.noise, options.per_class)
        for split in range(2):
            manifest = curate(CurateConfig(project=project, seed=split, holdout=1 / 3))
            run = train(
                TrainConfig(
                    root=project,
                    main=str(manifest.path.relative_to(project)),
                    model=options.model,
                    image_size=24,
                    augment="crop",
                    epochs=options.epochs,
                    decay_epochs=max(1, options.epochs // 2),
                    batch_size=64,
                    lr=0.03,
                    weight_decay=5e-4,
                    seed=seed,
                    outpath=project / "runs" / f"split-{split}",
                    device="cpu",
                    workers=1,
                    test="test",
                )
            )
            evaluate(EvaluateConfig(run=run.path, test=project / "test"))


def collect_site(project: Path, seed: int, planted: dict[str, list[str]], noise: float, per_class: int) -> None:
    """Search the site of this seed, once."""
    if (project / "planted.json").exists():
        return
    settings = PhotoSiteConfig(
        seed=seed,
        noise=noise,
        per_class=per_class,
        homonym_class=tuple(planted["homonym_class"]),
        sibling_pair=tuple(planted["sibling_pair"]),
    )
    site = PhotoSite.build(settings, NO_FAULTS)
    project.mkdir(parents=True, exist_ok=True)
    classes = project / "classes.txt"
    classes.write_text("".join(f"{name}\n" for name in site.classes))
    site.write_truth(project / "truth.json")
    site.write_test_set(project / "test")
    with running(site) as served:
        collect(
            CollectConfig(
                classes=classes,
                project=project,
                source=("flickr",),
                base_url=(served.base_url,),
                image_size=64,
                per_class=4000,
                allow_loopback=True,
            ),
            api_key="any",
        )
    write_json(project / "planted.json", planted)


if __name__ == "__main__":
    main()

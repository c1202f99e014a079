"""Simulated photo sites whose truth is known, searched and curated as any site."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config import CollectConfig, PhotoSiteConfig
from rawlabel.gather.collect.stage import collect
from rawlabel_photo_site.web.server import running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite


def collect_site(project: Path, settings: PhotoSiteConfig, image_size: int = 64) -> None:
    """Search the site of these `settings`, once; `classes.txt` and `truth.json` lie in the project afterwards."""
    if (project / "searched").exists():
        return
    site = PhotoSite.build(settings, NO_FAULTS)
    project.mkdir(parents=True, exist_ok=True)
    classes = project / "classes.txt"
    classes.write_text("".join(f"{name}\n" for name in site.classes))
    site.write_truth(project / "truth.json")
    with running(site) as served:
        collect(
            CollectConfig(
                classes=classes,
                project=project,
                source=("flickr",),
                base_url=(served.base_url,),
                image_size=image_size,
                per_class=4000,
                allow_loopback=True,
            ),
            api_key="any",
        )
    if settings.photos is None:
        site.write_test_set(project / "test")
    (project / "searched").touch()

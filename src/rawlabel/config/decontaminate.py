"""The settings of `rawlabel decontaminate`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Engine, Section, cluster_address, engine_of_tasks, pixel_limit, setting


class DecontaminateConfig(Section):
    """Find the photos that are copies of test images, by their pictures alone, and leave them out.

    Of a project or manifest it writes a new manifest, in which each such photo has a reason; of other images,
    which stay as they are, a list of them. A certificate says what was done, and how many planted copies it found.
    """

    data: str | None = setting(
        None,
        "Project, manifest, or images in another format that `rawlabel formats` lists; a folder of image files "
        "will do, since labels play no part.",
        positional=True,
    )
    test: str | None = setting(None, "Test images, in any of these formats.", common=True)
    project: Path = setting(Path("project"), "Project in which fingerprints of manifests are looked up.")
    out: Path = setting(
        Path("decontamination"),
        "Folder for the certificate and lists, where the images are of no manifest.",
        common=True,
    )
    keep_bursts: bool = setting(
        False,
        "Keep photos that the owner of a copied photo took within two minutes of it, as their site says.",
        common=True,
    )
    thorough: bool = setting(
        False, "Look for all crops in large sets, too, however many hours that takes.", common=True
    )
    listed: int = setting(
        10, "Candidates of each test image that are listed for a person, at most.", ge=1, le=1000, common=True
    )
    workers: int = setting(2, "Processes of a Ray of this machine's own.", ge=1)
    engine: Engine = engine_of_tasks("makes fingerprints and compares them")
    ray_address: str | None = cluster_address()
    max_megapixels: float = pixel_limit()

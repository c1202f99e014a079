"""The settings of `rawlabel noise`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class NoiseConfig(Section):
    """Write a new manifest whose labels are wrong on purpose, by a known kind and amount of noise.

    The holdout gets the noise too: labels are raw everywhere. The manifest that is named stays as it is.
    """

    manifest: str | None = setting(
        None,
        "Manifest file or folder, project (its newest manifest), or first digits of a fingerprint.",
        positional=True,
    )
    project: Path = setting(Path("project"), "Project in which fingerprints are looked up.")
    kind: str = setting("symmetric", "Kind of noise; `rawlabel methods` lists them.")
    rate: float = setting(0.4, "Share of labels that become wrong, or of photos replaced [0 to 1].", gt=0, le=1)
    seed: int = setting(0, "Seed of what is chosen.", ge=0)
    option: tuple[str, ...] = setting(
        (), "Option of the kind as KEY=VALUE, such as map=cifar10; may be given several times."
    )
    features: Path | None = setting(
        None, "Array (.npy) with a row of features for each kept photo, in the manifest's order."
    )
    second: str | None = setting(
        None,
        "Manifest of the same project, named in the same ways, whose photos replace some: those of other classes "
        "(off_topic) or of the same ones (mix).",
    )

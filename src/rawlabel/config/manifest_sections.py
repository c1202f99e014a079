"""The settings of the verbs that work on manifests: verify, rebuild, diff, prune and noise."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, pixel_limit, setting
from rawlabel.config.network_sections import DownloadSettings, NetworkSettings
from rawlabel.licenses import LicensePreset


class VerifyConfig(Section):
    """Check, without a network, that a project's files are what its catalogue and manifest say.

    Exit code 0: all is well; 1: something is not, and the findings name it; 2: there is nothing to check.
    """

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    manifest: str | None = setting(
        None, "Manifest to check: a file or the first digits of a fingerprint; by default the newest one."
    )
    decode: bool = setting(True, "Decode each photo too and compare its pixels; without, only bytes are compared.")
    forget: bool = setting(
        False,
        "Remove damaged files and note their photos, and those whose files are missing, as not downloaded, so "
        "that `rawlabel collect` or `rawlabel rebuild` asks for them again.",
    )
    max_megapixels: float = pixel_limit()
    workers: int = setting(2, "Threads that read and decode photos.", ge=1)
    out: Path | None = setting(None, "File that gets every finding (JSON lines).")


class RebuildConfig(DownloadSettings):
    """Re-create a data set from its manifest, and say of each photo whether it is still the same."""

    manifest: Path | None = setting(None, "Manifest file, or the folder that holds it.", positional=True)
    project: Path = setting(Path("rebuilt"), "New folder that gets the catalogue, the photos and a manifest.")
    all: bool = setting(False, "Download the rejected photos too, not only the kept ones.")


class DiffConfig(Section):
    """Compare two manifests: photos, decisions, splits, licenses and pixels.

    Exit code 0: they are equal; 1: they differ; 2: one of them cannot be read.
    """

    before: str | None = setting(
        None,
        "Manifest file or folder, project (its newest manifest), or first digits of a fingerprint.",
        positional=True,
    )
    after: str | None = setting(None, "The manifest to compare it with, named in the same ways.", positional=True)
    project: Path = setting(Path("project"), "Project in which fingerprints are looked up.")
    out: Path | None = setting(None, "File that gets every difference: .json, or else CSV.")


class PruneConfig(NetworkSettings):
    """Ask the photo sites again, and leave out what was taken down or may no longer be used."""

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    base_url: tuple[str, ...] = setting(
        (),
        "Address of a source's API, for a mirror or a simulated site: ADDRESS for all sources, or SOURCE=ADDRESS; "
        "the sites' own by default.",
    )
    licenses: LicensePreset | None = setting(
        None,
        "Licenses that a changed one must be among: any, open, commercial, derivatives or free; by default those "
        "that the collection was made with.",
    )
    all: bool = setting(False, "Ask about the rejected photos whose files are stored too, not only the kept ones.")
    max_age: float = setting(
        24.0, "Answers of an earlier or stopped run count while they are younger than this [hours].", ge=0
    )
    most_gone: float = setting(
        0.5,
        "Share of a site's photos that may be gone [0 to 1]; when it says that more are, nothing is changed.",
        ge=0,
        le=1,
    )
    dry_run: bool = setting(False, "Ask and count, but record, write and delete nothing.")


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

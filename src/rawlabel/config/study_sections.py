"""The settings of studies: what is asked of finished runs, and grids of runs that answer a question."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import DEVICE_HELP, Device, Section, setting


class CompareRulesConfig(Section):
    """Say how far each stopping rule stays below the best epoch on the test set (the oracle), on finished runs.

    Runs that differ in their seed alone make a group. The rules see the raw-label signals of log.json, and the
    logged test accuracies come in afterwards.
    """

    runs: tuple[Path, ...] = setting((), "Run directories with a logged test accuracy.", positional=True)
    rule: tuple[str, ...] = setting(
        (),
        "Rule to compare, as NAME or NAME:KEY=VALUE,KEY=VALUE; may be given several times; by default every rule "
        "with its defaults.",
    )
    ignore: tuple[str, ...] = setting(
        (),
        "Setting in which the runs of a group may differ besides the seed, such as root; may be given several "
        "times.",
    )
    confidence: float = setting(0.95, "Confidence of the intervals over seeds [0 to 1].", gt=0, lt=1)
    out: Path | None = setting(None, "File to write the comparison to as well: .json, or .csv without the runs.")


class WorthConfig(Section):
    """Say how many clean labels a set of raw labels is worth: the clean set that trains as good a classifier.

    Runs are compared by their test accuracy at the epoch that their own rule selected.
    """

    runs: tuple[Path, ...] = setting((), "Finished runs on raw labels.", positional=True)
    clean: tuple[Path, ...] = setting(
        (), "Finished run on clean labels; given for four sizes or more (--train-size), best with several seeds."
    )
    ignore: tuple[str, ...] = setting(
        (), "Setting in which the runs of a group may differ besides the seed; may be given several times."
    )
    confidence: float = setting(0.95, "Confidence of the bootstrap intervals [0 to 1].", gt=0, lt=1)
    resamples: int = setting(1000, "Bootstrap resamples.", ge=100)
    seed: int = setting(0, "Seed of the resampling.", ge=0)
    out: Path | None = setting(None, "Folder for the result as JSON, and for the figure with its numbers as CSV.")


class ExperimentConfig(Section):
    """Train a grid of settings with several seeds, and write the table that answers its question.

    Killed at any moment, the same command goes on.
    """

    name: str | None = setting(None, "Experiment; `rawlabel methods` lists them.", positional=True)
    data: Path | None = setting(
        None, "Folder of its data; those on CIFAR-10N need train.parquet and test.parquet with its label columns."
    )
    out: Path = setting(Path("experiment"), "Folder for the runs and the table.")
    scale: Literal["tiny", "cpu", "gpu"] = setting(
        "cpu",
        "How much to train: tiny shows that everything runs, cpu is small networks on few images (hours on two "
        "cores), gpu is the whole set with the published networks.",
    )
    device: Device = setting("auto", DEVICE_HELP)
    jobs: int | None = setting(
        None, "Trials at a time, each in a process of its own; by default one a core, or one on a GPU.", ge=1
    )
    workers: int = setting(2, "Threads that decode and augment images.", ge=1)


class LabelsConfig(Section):
    """Say what finished runs reveal about the raw labels: how many are wrong, which, and which classes unclear.

    How many are wrong is a guess and no measurement: where the truth is known, few of the intervals held it.

    Photos that a run held out are classified with its selected weights. Nothing here opens a test set, and no
    label is changed. Runs with other --seed (class folders) or on other splits hold out other photos, and all
    count.
    """

    runs: tuple[Path, ...] = setting((), "Finished run directories on the same classes.", positional=True)
    confidence: float = setting(0.95, "Confidence of the bootstrap intervals [0 to 1].", gt=0, lt=1)
    draws: int = setting(200, "Bootstrap samples of photos and runs.", ge=20)
    out: Path | None = setting(
        None, "Folder for label_evidence.json and suspicion.parquet; by default the first run's directory."
    )
    device: Device = setting("auto", DEVICE_HELP)


class ProbeConfig(Section):
    """Measure a peer of a finished run: simple classifiers on the features of a frozen network.

    A linear one and k nearest neighbors are fitted to the run's raw labels, and chosen on its raw holdout. The
    features are the run's own, those of its selected epoch, or those of an encoder that was trained elsewhere.
    """

    run: Path | None = setting(None, "Finished run directory.", positional=True)
    backbone: str | None = setting(
        None,
        "Encoder: efficientnet_lite0, which comes with the install, any network of timm, such as resnet50 or "
        "vit_small_patch14_dinov2, or another that `rawlabel methods` lists; by default the run's own network.",
    )
    weights: Path | None = setting(
        None,
        "File with the weights of --backbone (.safetensors or .pth, in the layout of its library); by default the "
        "pretrained ones, from the cache of its hub or the network.",
    )
    test: Path | None = setting(
        None,
        "Test set with clean labels, which no choice sees; by default what the run was evaluated on, or logged.",
    )
    confidence: float = setting(0.95, "Confidence of the intervals [0 to 1].", gt=0, lt=1)
    batch_size: int = setting(128, "Images in a step.", ge=1)
    workers: int = setting(2, "Threads that decode images.", ge=1)
    device: Device = setting("auto", DEVICE_HELP)

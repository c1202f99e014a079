"""The cases of each preset: the one place that says how much is measured where."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rawlabel.config import BenchConfig
from rawlabel_bench.measuring import Probe
from rawlabel_bench.trees import TreeSpec
from rawlabel_bench.workload import Case

LOADING = (Probe.LOADER, Probe.READY)
TRAINING = (Probe.EPOCH, Probe.STEP)
PEERS = ("examples", "published", "timm")
OURS = ("ours", "ours_uncached")


@dataclass(frozen=True)
class Preset:
    """Cases, and how often each reading is taken."""

    cases: tuple[Case, ...]
    repeats: int
    memory_epochs: int
    """Epochs over which the memory of training is watched."""
    index_images: int
    """Images in the generated index whose first batch is timed."""
    minutes: float
    """Time after which no more is begun."""


def preset(config: BenchConfig) -> Preset:
    """The preset that `config` names, with what its flags change."""
    chosen = {"tiny": _tiny, "cpu": _cpu, "gpu": _gpu}[config.preset](config)
    cases = tuple(_changed(case, config) for case in chosen.cases if not config.case or case.name in config.case)
    return replace(
        chosen,
        cases=cases,
        repeats=config.repeats or chosen.repeats,
        minutes=config.minutes or chosen.minutes,
    )


def is_changed(config: BenchConfig) -> bool:
    """Whether flags change the workload, so that the preset's targets say nothing about it."""
    fields = ("images", "photo_width", "photo_height", "model", "batch_size")
    return any(getattr(config, name) != BenchConfig.model_fields[name].default for name in fields)


def _photos(config: BenchConfig, num_train: int, num_test: int) -> TreeSpec:
    return TreeSpec("photos", config.photo_width, config.photo_height, num_train, num_test, seed=config.seed)


def _shrunk(config: BenchConfig, num_train: int, shorter: int = 256) -> TreeSpec:
    width, height = config.photo_width, config.photo_height
    scale = shorter / min(width, height)
    small = round(width * scale), round(height * scale)
    return TreeSpec("shrunk", *small, num_train, 10, drawn_at=(width, height), seed=config.seed)


def _small(num_train: int, num_test: int, config: BenchConfig, num_classes: int = 10) -> TreeSpec:
    return TreeSpec("small", 32, 32, num_train, num_test, num_classes=num_classes, seed=config.seed)


def _tiny(config: BenchConfig) -> Preset:
    small = Case(
        "small", "32-pixel images, cifar_resnet8", _small(160, 60, config, num_classes=3), "cifar_resnet8", 32, 32,
        ("ours", *PEERS), (Probe.LOADER, *TRAINING), lr=0.05, steps=2, gate_margin=60.0,
    )  # fmt: skip
    return Preset((small,), repeats=1, memory_epochs=3, index_images=10_000, minutes=2)


def _cpu(config: BenchConfig) -> Preset:
    loaders = (*OURS, "examples", "timm")
    cases = (
        Case(
            "photos", "loader, photos as they are", _photos(config, 1000, 10),
            "resnet18", 224, 50, (*loaders, "ours_packed", "ours_packed_320"), LOADING,
        ),
        Case(
            "shrunk", "loader, photos shrunk to a shorter side of 256", _shrunk(config, 1000),
            "resnet18", 224, 50, loaders, LOADING,
        ),
        Case(
            "small", "32-pixel images, cifar_resnet20", _small(1920, 600, config), "cifar_resnet20", 32, 64,
            ("ours", *PEERS), (*LOADING, *TRAINING), steps=15, gate_margin=8.0,
        ),
        Case(
            "resnet50", "ResNet-50 at 224 pixels", _photos(config, 48, 16), "resnet50", 224, 16,
            ("ours", *PEERS), TRAINING, lr=0.01, steps=2,
        ),
        Case(
            "resnet50_128", "ResNet-50 at 128 pixels", _photos(config, 48, 16), "resnet50", 128, 16,
            ("ours",), TRAINING, lr=0.01, steps=4,
        ),
    )  # fmt: skip
    return Preset(cases, repeats=3, memory_epochs=8, index_images=1_000_000, minutes=30)


def _gpu(config: BenchConfig) -> Preset:
    peers = (*PEERS, "timm_compiled")
    loaders = (*OURS, "examples", "timm")
    cases = (
        Case(
            "photos", "loader, photos as they are", _photos(config, 6400, 640), "resnet18", 224, 256,
            loaders, LOADING,
        ),
        Case(
            "small", "32-pixel images, cifar_resnet20", _small(12800, 2560, config), "cifar_resnet20", 32, 256,
            ("ours", *peers), TRAINING, steps=50, gate_margin=8.0,
        ),
        Case(
            "resnet50", "ResNet-50 at 224 pixels", _photos(config, 6400, 640), "resnet50", 224, 256,
            ("ours", *peers), TRAINING, lr=0.05, steps=20,
        ),
        Case(
            "resnet18", "ResNet-18 at 224 pixels", _photos(config, 6400, 640), "resnet18", 224, 256,
            ("ours", *PEERS), TRAINING, lr=0.05, steps=20,
        ),
    )  # fmt: skip
    return Preset(cases, repeats=3, memory_epochs=8, index_images=1_000_000, minutes=7)


def _changed(case: Case, config: BenchConfig) -> Case:
    tree, contestants = case.tree, case.contestants
    batch_size = config.batch_size or case.batch_size
    # Whole batches, so that loops that drop a last part of one train on the same images as those that do not.
    num_train = max((config.images or tree.num_train) // batch_size, 1) * batch_size
    tree = replace(tree, num_train=num_train)
    if config.images:
        tree = replace(tree, num_test=min(tree.num_test, max(num_train // 4, tree.num_classes)))
    if config.contestant:
        contestants = tuple(name for name in config.contestant if name in contestants) or config.contestant
    return replace(
        case, tree=tree, contestants=contestants, batch_size=batch_size, model=config.model or case.model
    )

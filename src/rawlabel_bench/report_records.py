"""What the benchmark reports, key by key as it is written to its JSON and read from it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

State = Literal["met", "not met", "not yet measured"]


class Spread(TypedDict):
    """Several readings of one figure."""

    median: float
    min: float
    max: float
    readings: list[float]


class Rates(TypedDict):
    """Speed of a loader, or of steps on one batch."""

    images_per_second: Spread
    images_per_cpu_second: Spread
    others_cores: list[float]
    """Processor cores that other processes used during each reading."""
    device_busy: NotRequired[Spread]
    """Share of the time of a step in which a GPU computed."""


class EpochFigures(TypedDict):
    """Speed of whole epochs; lists begin with the warm-up."""

    images_per_second: Spread
    train_images_per_second: Spread
    images_per_cpu_second: Spread
    seconds: Spread
    gap_seconds: Spread
    """From the start of an epoch to its first batch."""
    cores_used: Spread
    steps: list[int]
    accuracy: list[dict[str, float]]
    memory_mb: list[int]
    others_cores: list[float]


class Limits(TypedDict):
    """What bounds a loop's epochs."""

    efficiency: float
    """Speed of the training pass over that of steps on one batch."""
    shares: dict[str, float]
    limiter: str


class ContestantRow(TypedDict, total=False):
    """One contestant in one case; what was not asked for, or is not over, is missing."""

    setup_seconds: float
    loader: Rates
    ready: Rates
    step: Rates
    epoch: EpochFigures
    first_batch_seconds: float
    efficiency: float
    shares: dict[str, float]
    limiter: str


class OptimizerRow(TypedDict):
    """The optimizer of all contestants of a case."""

    name: str
    lr: float
    momentum: float
    weight_decay: float
    epochs: int


class TreeSpecRow(TypedDict):
    """The specification of a tree, as it is written beside it."""

    name: str
    width: int
    height: int
    num_train: int
    num_test: int
    num_classes: int
    drawn_at: list[int] | None
    seed: int
    recipe: int


class TreeRow(TypedDict):
    """What a generated tree of images holds."""

    spec: TreeSpecRow
    images: int
    mean_bytes: int


class Gate(TypedDict):
    """Whether all loops of a case learned as much."""

    passed: bool
    faults: list[str]
    test_accuracy: dict[str, float]
    allowed_points: float | None
    """How far below the best a loop may be [percentage points]; None where the steps alone are judged."""
    steps_an_epoch: int


class CaseSummary(TypedDict):
    """One workload, and what was measured of each contestant."""

    name: str
    title: str
    network: str
    image_size: int
    batch_size: int
    augment: str
    optimizer: OptimizerRow
    train_images: int
    test_images: int
    was_cut_short: bool
    contestants: dict[str, ContestantRow]
    gate: NotRequired[Gate]
    """Where epochs were measured."""


class CaseRow(CaseSummary):
    """The same with its images."""

    tree: TreeRow
    classes: int


class DeviceRow(TypedDict):
    """The device that was measured on."""

    device: str
    device_name: str
    precision: dict[str, str]
    """By contestant."""
    cuda: str | None


class Hardware(DeviceRow):
    """The machine."""

    place: Literal["gpu", "cpu2", "other"]
    cores: int
    threads: int
    workers: int
    memory_gb: float


class Conditions(TypedDict):
    """How quiet the machine was."""

    page_cache: str
    busy: float
    readings: int
    disturbed_readings: int
    seconds_waited_for_quiet: float


class TargetRow(TypedDict):
    """One target and what was measured."""

    target: str
    place: str
    wanted: float
    measured: float | None
    state: State
    reason: NotRequired[str]
    """Why it was not measured."""


class MemoryRow(TypedDict):
    """Memory over many epochs."""

    megabytes: list[int]
    growth_mb_per_epoch: float
    epoch_seconds: list[float]


class FirstBatchTimes(TypedDict):
    """How long the first batch of a large index took."""

    images: int
    index_seconds: NotRequired[float]
    first_batch_seconds: float


class FirstBatchRow(FirstBatchTimes):
    """The same, and of what."""

    input: str


class Extras(TypedDict):
    """What is measured of rawlabel alone, where the preset asks for it."""

    memory: NotRequired[MemoryRow]
    index: NotRequired[FirstBatchRow]
    start: NotRequired[FirstBatchRow]


class Report(Extras):
    """The whole."""

    schema: int
    environment: Mapping[str, object]
    hardware: Hardware
    settings: Mapping[str, object]
    conditions: Conditions
    contestants: dict[str, str]
    """Each with what it is."""
    cases: list[CaseRow]
    targets: list[TargetRow]
    cases_left_out: list[str]

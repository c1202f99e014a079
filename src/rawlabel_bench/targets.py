"""The ratios that rawlabel wants to reach, in one table, and whether a result reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rawlabel_bench.report_records import CaseRow, FirstBatchRow, Hardware, State, TargetRow

Measure = Literal["loader", "train", "epoch", "efficiency", "cores"]
_WORDS = {
    "loader": "loader",
    "train": "training pass [images/s]",
    "epoch": "epoch with evaluations",
    "efficiency": "share of the step's ceiling",
    "cores": "share of the processors in use",
}


@dataclass(frozen=True)
class Target:
    """One ratio: `contestant` over `against`, or an absolute figure without it."""

    place: Literal["cpu2", "gpu"]
    """Two processor cores without a GPU, or one GPU."""
    case: str
    measure: Measure
    contestant: str
    wanted: float
    against: str | None = None
    against_case: str | None = None
    """Case of `against`, where it is another one."""
    at_most: bool = False
    """Whether the figure should lie below `wanted`."""
    gpu_name: str | None = None
    """Part of the name of the GPU that the target was set for."""
    needs_bf16: bool = False
    """Whether the target was set on a processor that computes in bfloat16, which is most of what it asks for."""

    def describe(self) -> str:
        """The target in words: case, measure, contestants and the wanted value or ratio."""
        sign = "<=" if self.at_most else ">="
        if self.against is None:
            return f"{self.case}: {_WORDS[self.measure]} of {self.contestant} {sign} {self.wanted:g}"
        other = self.against + (f" in {self.against_case}" if self.against_case else "")
        return f"{self.case}: {_WORDS[self.measure]}, {self.contestant} / {other} {sign} {self.wanted:g}"


TARGETS = (
    Target("cpu2", "photos", "loader", "ours_uncached", 2.0, "examples"),
    Target("cpu2", "photos", "loader", "ours_uncached", 1.5, "timm"),
    Target("cpu2", "photos", "loader", "ours_packed", 6.0, "examples"),
    Target("cpu2", "photos", "loader", "ours_packed", 4.5, "timm"),
    Target("cpu2", "photos", "loader", "ours_packed_320", 4.0, "examples"),
    Target("cpu2", "photos", "loader", "ours_packed_320", 3.0, "timm"),
    Target("cpu2", "shrunk", "loader", "ours_uncached", 4.0, "examples"),
    Target("cpu2", "shrunk", "loader", "ours_uncached", 2.5, "timm"),
    Target("cpu2", "small", "epoch", "ours", 4.0, "published", needs_bf16=True),
    Target("cpu2", "small", "epoch", "ours", 1.2, "timm"),
    Target("cpu2", "small", "efficiency", "ours", 0.90),
    Target("cpu2", "resnet50", "train", "ours", 2.2, "examples", needs_bf16=True),
    Target("cpu2", "resnet50", "epoch", "ours", 2.8, "published", needs_bf16=True),
    Target("cpu2", "resnet50", "epoch", "ours", 1.0, "timm"),
    Target("cpu2", "resnet50_128", "train", "ours", 6.0, "examples", "resnet50", needs_bf16=True),
    Target("gpu", "resnet50", "efficiency", "ours", 0.95),
    Target("gpu", "resnet50", "cores", "ours", 0.40, at_most=True),
    Target("gpu", "resnet50", "train", "ours", 4000, gpu_name="H200"),
    Target("gpu", "resnet50", "train", "ours", 2.3, "examples"),
    Target("gpu", "resnet50", "train", "ours", 1.1, "timm"),
    Target("gpu", "resnet50", "train", "ours", 1.0, "timm_compiled"),
    Target("gpu", "resnet50", "epoch", "ours", 3.0, "published"),
    Target("gpu", "resnet50", "epoch", "ours", 1.1, "timm"),
    Target("gpu", "resnet18", "train", "ours", 10_000, gpu_name="H200"),
    Target("gpu", "resnet18", "train", "ours", 2.5, "examples"),
    Target("gpu", "resnet18", "epoch", "ours", 5.0, "published"),
    Target("gpu", "resnet18", "epoch", "ours", 1.5, "timm"),
    Target("gpu", "small", "epoch", "ours", 4.0, "published"),
    Target("gpu", "small", "epoch", "ours", 2.5, "timm"),
)
FIRST_BATCH_SECONDS = 1.0
"""From the start of training, imports aside, to the first batch of an index of a million images."""


def judge_targets(cases: list[CaseRow], hardware: Hardware, *, as_preset: bool) -> list[TargetRow]:
    """Say of each target whether it is met, not met, or not yet measured.

    Where flags changed the workload (`as_preset` is false), nothing is said to be met or not.
    """
    by_name = {case["name"]: case for case in cases}
    return [_judge(target, by_name, hardware, as_preset) for target in TARGETS]


def judge_first_batch(row: FirstBatchRow) -> TargetRow:
    """The same for the first batch of a large index, of what its `input` says."""
    images, seconds = row["images"], row["first_batch_seconds"]
    is_large = images >= 1_000_000
    return {
        "target": f"first batch of {images:,} images <= {FIRST_BATCH_SECONDS:g} s ({row['input']})",
        "place": "any",
        "wanted": FIRST_BATCH_SECONDS,
        "measured": round(seconds, 3),
        "state": _state(seconds <= FIRST_BATCH_SECONDS) if is_large else "not yet measured",
    }


def _judge(target: Target, cases: dict[str, CaseRow], hardware: Hardware, as_preset: bool) -> TargetRow:
    ours = _value(target.measure, cases.get(target.case), target.contestant, hardware)
    value = ours
    if target.against is not None:
        other = _value(target.measure, cases.get(target.against_case or target.case), target.against, hardware)
        value = ours / other if ours and other else None
    row: TargetRow = {
        "target": target.describe(),
        "place": target.place,
        "wanted": target.wanted,
        "measured": None if value is None else round(value, 3),
        "state": "not yet measured",
    }
    reason = "nothing measured" if value is None else _does_not_hold(target, hardware, as_preset)
    if value is None or reason is not None:
        row["reason"] = reason or ""
        return row
    is_met = value <= target.wanted if target.at_most else value >= target.wanted
    row["state"] = _state(is_met)
    return row


def _does_not_hold(target: Target, hardware: Hardware, as_preset: bool) -> str | None:
    """Why what was measured says nothing about the target; None where it does."""
    if not as_preset:
        return "other work than the preset's"
    if target.place != hardware["place"]:
        return f"set for {target.place}"
    if target.gpu_name and target.gpu_name not in hardware["device_name"]:
        return f"set for {target.gpu_name}"
    if target.needs_bf16 and hardware["precision"]["ours"] != "bfloat16":
        return "set for a processor with bfloat16 instructions"
    return None


def _state(is_met: bool) -> State:
    return "met" if is_met else "not met"


def _value(measure: Measure, case: CaseRow | None, contestant: str, hardware: Hardware) -> float | None:
    row = case["contestants"].get(contestant) if case else None
    if row is None:
        return None
    if measure == "loader":
        return row["loader"]["images_per_second"]["median"] if "loader" in row else None
    if "epoch" not in row:
        return None
    epoch = row["epoch"]
    if measure == "efficiency":
        return row["efficiency"]
    if measure == "cores":
        return epoch["cores_used"]["median"] / hardware["cores"]
    return epoch["train_images_per_second" if measure == "train" else "images_per_second"]["median"]

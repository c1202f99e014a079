"""Sections of training: schedule."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator

from rawlabel.config.declaring import Section, setting

_Schedule = Literal["auto", "step", "cosine", "cosine_restarts", "constant", "cyclic", "inverse_sqrt"]


class ScheduleSettings(Section):
    """How long is trained, and the learning rate over time."""

    epochs: int = setting(120, "Passes through the training data [epochs].", ge=1, common=True)
    schedule_lr: bool = setting(False, "As published, short for --lr-schedule cyclic.")
    use_inverse_sqrt_lr: bool = setting(False, "As published, short for --lr-schedule inverse_sqrt.")
    lr_schedule: _Schedule = setting(
        "auto",
        "Learning rate: step (--decay-rate every --decay-epochs, or at each --decay-at), cosine (to --min-lr at "
        "the end of the run), cosine_restarts (the same in every --restart-epochs), constant, cyclic (between a "
        "hundredth of --lr and --lr), inverse_sqrt (--lr over the root of 1 + steps / --inverse-rate); auto is "
        "step.",
    )
    min_lr: float = setting(0.0, "Lowest rate of --lr-schedule cosine and cosine_restarts.", ge=0)
    lr: float = setting(0.1, "Learning rate at the start.", gt=0, common=True)
    decay_rate: float = setting(
        0.1, "Factor of each learning-rate step.", gt=0, le=1, also="lrdecay", flags=("--dr",)
    )
    decay_epochs: int = setting(30, "Distance of the learning-rate steps [epochs].", ge=1)
    decay_at: tuple[int, ...] = setting(
        (),
        "Epoch, counted from 0, from which on the rate is one step lower, in place of the steps every "
        "--decay-epochs; may be given several times.",
    )
    decay_max_epochs: int = setting(
        100,
        "No learning-rate step after this epoch, but those of --decay-at [epochs].",
        ge=0,
        also="max_lr_adjusting_epoch",
    )
    restart_epochs: int = setting(10, "Period of --lr-schedule cosine_restarts [epochs].", ge=1)
    warmup_epochs: float = setting(0.0, "Rise of the rate from 0, in a line, at the start [epochs].", ge=0)
    cycle_steps: int = setting(2000, "Half a cycle of --lr-schedule cyclic [steps].", ge=1)
    inverse_rate: float = setting(512.0, "After how many steps inverse_sqrt stands at 0.71 of --lr [steps].", gt=0)

    @field_validator("lr_schedule")
    @classmethod
    def _settle_schedule(cls, value: str, info: ValidationInfo) -> str:
        """The published flags choose a schedule, and so may contradict another choice."""
        flags = {"schedule_lr": "cyclic", "use_inverse_sqrt_lr": "inverse_sqrt"}
        chosen = [name for name in flags if info.data.get(name)]
        if not chosen:
            return "step" if value == "auto" else value
        asked = flags[chosen[0]]
        if len(chosen) > 1 or value not in ("auto", asked):
            names = " and ".join(f"--{name.replace('_', '-')}" for name in chosen)
            raise ValueError(f"{names} ask for another schedule; leave all but one out")
        return asked

    @field_validator("lr")
    @classmethod
    def _not_below_lowest(cls, value: float, info: ValidationInfo) -> float:
        """The start of a rate that falls to `min_lr`."""
        if value < info.data.get("min_lr", 0):
            raise ValueError("is below --min-lr; raise it, or lower that one")
        return value

    @field_validator("decay_at")
    @classmethod
    def _in_order(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        """Named steps belong to one schedule, and each is made once, behind the first epoch."""
        if any(at < 1 for at in value):
            raise ValueError("should name epochs from 1 on")
        if value and info.data.get("lr_schedule", "step") != "step":
            raise ValueError("goes with --lr-schedule step alone; leave it out")
        if len(set(value)) < len(value):
            raise ValueError("names an epoch twice; name each once")
        return tuple(sorted(value))

"""Learning-rate schedules, against torch's own where torch has them."""

from __future__ import annotations

import math

import pytest
import torch

from rawlabel.config import TrainConfig, load_section
from rawlabel.errors import ConfigError
from rawlabel.training.schedule import decays_left, learning_rate

STEPS = 7


def rates(config: TrainConfig) -> list[float]:
    return [learning_rate(config, epoch, step, STEPS) for epoch in range(config.epochs) for step in range(STEPS)]


def test_the_step_schedule_is_the_published_one() -> None:
    config = TrainConfig(epochs=150)
    assert [learning_rate(config, epoch) for epoch in (0, 29, 30, 60, 90, 120)] == pytest.approx(
        [0.1, 0.1, 0.01, 1e-3, 1e-4, 1e-4]
    )
    assert [decays_left(config, epoch) for epoch in (0, 29, 30, 89, 90, 149)] == [3, 3, 2, 1, 0, 0]
    assert decays_left(config.model_copy(update={"epochs": 80}), 0) == 2


def test_steps_at_named_epochs_take_the_place_of_those_at_a_distance() -> None:
    """Those of generalized Jensen-Shannon divergence: a tenth at 200 and at 300 of 400 epochs."""
    config = TrainConfig(epochs=400, decay_at=(300, 200))
    assert [
        learning_rate(config, epoch, 3, STEPS) for epoch in (0, 100, 199, 200, 299, 300, 399)
    ] == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3])
    assert [decays_left(config, epoch) for epoch in (0, 199, 200, 299, 300, 399)] == [2, 2, 1, 1, 0, 0]
    assert decays_left(config.model_copy(update={"epochs": 250}), 0) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"decay_at": (30, 30)}, "--decay-at: names an epoch twice"),
        ({"decay_at": (0,)}, "--decay-at: should name epochs from 1 on"),
        ({"decay_at": (30,), "lr_schedule": "cosine"}, "--decay-at: goes with --lr-schedule step alone"),
        ({"lr": 0.01, "min_lr": 0.02}, "--lr: is below --min-lr"),
    ],
)
def test_a_schedule_that_contradicts_itself_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_section(TrainConfig, None, given)


@pytest.mark.parametrize("kind", ["cyclic", "cosine", "cosine_restarts"])
def test_a_schedule_is_torchs(kind: str) -> None:
    config = TrainConfig(epochs=6, lr=0.4, min_lr=0.02, lr_schedule=kind, cycle_steps=10, restart_epochs=2)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    scheduler: torch.optim.lr_scheduler.LRScheduler
    if kind == "cyclic":
        scheduler = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.004, 0.4, 10, cycle_momentum=False)
    elif kind == "cosine":
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6 * STEPS, 0.02)
    else:
        scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 2 * STEPS, eta_min=0.02)
    expected = []
    for _ in range(6 * STEPS):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates(config) == pytest.approx(expected, abs=1e-9)


def test_inverse_square_root_falls_from_step_to_step() -> None:
    config = TrainConfig(epochs=3, lr=0.3, use_inverse_sqrt_lr=True, inverse_rate=4)
    assert rates(config) == pytest.approx([0.3 / math.sqrt(1 + step / 4) for step in range(3 * STEPS)])


@pytest.mark.parametrize("kind", ["step", "cosine", "cosine_restarts", "constant", "cyclic", "inverse_sqrt"])
def test_a_warm_up_rises_in_a_line_and_then_leaves_the_schedule_alone(kind: str) -> None:
    plain = TrainConfig(epochs=8, lr_schedule=kind)
    warm = rates(plain.model_copy(update={"warmup_epochs": 2.0}))
    if kind in ("step", "constant"):
        assert warm[: 2 * STEPS] == pytest.approx([0.1 * (step + 1) / (2 * STEPS) for step in range(2 * STEPS)])
    if kind.startswith("cosine"):
        assert warm[2 * STEPS :] == pytest.approx(rates(plain.model_copy(update={"epochs": 6})))
    else:
        assert warm[2 * STEPS :] == rates(plain)[2 * STEPS :]
    assert warm[0] < rates(plain)[0]


@pytest.mark.parametrize(
    ("kind", "left"),
    [("constant", 0), ("cosine", 1), ("cosine_restarts", 1), ("cyclic", 1), ("inverse_sqrt", 1)],
)
def test_a_rate_that_falls_to_the_end_is_a_decay_that_is_never_over(kind: str, left: int) -> None:
    config = TrainConfig(epochs=9, lr_schedule=kind)
    assert {decays_left(config, epoch) for epoch in range(9)} == {left}

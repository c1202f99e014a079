"""Stopping rules: functions of the signals they name, over the records so far."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel.base import families
from rawlabel.base.families import Family
from rawlabel.config import load_options
from rawlabel.errors import ConfigError
from rawlabel.records import EpochRecord
from rawlabel.training.measuring.statistics import class_size_ratio, holdout_statistics
from rawlabel.training.stopping_rule import Selection, StoppingRule

NAMES = families.names(Family.STOPPING_RULE)
SETTINGS = [
    *((name, ()) for name in NAMES),
    ("noisy_holdout", ("window=3",)),
    ("noisy_holdout", ("window=3", "early=1")),
    ("noisy_holdout", ("window=3", "shorter=0.5")),
    ("noisy_holdout", ("window=3", "band=1")),
    ("noisy_holdout", ("balanced=always",)),
    ("patience", ("signal=holdout_balanced_accuracy",)),
    ("label_wave", ("halt=at_once", "patience=1", "window=1")),
    ("label_wave", ("halt=never",)),
    ("patience", ("patience=2", "halt=at_once")),
    ("patience", ("signal=holdout_loss", "patience=1", "window=2")),
    ("patience", ("halt=never",)),
]
every_rule = pytest.mark.parametrize(
    ("name", "options"), SETTINGS, ids=[" ".join((name, *options)) for name, options in SETTINGS]
)


load = cache(families.load)  # finding the installed packages takes longer than all else here


def rule_of(name: str, options: Sequence[str] = ()) -> StoppingRule[Any]:
    rule_type = load(Family.STOPPING_RULE, name)
    rule: StoppingRule[Any] = rule_type(load_options(rule_type.Options, options, "--stop-option"))
    return rule


SIGNALS = [name for name in EpochRecord.__dataclass_fields__ if name not in ("epoch", "decays_left")]
ODD = (None, float("nan"), float("inf"), 1.0, 2.0)


def random_run(seed: int) -> list[EpochRecord]:
    """A run of up to 14 epochs, with gaps and ties, whose schedule has up to three decays or is unknown."""
    rng = random.Random(seed)
    length = rng.randint(1, 14)
    decays = rng.sample(range(1, 14), rng.randint(0, 3))
    oddity, is_known = rng.choice((0, 0.2, 0.6)), rng.random() < 0.7

    def value() -> float | None:
        return rng.choice(ODD) if rng.random() < oddity else rng.uniform(-5, 100)

    def record(epoch: int) -> EpochRecord:
        signals = {name: value() for name in SIGNALS} | {
            "decays_left": sum(at > epoch for at in decays) if is_known else None,
            "holdout_images": rng.choice((None, 20, 300)),
            # A run may be gone on with after its end, and more than once.
            "epochs_left": rng.choice((None, 0, 3)),
        }
        return EpochRecord(epoch, **signals)

    return [record(epoch) for epoch in range(length)]


runs = st.builds(random_run, st.integers(0, 2**32))


@every_rule
@settings(max_examples=60)
@given(run=runs)
def test_a_rule_moves_to_the_new_epoch_or_stays_and_after_a_halt_it_stays(
    name: str, options: tuple[str, ...], run: list[EpochRecord]
) -> None:
    """Weights of other epochs are not kept, so a selection may not jump elsewhere."""
    rule = rule_of(name, options)
    before = rule.select(run[:1])
    assert before.epoch == 0
    for stop in range(2, len(run) + 1):
        selection = rule.select(run[:stop])
        assert selection.epoch in ((before.epoch,) if before.halt else (before.epoch, stop - 1))
        assert selection.halt or not before.halt
        assert selection.why
        before = selection


@every_rule
@settings(max_examples=60)
@given(run=runs, other=runs)
def test_a_rule_depends_on_the_signals_that_it_names_alone(
    name: str, options: tuple[str, ...], run: list[EpochRecord], other: list[EpochRecord]
) -> None:
    rule = rule_of(name, options)
    strangers = [one for one in EpochRecord.__dataclass_fields__ if one not in ("epoch", *rule.signals)]
    changed = [
        replace(one, **{key: getattr(other[one.epoch % len(other)], key) for key in strangers}) for one in run
    ]
    assert rule.select(changed) == rule.select(run)
    assert set(rule.signals) < set(EpochRecord.__dataclass_fields__)


@every_rule
@settings(max_examples=60)
@given(run=runs)
def test_no_rule_halts_before_the_last_decay_unless_asked(
    name: str, options: tuple[str, ...], run: list[EpochRecord]
) -> None:
    rule = rule_of(name, options)
    for stop in range(1, len(run) + 1):
        if rule.select(run[:stop]).halt and "halt=at_once" not in options:
            assert run[stop - 1].decays_left == 0
            assert "halt=never" not in options


def run_of(decays: Sequence[int] = (), **signals: Sequence[float | None]) -> list[EpochRecord]:
    """Records with the given signals, and decays at the given epochs."""
    empty = dict.fromkeys(EpochRecord.__dataclass_fields__)
    return [
        EpochRecord(**{**empty, "epoch": i, "decays_left": sum(at > i for at in decays), **values})  # type: ignore
        for i, values in enumerate(
            dict(zip(signals, column, strict=True)) for column in zip(*signals.values(), strict=True)
        )
    ]


def test_noisy_holdout_takes_the_highest_epoch_or_mean() -> None:
    held = [10.0, 70.0, 20.0, 50.0, 60.0, 55.0, 50.0]  # a lone peak at 1, a plateau that ends at 5
    selection = rule_of("noisy_holdout").select(run_of(holdout_accuracy=held))
    assert (selection.epoch, selection.why) == (1, "highest raw holdout accuracy, 70.00 %")
    selection = rule_of("noisy_holdout", ["window=3"]).select(run_of(holdout_accuracy=held))
    assert (selection.epoch, selection.why) == (5, "highest 3-epoch mean of raw holdout accuracy, 55.00 %")


def test_noisy_holdout_loss_takes_the_lowest_three_epoch_mean() -> None:
    loss = [2.0, 0.1, 2.0, 1.0, 0.9, 0.8, 1.5]
    selection = rule_of("noisy_holdout_loss").select(run_of(holdout_loss=loss))
    assert (selection.epoch, selection.why) == (5, "lowest 3-epoch mean of raw holdout loss, 0.9000 nats")


@pytest.mark.parametrize(
    ("held", "epoch", "why"),
    [
        # Wrong labels are fitted from the first epoch on: the best epoch is one before any whole window.
        ([70, 66, 62, 58, 55, 55], 0, "highest raw holdout accuracy, 70.00 %"),
        # An early epoch that is ahead by less than the handicap is taken for chance.
        ([60.5, 59, 60, 60, 60, 60], 5, "highest 4-epoch mean of raw holdout accuracy, 60.00 %"),
        ([50, 70, 40, 40, 40, 40], 1, "highest 2-epoch mean of raw holdout accuracy, 60.00 %"),
    ],
)
def test_an_early_epoch_is_taken_where_it_is_clearly_ahead(held: list[float], epoch: int, why: str) -> None:
    selection = rule_of("noisy_holdout", ["window=4", "early=1"]).select(run_of(holdout_accuracy=held))
    assert (selection.epoch, selection.why) == (epoch, why)
    assert rule_of("noisy_holdout", ["window=4"]).select(run_of(holdout_accuracy=held)).epoch >= 3


@pytest.mark.parametrize(("lead", "epoch"), [(0.9, 7), (1.1, 0)])
def test_a_shorter_mean_must_be_further_ahead(lead: float, epoch: int) -> None:
    """Of one epoch where whole windows have four: by the root of 4 less 1, of two by the root of 2 less 1."""
    rule = rule_of("noisy_holdout", ["window=4", "shorter=1"])
    assert rule.select(run_of(holdout_accuracy=[60 + lead, 55, 55, 55, 60, 60, 60, 60])).epoch == epoch
    two = [60.5, 60.5, 55, 55, 60, 60, 60, 60]
    assert rule.select(run_of(holdout_accuracy=two)).epoch == 1


@pytest.mark.parametrize(
    ("held", "left", "images", "epoch"),
    [
        ([80, 82, 81], 0, 400, 2),  # one standard error of 82 % of 400 is 1.92 points
        ([80, 84, 81], 0, 400, 1),
        ([80, 82, 81], 0, 4000, 1),  # more labels, less chance
        ([80, 82, 81], 5, 400, 1),  # the run is not at its end
        ([80, 82, 81], None, None, 1),  # a log of before
    ],
)
def test_a_whole_run_s_last_epoch_is_taken_unless_another_is_ahead_beyond_chance(
    held: list[float], left: int | None, images: int | None, epoch: int
) -> None:
    rule = rule_of("noisy_holdout", ["band=1"])
    run = run_of(holdout_accuracy=held, holdout_images=[images] * 3, epochs_left=[None, None, left])
    assert rule.select(run).epoch == epoch
    assert rule.select(run).why.endswith("1.00 points below the highest, within chance") == (epoch == 2)
    assert rule_of("noisy_holdout", []).select(run).epoch == 1
    # Gone on with: its weights are the ones that are kept, until an epoch is higher than all.
    more = run_of(
        holdout_accuracy=[*held, 81.5, 85], holdout_images=[images] * 5, epochs_left=[None, None, left, 9, 8]
    )
    assert rule.select(more[:4]).epoch == epoch
    assert rule.select(more).epoch == 4


@pytest.mark.parametrize(("last", "images", "epoch"), [(85.714286, 7, 2), (66.666667, 3, 2), (71.428571, 7, 1)])
def test_one_photo_of_few_is_no_lead_though_all_are_right(last: float, images: int, epoch: int) -> None:
    # By the formula an accuracy of 100 % has no error.
    run = run_of(holdout_accuracy=[0, 100, last], holdout_images=[images] * 3, epochs_left=[2, 1, 0])
    assert rule_of("noisy_holdout", ["band=1"]).select(run).epoch == epoch


def test_a_last_epoch_as_high_as_the_best_is_not_said_to_be_below_it() -> None:
    run = run_of(holdout_accuracy=[80.0, 82.0, 82.0], holdout_images=[400] * 3, epochs_left=[2, 1, 0])
    why = "last epoch, whose raw holdout accuracy, 82.00 %, is as high as any before"
    assert rule_of("noisy_holdout", ["band=1"]).select(run) == Selection(2, why)


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize(
    ("name", "name_of_signal", "level"),
    [("noisy_holdout", "holdout_accuracy", 50.0), ("noisy_holdout_loss", "holdout_loss", 1.0)],
)
def test_of_equal_epochs_the_first_wins_and_a_gap_never_does(
    name: str, name_of_signal: str, level: float, window: int
) -> None:
    flat, rule = [level] * 6, rule_of(name, [f"window={window}"])
    assert rule.select(run_of(**{name_of_signal: flat})).epoch == window - 1
    for gap in (None, float("nan"), float("inf")):
        assert rule.select(run_of(**{name_of_signal: [gap, *flat]})).epoch == window
        nothing = rule.select(run_of(**{name_of_signal: [gap] * 4}))
        assert nothing.epoch == 3
        wanted = "raw holdout" if window == 1 else "3 epochs in a row with raw holdout"
        assert f"for want of {wanted}" in nothing.why


def test_gwa_divides_the_mean_by_kurtosis_and_beta() -> None:
    run = run_of(alignment_mean=[0.1, 0.3, 0.3, 0.9], alignment_kurtosis=[0.0, 0.8, -0.2, 8.8])
    selection = rule_of("gwa").select(run)  # 0.083, 0.15, 0.3, 0.09
    assert (selection.epoch, selection.why) == (2, "highest gradient-weight alignment, 0.3")
    assert rule_of("gwa", ["beta=100"]).select(run).epoch == 3
    assert rule_of("gwa").select(run_of(alignment_mean=[0.1], alignment_kurtosis=[-1.2])).epoch == 0


def test_label_wave_takes_the_first_local_minimum_at_a_constant_rate() -> None:
    changed = [None, 30.0, 20.0, 12.0, 10.0, 11.0, 18.0, 15.0, 14.0, 20.0, 5.0, 1.0, 0.0]
    run = run_of(changed_predictions=changed)  # 3-epoch means from epoch 3: 20.7 14 11 13 14.7 15.7 16.3 13 8.7
    selection = rule_of("label_wave").select(run)
    assert (selection.epoch, selection.halt) == (5, True)
    assert selection.why == (
        "lowest 3-epoch mean of changed training predictions, 11.00 %, and 5 epochs without a lower one"
    )
    assert not rule_of("label_wave").select(run[:10]).halt
    assert rule_of("label_wave", ["halt=never"]).select(run).epoch == 12


def test_label_wave_starts_anew_at_a_decay() -> None:
    changed = [None, 9.0, 8.0, 30.0, 30.0, 30.0, 30.0, 6.0, 5.0, 7.0, 8.0, 9.0]
    run = run_of(decays=[7], changed_predictions=changed)
    options = ["window=1", "patience=2"]
    rule = rule_of("label_wave", options)
    assert [rule.select(run[: stop + 1]).epoch for stop in range(len(run))] == [0, 1, 2, 2, 2, 2, 2, 7, 8, 8, 8, 8]
    assert [rule.select(run[: stop + 1]).halt for stop in range(len(run))] == [False] * 10 + [True] * 2
    as_published = rule_of("label_wave", [*options, "halt=at_once"]).select(run)
    assert (as_published.epoch, as_published.halt) == (2, True)


def test_patience_counts_from_the_last_decay() -> None:
    held = [40.0, 50.0, 49.0, 49.0, 49.0, 49.0, 60.0, 59.0, 58.0, 61.0]
    run = run_of(decays=[3, 6], holdout_accuracy=held)
    rule = rule_of("patience", ["patience=2"])
    halts = [rule.select(run[: stop + 1]).halt for stop in range(len(run))]
    assert halts == [False] * 8 + [True, True]
    assert rule.select(run).epoch == 6
    assert rule.select(run).why == (
        "highest raw holdout accuracy so far, 60.00 %, and 2 epochs without a better one"
    )
    hasty = rule_of("patience", ["patience=2", "halt=at_once"])
    assert (hasty.select(run).epoch, hasty.select(run[:4]).halt) == (1, True)
    flat = run_of(decays=[2], holdout_accuracy=[70.0] + [50.0] * 5)  # the best epoch is before the decay
    assert [rule.select(flat[: stop + 1]).halt for stop in range(6)] == [False] * 4 + [True] * 2


def test_patience_can_watch_the_loss() -> None:
    run = run_of(holdout_loss=[2.0, 1.0, 1.5, 1.4])
    selection = rule_of("patience", ["signal=holdout_loss", "patience=2"]).select(run)
    assert (selection.epoch, selection.halt) == (1, True)
    assert selection.why.startswith("lowest raw holdout loss so far, 1.0000 nats, and 2 epochs")


def test_only_rules_that_look_at_the_holdout_need_one() -> None:
    assert {name for name in NAMES if rule_of(name).needs_holdout} == {
        "noisy_holdout", "noisy_holdout_loss", "patience",
    }  # fmt: skip


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(ConfigError, match="--stop-option window: input should be greater than or equal to 1"):
        rule_of("label_wave", ["window=0"])
    with pytest.raises(ConfigError, match="--stop-option window: unknown option; there are none"):
        rule_of("last_epoch", ["window=3"])


def test_where_classes_differ_in_size_every_class_counts_the_same() -> None:
    """280, 30, 5 and 3 photos: an epoch that answers the large class alone has the higher plain accuracy."""
    held = np.repeat([0, 1, 2, 3], [280, 30, 5, 3])
    ratio = class_size_ratio(held)
    large_alone = np.eye(4, dtype=np.float32)[np.zeros(len(held), dtype=int)]
    right_for_most = np.eye(4, dtype=np.float32)[np.where(np.arange(len(held)) % 5 == 0, (held + 1) % 4, held)]
    measured = [holdout_statistics(one, held) for one in (right_for_most, large_alone)]
    assert measured[0]["acc1"] < measured[1]["acc1"]
    assert measured[1]["balanced_acc1"] == 25 and measured[0]["balanced_acc1"] > 60

    def epoch_selected(ratio: float | None, *options: str) -> tuple[int, str]:
        records = run_of(
            holdout_accuracy=[one["acc1"] for one in measured],
            holdout_balanced_accuracy=[one["balanced_acc1"] for one in measured],
            class_size_ratio=[ratio, ratio],
        )
        selection = rule_of("noisy_holdout", options).select(records)
        return selection.epoch, selection.why.split(",")[0]

    assert epoch_selected(ratio) == (0, "highest class-balanced raw holdout accuracy")
    assert epoch_selected(2.0) == epoch_selected(None) == (1, "highest raw holdout accuracy")
    assert epoch_selected(ratio, "balanced=never")[0] == 1
    assert epoch_selected(1.0, "balanced=always")[0] == 0

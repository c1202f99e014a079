"""`rawlabel worth`: raw runs on the learning curve of clean ones."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel import cli
from rawlabel.config import WorthConfig
from rawlabel.errors import DataError
from rawlabel.judge.evaluate.worth import LearningCurve, fit_curve, linear_in_log, measure_worth
from tests.helpers.logged_runs import make_run

CURVE = LearningCurve(limit=95.0, scale=900.0, rate=0.45)
SIZES = (1000, 2000, 5000, 10_000, 40_000)


def make_finished(path: Path, accuracy: float, images: int, **given: object) -> Path:
    """A finished run that selected its second of three epochs."""
    run = make_run(path, [10.0, accuracy, 99.0], seed=int(path.name), **given)
    (run / "environment.json").write_text(json.dumps([{"training_images": images}]))
    (run / "summary.json").write_text(json.dumps({"selected_epoch": 1}))
    return run


def make_clean(root: Path, seeds: int, spread: float = 0.3) -> list[Path]:
    rng = np.random.default_rng(3)
    return [
        make_finished(root / str(size) / str(seed), accuracy, size, train_size=size)
        for size in SIZES
        for seed, accuracy in enumerate(CURVE.accuracy(size) + spread * rng.normal(size=seeds))
    ]


@settings(max_examples=40)
@given(limit=st.floats(70, 99), rate=st.floats(0.2, 1.0), start=st.floats(20, 60))
def test_a_curve_without_noise_is_found_again(limit: float, rate: float, start: float) -> None:
    true = LearningCurve(limit, (limit - start) * SIZES[0] ** rate, rate)
    found = fit_curve({size: (float(true.accuracy(size)),) for size in SIZES})
    for size in (1500, 3000, 20_000):
        assert found.accuracy(size) == pytest.approx(true.accuracy(size), abs=0.2)
        assert found.size(float(true.accuracy(size))) == pytest.approx(size, rel=0.05)


def test_raw_runs_are_worth_the_clean_set_of_their_accuracy(tmp_path: Path) -> None:
    clean = make_clean(tmp_path, seeds=3)
    raw = [
        make_finished(tmp_path / "raw" / str(seed), CURVE.accuracy(8000) + 0.1 * seed, 40_000) for seed in range(3)
    ]
    worth = measure_worth(WorthConfig(runs=raw, clean=clean, resamples=100, out=tmp_path / "out"))
    (one,) = worth.equivalents
    assert one.num_raw == 40_000 and one.note == ""
    assert one.interval is not None
    low, high = one.interval
    assert low < 8000 < high and low <= one.num_clean <= high
    assert high < 16_000  # three seeds say more than nothing
    assert one.per_label == one.num_clean / 40_000
    assert measure_worth(WorthConfig(runs=raw, clean=clean, resamples=100)) == worth


def test_what_lies_beyond_the_measured_sizes_is_said(tmp_path: Path) -> None:
    clean = make_clean(tmp_path, seeds=1, spread=0)
    runs = [make_finished(tmp_path / kind / "0", accuracy, 40_000, method=kind)
            for kind, accuracy in (("cross_entropy", 96.0), ("elr", 30.0))]  # fmt: skip
    best, worst = measure_worth(WorthConfig(runs=runs, clean=clean)).equivalents
    assert best.num_clean == float("inf") and "beyond the largest clean set (40000)" in best.note
    assert worst.num_clean < 1000 and "below the smallest clean set (1000)" in worst.note
    assert best.interval is None  # one run of each size tells nothing of the spread


def test_intervals_hold_the_truth_as_often_as_they_say(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    raw = [
        make_finished(tmp_path / f"{draw}/{seed}", CURVE.accuracy(4000) + 3 * rng.normal(), 9000, lr=draw + 1)
        for draw in range(40)
        for seed in range(3)
    ]
    found = measure_worth(WorthConfig(runs=raw, clean=make_clean(tmp_path, seeds=3, spread=0.1), resamples=200))
    intervals = [one.interval for one in found.equivalents if one.interval is not None]
    assert len(intervals) == 40
    assert sum(low <= 4000 <= high for low, high in intervals) >= 35


def test_one_raw_run_has_no_interval(tmp_path: Path) -> None:
    raw = make_finished(tmp_path / "raw" / "0", 80.0, 40_000)
    (one,) = measure_worth(WorthConfig(runs=[raw], clean=make_clean(tmp_path, seeds=2), resamples=100)).equivalents
    assert one.interval is None


@pytest.mark.integration
def test_the_command_prints_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = make_clean(tmp_path, seeds=2)
    raw = [make_finished(tmp_path / "raw" / str(seed), 80.0 + seed, 40_000) for seed in range(2)]
    flags = [word for path in clean for word in ("--clean", str(path))]
    assert cli.run(["worth", *map(str, raw), *flags, "--resamples", "100", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "40000 raw labels are worth" in printed and "95 % interval" in printed
    assert (tmp_path / "out" / "worth.png").stat().st_size > 10_000
    found = json.loads((tmp_path / "out" / "worth.json").read_text())
    with (tmp_path / "out" / "worth.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[-1]["clean_images_worth_as_much"]) == pytest.approx(found["raw"][0]["num_clean"], abs=1)
    assert len(rows) == len(clean) + len(raw)


@pytest.mark.parametrize(
    ("accuracy", "expected"), [(37.6, 1203.5), (31.4, 375), (47.6, 3000), (31.3, None), (47.7, None)]
)
def test_a_line_in_log_n_is_the_second_opinion(accuracy: float, expected: float | None) -> None:
    """Half of the way from 750 to 1500 in log n is at 1061; (37.6 - 34.8) / 4.1 of it at 750 * 2^0.6829."""
    found = linear_in_log({375: 31.4, 750: 34.8, 1500: 38.9, 3000: 47.6}, accuracy)
    assert found == (None if expected is None else pytest.approx(expected, rel=2e-3))


def test_an_asymptote_on_its_bound_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Accuracies that rise ever faster in log n, as those of few images do, have no end that they would show."""
    sizes = {375: 31.4, 750: 34.8, 1500: 38.9, 3000: 47.6}
    clean = [make_finished(tmp_path / str(n) / "0", one, n, train_size=n) for n, one in sizes.items()]
    raw = make_finished(tmp_path / "raw" / "0", 37.6, 3000)
    flags = [word for path in clean for word in ("--clean", str(path))]
    assert cli.run(["worth", str(raw), *flags, "--resamples", "100"]) == 0
    printed = capsys.readouterr().out
    assert "the asymptote of the curve lies on its bound, 100 %" in printed
    assert "; 1204 by a line in log n" in printed
    worth = measure_worth(WorthConfig(runs=[raw], clean=clean, resamples=100))
    assert worth.curve.is_limit_its_bound
    assert not fit_curve({size: (float(CURVE.accuracy(size)),) for size in SIZES}).is_limit_its_bound


def test_runs_that_cannot_carry_a_curve_are_refused(tmp_path: Path) -> None:
    clean = make_clean(tmp_path, seeds=1)
    raw = make_finished(tmp_path / "raw" / "0", 80.0, 40_000)
    with pytest.raises(DataError, match="runs of 3 sizes cannot carry a curve"):
        measure_worth(WorthConfig(runs=[raw], clean=clean[:3]))
    (raw / "summary.json").unlink()
    with pytest.raises(DataError, match="summary of a finished run"):
        measure_worth(WorthConfig(runs=[raw], clean=clean))

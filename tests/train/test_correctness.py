"""What counts as right is decided once: ties, NaN, bfloat16, few classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.correctness import is_right, logged_accuracies, predicted_classes
from rawlabel.models.checkpoint import load_weights
from rawlabel.models.networks.building import build_network
from rawlabel.training.measuring.divergence import refuse_diverged
from rawlabel.training.measuring.sample_statistics import SampleStatistics
from rawlabel.training.measuring.statistics import RunningStatistics
from tests.helpers.runs import arguments

NAN = float("nan")


@given(
    arrays(np.float32, (7, 6), elements=st.sampled_from([-2.0, 0.0, 0.5, 1.0, float("inf"), NAN])),
    arrays(np.int64, 7, elements=st.integers(0, 5)),
)
def test_all_counts_agree_and_a_nan_is_never_right(logits: np.ndarray, labels: np.ndarray) -> None:
    right, among_five = is_right(logits, labels), is_right(logits, labels, 5)
    has_nan = np.isnan(logits).any(axis=1)
    best = np.where(has_nan, -1, logits.argmax(axis=1))
    assert (right == (best == labels)).all()
    assert not among_five[has_nan].any()
    assert (among_five >= right).all()
    assert (predicted_classes(torch.from_numpy(logits)).numpy() == best).all()
    statistics, samples = RunningStatistics(), SampleStatistics(7, torch.device("cpu"))
    at = torch.from_numpy(logits), torch.from_numpy(labels)
    assert (statistics.add(torch.tensor(1.0), *at).numpy() == best).all()
    samples.add(torch.arange(7), *at)
    assert statistics.correct.tolist() == [right.sum(), among_five.sum()]
    assert samples.correct.tolist() == right.tolist()


def test_of_equal_logits_the_first_class_is_ahead_and_five_classes_have_no_top_five() -> None:
    logits, labels = np.zeros((6, 6), dtype=np.float32), np.arange(6)
    assert is_right(logits, labels).tolist() == [True] + 5 * [False]
    assert is_right(logits, labels, 5).tolist() == 5 * [True] + [False]
    assert logged_accuracies(logits, labels) == {"acc1": pytest.approx(100 / 6), "acc5": pytest.approx(500 / 6)}
    assert logged_accuracies(logits[:5, :5], labels[:5]) == {"acc1": pytest.approx(20), "acc5": None}


def test_networks_answer_in_fp32_outside_training_and_keep_their_best_class_apart() -> None:
    torch.manual_seed(1)
    network = build_network("cifar_resnet8", 10).eval()
    images = torch.randn(2000, 3, 8, 8)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    assert logits.dtype == torch.float32
    best = logits.topk(2, dim=1).values
    assert (best[:, 0] > best[:, 1]).all()
    assert (logits.bfloat16().topk(2, dim=1).values.diff(dim=1) == 0).any()  # as they had been


@pytest.mark.parametrize("poison", [NAN, float("inf")])
@pytest.mark.parametrize("place", ["weight", "running_var"])
def test_divergence_is_seen_in_the_weights_though_the_loss_is_finite(poison: float, place: str) -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    refuse_diverged(network, 1.0, 0)
    with torch.no_grad():
        getattr(network[1], place)[2] = poison
    with pytest.raises(Exception, match=f"--lr: the run diverged: 1.{place} is not finite after epoch 4"):
        refuse_diverged(network, 1.0, 4)


@pytest.mark.integration
def test_a_run_that_diverges_says_so_and_selects_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert cli.run([*arguments(data, out, model="cifar_resnet20", lr=100, epochs=2)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "--lr: the run diverged: " in error
    assert "lower learning rate" in error
    assert RunDirectory(out).log() == []
    assert not (out / "summary.json").exists()


@pytest.mark.integration
def test_a_network_of_nan_is_measured_as_wrong_by_all_that_evaluate_writes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As runs of older versions have them."""
    from safetensors.torch import load_file, save_file

    run = RunDirectory(tmp_path / "run")
    assert cli.run([*arguments(data, run.path, epochs=1)]) == 0
    for path in (run.selected_checkpoint, run.last_weights):
        weights = load_file(path)
        from safetensors import safe_open

        with safe_open(path, "pt") as opened:
            facts = opened.metadata()
        poisoned = {name: one.fill_(NAN) if name.endswith("head.bias") else one for name, one in weights.items()}
        assert any(one.isnan().any() for one in poisoned.values() if one.is_floating_point())
        save_file(poisoned, path, facts)
    load_weights(run.selected_checkpoint)
    capsys.readouterr()
    assert cli.run(["evaluate", str(run.path)]) == 0
    assert "top-1 0.00 %" in (said := capsys.readouterr().out)
    assert "36 images have no finite answer" in said
    assert json.loads((run.path / "corr.json").read_text()) == {"blue": 0, "green": 0, "red": 0}
    rows = pq.read_table(run.path / "predictions.parquet").to_pylist()
    assert {(row["predicted_class"], row["is_correct"]) for row in rows} == {(None, False)}
    assert np.load(run.path / "confmat.npy").sum() == 0
    assert cli.run(["predict", str(run.path), str(data / "test")]) == 2
    assert "its network has diverged and says NaN" in capsys.readouterr().err

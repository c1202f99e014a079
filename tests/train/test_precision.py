"""`--precision auto`: a trial decides once a machine and network, and a run keeps what it began in."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.models import precision
from rawlabel.models.networks.building import build_network
from rawlabel.models.precision import precision_of_run, settle_precision
from tests.helpers.runs import arguments
from tests.helpers.tiny_training import make_class_folders, tiny

pytestmark = pytest.mark.usefixtures("timed_trials")
CPU = torch.device("cpu")


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[torch.dtype, float]:
    """A processor with bfloat16, on which passes take as long as is written here; trials are counted."""
    seconds = {torch.bfloat16: 1.0, torch.float32: 1.0}
    monkeypatch.setenv("RAWLABEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("rawlabel.models.device._has_bf16", lambda device: True)
    monkeypatch.setattr(precision, "_pass_seconds", lambda network, batch, dtype, is_training: seconds[dtype])
    return seconds


@pytest.mark.parametrize(("bf16", "expected"), [(2.0, torch.float32), (0.5, torch.bfloat16)])
@pytest.mark.parametrize("is_training", [True, False])
def test_the_faster_one_is_taken_and_kept(
    slow: dict[torch.dtype, float], tmp_path: Path, bf16: float, expected: torch.dtype, is_training: bool
) -> None:
    network = build_network("cifar_resnet8", 3)
    before = {name: one.clone() for name, one in network.state_dict().items()}
    slow[torch.bfloat16] = bf16
    state = torch.get_rng_state()
    config = tiny(tmp_path)

    def settled(**changes: object) -> torch.dtype:
        return settle_precision(tiny(tmp_path, **changes), network, CPU, is_training=is_training)

    assert settle_precision(config, network, CPU, is_training=is_training) == expected
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], one) for name, one in network.state_dict().items())
    slow[torch.bfloat16] = 1 / bf16  # another moment, in which the other one would be faster
    assert settled() == expected
    assert settled(model="cifar_resnet20") != expected  # another network has a trial of its own
    assert settled(precision="bf16") == torch.bfloat16
    assert settled(precision="fp32") == torch.float32
    file = tmp_path / "cache" / "precision.json"
    assert {one["chosen"] for one in json.loads(file.read_text()).values()} == {"bf16", "fp32"}
    file.write_text("{")
    assert settled() != expected  # what cannot be read is tried again


def test_a_trial_times_both_and_leaves_the_network_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAWLABEL_CACHE", str(tmp_path))
    monkeypatch.setattr("rawlabel.models.device._has_bf16", lambda device: True)
    network = build_network("cifar_resnet8", 3)
    before = {name: one.clone() for name, one in network.state_dict().items()}
    for is_training in (True, False):
        chosen = settle_precision(tiny(tmp_path), network, CPU, is_training=is_training)
        assert chosen in (torch.bfloat16, torch.float32)
    assert all(torch.equal(before[name], one) for name, one in network.state_dict().items())
    assert all(one.grad is None for one in network.parameters())
    kept = json.loads((tmp_path / "precision.json").read_text())
    assert len(kept) == 2
    assert all(
        set(one["seconds"]) == {"fp32", "bf16"} and min(one["seconds"].values()) > 0 for one in kept.values()
    )


def test_processes_that_begin_together_take_what_one_of_them_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else equal runs side by side might be made in different arithmetic, and one forget what another found."""
    monkeypatch.setenv("RAWLABEL_CACHE", str(tmp_path))
    monkeypatch.setattr("rawlabel.models.device._has_bf16", lambda device: True)
    together = threading.Barrier(4)
    tried: list[str] = []

    def settle(number: int) -> torch.dtype:
        def passes() -> Callable[[torch.dtype], float]:
            tried.append(f"model {number % 2}")
            # The first of each finds one, who comes later the other one.
            faster = torch.bfloat16 if tried.count(tried[-1]) == 1 else torch.float32
            return lambda dtype: 1.0 if dtype == faster else 2.0

        together.wait()
        return precision.faster_precision(CPU, {"model": number % 2}, passes)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(settle, range(4))) == 4 * [torch.bfloat16]
    assert sorted(tried) == ["model 0", "model 1"]
    assert len(json.loads((tmp_path / "precision.json").read_text())) == 2


def test_others_need_not_wait_for_a_trial_that_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAWLABEL_CACHE", str(tmp_path))
    monkeypatch.setattr("rawlabel.models.device._has_bf16", lambda device: True)
    locks: list[FileLock] = []
    monkeypatch.setattr(
        precision, "FileLock", lambda *given, **named: locks.append(FileLock(*given, **named)) or locks[-1]
    )

    def stopped() -> Callable[[torch.dtype], float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        precision.faster_precision(CPU, {"model": 1}, stopped)
    assert [one.is_locked for one in locks] == [False]


def test_a_processor_without_bf16_has_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAWLABEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("rawlabel.models.device._has_bf16", lambda device: False)
    network = build_network("cifar_resnet8", 3)
    assert settle_precision(tiny(tmp_path), network, CPU, is_training=True) == torch.float32
    assert not (tmp_path / "cache").exists()


@pytest.mark.integration
def test_a_run_keeps_its_arithmetic_and_is_evaluated_in_it(
    slow: dict[torch.dtype, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_class_folders(tmp_path / "candidate", 12, 1)
    make_class_folders(tmp_path / "test", 4, 2)
    slow[torch.bfloat16] = 0.5
    run = RunDirectory(tmp_path / "run")
    assert cli.run(arguments(tmp_path, run.path, epochs=1)) == 0
    assert precision_of_run(run, CPU) == "bf16"
    (run.path / "summary.json").unlink()
    (tmp_path / "cache" / "precision.json").unlink()
    slow[torch.bfloat16] = 2.0
    assert cli.run(arguments(tmp_path, run.path, epochs=1)) == 0  # goes on
    assert [start["precision"] for start in json.loads((run.path / "environment.json").read_text())] == 2 * [
        "bfloat16"
    ]
    for given, expected in (((), "bfloat16"), (("--precision", "fp32"), "float32")):
        assert cli.run(["evaluate", str(run.path), *given]) == 0
        assert run.summary().test.precision == expected
    capsys.readouterr()
    for given in ((), ("--precision", "bf16"), ("--precision", "fp32")):
        assert cli.run(["predict", str(run.path), str(tmp_path / "test"), *given]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 12

"""Two processes as `torchrun` starts them, by its own agent, but forked with all modules loaded."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from rawlabel import cli
from rawlabel.models import precision
from tests.helpers.processes import FORKS
from tests.helpers.trials import fp32_is_faster


def train_by_command(*arguments: str) -> None:
    """What each process runs that is `rawlabel`."""
    sys.argv = ["rawlabel", *arguments]
    cli.main(list(arguments))


class Launched:
    """The agent and its two processes, as `torchrun --standalone --nproc-per-node 2` has them.

    `run` is called in each of them, with `arguments`; what they leave beside that lies in a new `folder`.
    """

    def __init__(self, folder: Path, run: Callable[..., None], *arguments: str | Path) -> None:
        folder.mkdir()
        self._folder, self._said = folder, folder / "said"
        # An agent that ends before its first line has said nothing; its environment is that of the test.
        self._said.touch()
        variables = dict(os.environ)
        self.process = FORKS.Process(target=_launch, args=(folder, variables, run, tuple(map(str, arguments))))
        self.process.start()

    def is_over(self) -> bool:
        return self.process.exitcode is not None

    def pid_of(self, rank: int) -> int:
        """Of a process that runs already."""
        return int(Path(self._folder, f"pid-{rank}").read_text())

    def end(self, timeout: float) -> str:
        """Wait for all; returns what they said."""
        started = time.monotonic()
        self.process.join(timeout)
        assert self.is_over(), f"it hung for {time.monotonic() - started:.0f} s: {self._said.read_text()}"
        return self._said.read_text("utf-8")

    def codes(self) -> list[str]:
        """How the processes exited by themselves, by rank; those that were killed are left out."""
        files = [Path(self._folder, f"code-{rank}") for rank in range(2)]
        return [one.read_text() for one in files if one.exists()]


def _launch(folder: Path, variables: dict[str, str], run: Callable[..., None], arguments: tuple[str, ...]) -> None:
    os.environ.clear()
    os.environ.update(variables)
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with (folder / "said").open("a", encoding="utf-8") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=2, run_id=str(uuid.uuid4()), rdzv_backend="c10d",
        rdzv_endpoint="localhost:0", start_method="fork", max_restarts=0,
    )  # fmt: skip
    elastic_launch(config, _run)(str(folder), run, arguments)


def _run(folder: str, run: Callable[..., None], arguments: tuple[str, ...]) -> None:
    precision._trial = fp32_is_faster
    rank = os.environ["RANK"]
    said = os.open(Path(folder, "said"), os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(said, number)
    Path(folder, f"pid-{rank}").write_text(str(os.getpid()))
    code: int | str | None = 1
    try:
        run(*arguments)
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
        raise
    finally:
        Path(folder, f"code-{rank}").write_text(str(code))

"""Checkpoints are written by a thread, from a copy, while the next epoch is trained.

One thread writes them in the order in which they are handed over, so a process killed at any moment leaves what
it would have left had it waited for each: the last checkpoint that is whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from torch import Tensor

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import processes
from rawlabel.models.checkpoint import RunState, WeightsFacts, save_checkpoint, save_weights


def copy_to_host(value: Any) -> Any:
    """A copy of `value`, a tensor or dicts, lists and tuples of such, that no later step changes; in memory."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: copy_to_host(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(copy_to_host, value))
    return value


class CheckpointWriter:
    """Writes the checkpoints of `run`; as a context, it ends with all of them written.

    What fails raises in the thread that trains: at the next step (`check`), and at the latest at the end.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writing: Future[None] | None = None

    def save(
        self,
        weights: Mapping[str, Tensor],
        facts: WeightsFacts,
        state: RunState,
        selected: WeightsFacts | None = None,
        selected_weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Copy the values of `save_checkpoint` and write them, when the checkpoint before is written.

        `selected` are the facts to be written with the run's selected weights: `selected_weights`, which nobody
        changes, or else `weights`. Of several processes, the first writes. Raises what the writing before raised,
        such as `DiskError`.
        """
        if not processes.is_first():
            return
        # At most one copy is in memory.
        self.finish()
        # All of torch's work is done here: in the other thread it would start OpenMP's threads once more, and with
        # more of them than cores those that train sleep at every barrier, a fifth of a small network's step.
        copied = {name: tensor.contiguous() for name, tensor in copy_to_host(dict(weights)).items()}
        copies = copied, facts, copy_to_host(dict(state)), selected, selected_weights or copied
        self._writing = self._thread.submit(self._write, *copies)

    def _write(
        self,
        weights: Mapping[str, Tensor],
        facts: WeightsFacts,
        state: RunState,
        selected: WeightsFacts | None,
        selected_weights: Mapping[str, Tensor],
    ) -> None:
        # That from which a later start goes on takes its name last.
        if selected is not None:
            save_weights(self._run.selected_checkpoint, selected_weights, selected)
        save_checkpoint(self._run.last_checkpoint, weights, facts, state)

    def check(self) -> None:
        """Raise what the writing raised, if it has ended; waits for nothing."""
        if self._writing is not None and self._writing.done():
            self.finish()

    def finish(self) -> None:
        """Wait until all is written. Raises what the writing raised, once."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def __enter__(self) -> CheckpointWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        # Where a run is left because of an error, that error is the one to be told of.
        if error is None:
            self.finish()

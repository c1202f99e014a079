"""Several processes that make one run, on one machine or many, started by `torchrun`.

The rule is that what follows the logits is done by everybody. Each process puts its share of a batch through the
networks; `whole_batch` then gives the logits of the whole batch to all of them, and loss, memory of samples,
statistics, signals and stopping rule are computed by every process alike, as one process would. So nothing that
is remembered needs to be exchanged, and a term over the batch is over the whole batch. On the way back each
process keeps the gradient of its own share, and the processes' sum is the gradient of one process.

Where a run has one process, all functions here do nothing and cost nothing.
"""

from __future__ import annotations

import inspect
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from rawlabel.base import processes
from rawlabel.base.signals import StopRequest
from rawlabel.errors import ConfigError, Interrupted, ProcessLost

TIMEOUT = timedelta(minutes=10)
"""Silence of another process after which it is given up."""
_PATIENCE = 1.0
_LEAST_SHARE = 2
"""Images that each process gets at least, since batch norm cannot use one."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Group:
    store: Any
    """A `torch.distributed.Store`; torch hides the name from type checkers."""
    control: dist.ProcessGroup
    """Joins the processors' memories; the default group joins the devices'."""


_group: _Group | None = None


def count() -> int:
    """Processes that make this run together; 1 before `joined`."""
    return 1 if _group is None else processes.count()


@contextmanager
def joined() -> Iterator[None]:
    """Make this process one of those that `torchrun` started, for the block; alone, it stays alone.

    Raises `ConfigError` when the others cannot be found, `ProcessLost` when one of them ends before the block
    does. Of an error, one process alone speaks (`rawlabel.base.processes`).
    """
    global _group
    if processes.count() == 1 or _group is not None:
        yield
        return
    _group = _join()
    processes.join()
    try:
        yield
        from_first(lambda: None)
        dist.destroy_process_group()
    except Interrupted:
        processes.let_speak(processes.rank() == 0)
        # Threads of the group that the interpreter's end would meet abort the process, and its exit code with it.
        dist.destroy_process_group()
        raise
    except Exception as error:
        is_lost = _is_lost(error)
        processes.let_speak(_fails_first(_group.store, otherwise=not is_lost))
        if not processes.is_speaker():
            # The launcher ends all processes when it sees one end, and that one should have spoken by then.
            time.sleep(_PATIENCE)
        if not is_lost:
            raise
        raise ProcessLost(
            "a process of this run has ended or does not answer; the same command goes on from the last checkpoint"
        ) from error
    finally:
        _group = None


def _join() -> _Group:
    if os.environ.get("OMP_NUM_THREADS", "1") == "1":
        # That is torchrun's doing unless somebody asked for it, and leaves most of the machine idle.
        torch.set_num_threads(processes.own_cores())
    # Where weights have dimensions of length 1, one layout in memory has several names, and nothing is wrong.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides", UserWarning)
    try:
        store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
        # With --device cpu the networks are on the processor even where there are GPUs.
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
        control = dist.new_group(backend="gloo", timeout=TIMEOUT)
        assert isinstance(control, dist.ProcessGroup)
        return _Group(store, control)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"WORLD_SIZE={processes.count()}: the processes do not find each other "
            f"({str(error).splitlines()[0]}); start them with torchrun, and check its --rdzv-endpoint"
        ) from error


def _is_lost(error: Exception) -> bool:
    """Whether an exception says that another process is gone; gloo has no class of its own for that."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())


def _fails_first(store: Any, otherwise: bool) -> bool:
    """Whether no other process has failed before; `otherwise` where the one that counts is gone."""
    try:
        return bool(store.add("rawlabel/failed", 1) == 1)
    except (RuntimeError, ValueError):
        return otherwise


def from_first(make: Callable[[], Result]) -> Result:
    """What `make` gives in the first process, in all of them: what lies on disk is read once, and by one."""
    if _group is None:
        return make()
    box: list[Any] = [make() if processes.rank() == 0 else None]
    dist.broadcast_object_list(box, src=0, group=_group.control)
    result: Result = box[0]
    return result


def check_batch_size(batch_size: int) -> None:
    """Raise `ConfigError` unless the processes can share a batch fairly."""
    if batch_size % count() or batch_size < _LEAST_SHARE * count():
        raise ConfigError(
            f"--batch-size: {batch_size} images in a step over all processes cannot be shared by {count()}; "
            f"give a multiple of {count()}, with {_LEAST_SHARE} a process or more"
        )


def own_rows(size: int) -> Tensor:
    """Rows of a batch of `size` that are this process's share [share]; all have shares of one length.

    So that they have, the batch begins again behind its end. What comes of such a repeated row is dropped by
    `whole_batch`.
    """
    if _group is None:
        return torch.arange(size)
    share = _share(size)
    return (processes.rank() * share + torch.arange(share)) % size


def own(values: Tensor) -> Tensor:
    """The rows of this process's share, of `values` of a whole batch."""
    return values if _group is None else values[own_rows(len(values)).to(values.device)]


def whole_batch(values: Tensor, size: int) -> Tensor:
    """From each process's `values` [views * share, ...], those of the whole batch [views * size, ...], for all.

    Gradients go back to the process that made the value, times the number of processes, for their gradients of
    the weights are averaged.
    """
    if _group is None:
        return values
    gathered: Tensor = _WholeBatch.apply(values, size)
    return gathered


def _share(size: int) -> int:
    return max(-(-size // count()), _LEAST_SHARE)


class _WholeBatch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, size: int) -> Tensor:
        assert _group is not None
        ctx.size, share = size, _share(size)
        values = values.detach().contiguous()
        gathered = values.new_empty((count() * len(values), *values.shape[1:]))
        group = _group.control if values.device.type == "cpu" else None
        _all_gather(gathered, values, group)
        # By process, view, row; wanted by view, process, row, without the repeated rows at the end.
        by_view = gathered.view(count(), -1, share, *values.shape[1:]).transpose(0, 1).flatten(1, 2)
        return by_view[:, :size].flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), size, share = gradients, ctx.size, _share(ctx.size)
        by_view = gradient.view(-1, size, *gradient.shape[1:])
        start = processes.rank() * share
        kept = by_view[:, start : start + share] * count()
        padded = kept.new_zeros((len(by_view), share, *gradient.shape[1:]))
        padded[:, : kept.shape[1]] = kept
        return padded.flatten(0, 1), None


def _all_gather(gathered: Tensor, values: Tensor, group: dist.ProcessGroup | None) -> None:
    """`all_gather_single`, as torch calls it from 2.14 on."""
    gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    gather(gathered, values, group=group)


def spread(network: nn.Module, *, in_bf16: bool = False) -> nn.Module:
    """`network` as one of equal copies, whose gradients are averaged while they are computed.

    They are exchanged as they are, or rounded to bfloat16. Buffers are left alone in between (`average_buffers`).
    API: torch.nn.parallel.DistributedDataParallel.
    """
    has_new_name = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
    sync: dict[str, Any] = {"forward_sync_buffers" if has_new_name else "broadcast_buffers": False}
    # Weights are made equal here, and so are buffers; but those of a run that goes on are each process's own.
    before = [one.clone() for one in network.buffers()]
    copies = DistributedDataParallel(network, static_graph=True, gradient_as_bucket_view=True, **sync)
    if in_bf16:
        copies.register_comm_hook(None, bf16_compress_hook)
    for one, own_one in zip(network.buffers(), before, strict=True):
        one.copy_(own_one)
    return copies


def average_buffers(method: nn.Module) -> None:
    """Give all processes the mean of their networks' running statistics, such as those of batch norm."""
    if _group is None:
        return
    buffers = list(_own_buffers(method).values())
    if not buffers:
        return
    total = torch.cat([one.flatten() for one in buffers])
    dist.all_reduce(total, group=_group.control if total.device.type == "cpu" else None)
    means = torch.split(total / count(), [one.numel() for one in buffers])
    for one, mean in zip(buffers, means, strict=True):
        one.copy_(mean.view_as(one))


def buffers_of_all(method: nn.Module) -> list[dict[str, Tensor]] | None:
    """The running statistics of each process, in the first one, for a checkpoint within an epoch."""
    if _group is None:
        return None
    mine = {name: one.cpu() for name, one in _own_buffers(method).items()}
    theirs: list[Any] | None = [None] * count() if processes.rank() == 0 else None
    dist.gather_object(mine, theirs, dst=0, group=_group.control)
    return theirs


def restore_buffers(method: nn.Module, saved: list[dict[str, Tensor]] | None) -> None:
    """Take over this process's part of `buffers_of_all`; as many processes as then find their own again."""
    if _group is not None and saved is not None and len(saved) == count():
        for name, one in _own_buffers(method).items():
            one.copy_(saved[processes.rank()][name])


def _own_buffers(method: nn.Module) -> dict[str, Tensor]:
    """Buffers that depend on the share: those of networks. The method's own are alike everywhere."""
    return {name: one for name, one in method.named_buffers() if "." in name and one.is_floating_point()}


class SharedStop:
    """A request to stop that all processes hear of between the same two steps, whoever was asked."""

    def __init__(self, request: StopRequest) -> None:
        self._request = request
        self._number = torch.zeros((), dtype=torch.int64)
        self._pending: dist.Work | None = None

    def asked(self) -> bool:
        """Whether to stop here; every process must ask at the same places.

        Several processes learn what one of them knew the last time they asked, so that nobody waits.
        """
        if _group is None:
            return bool(self._request)
        if self._pending is not None:
            self._pending.wait()
        agreed = int(self._number)
        if agreed:
            self._request.signal_number = agreed
        self._number = torch.tensor(self._request.signal_number or 0)
        self._pending = dist.all_reduce(self._number, op=dist.ReduceOp.MAX, group=_group.control, async_op=True)
        return agreed > 0

    def obey(self) -> None:
        """Raise `Interrupted`; call it when all that matters is on disk."""
        if self._pending is not None:
            self._pending.wait()
            self._pending = None
        # A process that leaves early looks like a failure to the launcher, which would then end the others too.
        from_first(lambda: None)
        self._request.obey()

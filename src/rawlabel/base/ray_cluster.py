"""A connection to a Ray cluster, for the verbs whose `--engine ray` goes beyond one machine."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rawlabel.base import processes
from rawlabel.errors import ConfigError, RawlabelError

if TYPE_CHECKING:
    from ray import ObjectRef

Result = TypeVar("Result")
Value = TypeVar("Value")

OBJECT_STORE_BYTES = 200_000_000
"""Memory of an own cluster for batches on their way; only photos that a source has itself are among them."""
KNOCK_SECONDS = 5.0
RETRIES = 3
"""Times that Ray runs a task again whose process or machine was lost."""


def import_ray(address: str | None) -> Any:
    """Ray, with its reports to its makers turned off.

    Raises `ConfigError` with the command where it is not installed. `address` is that of a cluster that runs; with
    None, one is started that listens on this machine only.
    """
    # Read when Ray is imported: nothing is reported to Ray's makers, and a cluster of one's own listens on this
    # machine only (the variable's name is about systems where that is the default), since whoever reaches a
    # cluster may run code on it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is None:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "--engine ray: Ray is not installed; run `pip install 'rawlabel[ray]'` or leave --engine out"
        ) from error
    return ray


def connect(address: str | None, workers: int) -> bool:
    """Join the cluster at `address`, or start one of `workers` processes on this machine.

    Returns whether the connection is this process's own to end; one that the caller has made is used and left.
    Raises `ConfigError` when the cluster does not answer.
    """
    ray = import_ray(address)
    if ray.is_initialized():
        return False
    quietly = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    with _own_signal_handlers():
        if address is None:
            ray.init(
                address="local", num_cpus=workers, include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES, **quietly,
            )  # fmt: skip
            return True
        try:
            _knock(address)
            ray.init(address=address, **quietly)
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"--ray-address {address}: no Ray cluster answers there; start one with "
                "`ray start --head` or check the address"
            ) from error
    return True


class Shared(Generic[Value]):
    """A value that many tasks take, such as the hashes of a whole set, and that is sent to a cluster once."""

    def __init__(self, value: Value) -> None:
        self.value = value
        self._sent: tuple[str, ObjectRef[Value]] | None = None

    def _reference(self) -> ObjectRef[Value]:
        """Where it is in the memory of the cluster that this process is connected with."""
        import ray

        job = ray.get_runtime_context().get_job_id()
        if self._sent is None or self._sent[0] != job:
            self._sent = job, ray.put(self.value)
        return self._sent[1]


@dataclass(frozen=True)
class Cluster:
    """Where tasks run: the cluster at an address, or one of so many processes on this machine."""

    address: str | None
    workers: int

    @classmethod
    def of(cls, engine: str, address: str | None, workers: int | None) -> Cluster | None:
        """What `--engine`, `--ray-address` and `--workers` mean; None for this process alone."""
        return cls(address, workers or processes.own_cores()) if engine == "ray" else None

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Stay connected for several rounds of tasks, since a start takes seconds.

        Raises what `import_ray` and `connect` raise.
        """
        ray = import_ray(self.address)
        is_own = connect(self.address, self.workers)
        try:
            yield
        finally:
            if is_own:
                ray.shutdown()

    def results(self, function: Callable[..., Result], calls: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """What `function` returns of the arguments of each call, in their order, computed as tasks of the cluster.

        It stays connected where `joined` holds. An argument that is `Shared` is handed over as its value. A call
        may be made again: by Ray, `RETRIES` times, where a process or machine is lost, and then here. Raises what
        `import_ray` and `connect` raise, and the errors of `function`.
        """
        with self.joined():
            ray = import_ray(self.address)
            task = ray.remote(function).options(max_retries=RETRIES, retry_exceptions=False)
            # Enough that no process waits for its next one; memory holds the arguments and results of these alone.
            most = 2 * int(ray.cluster_resources().get("CPU", 0)) + 2
            begun: deque[tuple[tuple[Any, ...], ObjectRef[Any]]] = deque()
            for arguments in calls:
                sent = [one._reference() if isinstance(one, Shared) else one for one in arguments]
                begun.append((arguments, task.remote(*sent)))
                if len(begun) >= most:
                    yield _result(function, *begun.popleft())
            while begun:
                yield _result(function, *begun.popleft())


def _result(function: Callable[..., Result], arguments: tuple[Any, ...], begun: ObjectRef[Any]) -> Result:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        found: Result = ray.get(begun)
    except RayTaskError as error:
        if isinstance(error.cause, RawlabelError):
            raise error.cause from error
        raise
    except RayError:
        return function(*(one.value if isinstance(one, Shared) else one for one in arguments))
    return found


def _knock(address: str) -> None:
    """See whether anything listens at HOST:PORT, since Ray tries for many minutes. Raises `OSError`."""
    from ray.util import get_node_ip_address

    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return
    if host in ("localhost", "127.0.0.1"):
        # What Ray makes of it.
        host = get_node_ip_address()  # type: ignore[no-untyped-call]
    socket.create_connection((host, int(port)), KNOCK_SECONDS).close()


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Keep Ray from taking over SIGTERM, which ends a run between two steps here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

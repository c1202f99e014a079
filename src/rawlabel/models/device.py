"""Where to compute, and in which arithmetic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rawlabel.base import processes
from rawlabel.errors import ConfigError


def choose_device(name: str, gpu: int | None = None) -> torch.device:
    """`auto` takes an NVIDIA GPU if there is one, the one of index `gpu` if that is given.

    Each process of a machine takes a GPU of its own. Raises `ConfigError` when `cuda`, `mps` or a certain GPU is
    asked for and absent, or there are fewer GPUs than processes.
    """
    if gpu is not None:
        if name in ("cpu", "mps"):
            raise ConfigError(f"--gpu {gpu}: contradicts --device {name}; leave one of them out")
        if processes.local_count() > 1:
            raise ConfigError(f"--gpu {gpu}: is one for all processes; leave it out, then each takes its own")
        count = torch.cuda.device_count()
        if gpu >= count:
            known = f"torch finds {count} here, counted from 0" if count else "torch finds no GPU here"
            raise ConfigError(f"--gpu {gpu}: {known}; leave the flag out or choose another")
        _use_fast_kernels()
        return torch.device("cuda", gpu)
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no GPU here; use --device cpu or auto")
    if name == "mps":
        return _apple_gpu()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        _use_fast_kernels()
        if processes.local_count() > 1:
            return _own_gpu()
    return torch.device(name)


def has_gpu() -> bool:
    """Whether torch finds an NVIDIA GPU on this machine, on which to fine-tune takes minutes."""
    return torch.cuda.is_available()


def _use_fast_kernels() -> None:
    """Batches of one size profit from convolutions chosen by trial, and fp32 from the tensor cores' TF32."""
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True


def _apple_gpu() -> torch.device:
    if not torch.backends.mps.is_available():
        raise ConfigError("--device mps: torch finds no Apple GPU here; use --device cpu or auto")
    if processes.count() > 1:
        raise ConfigError("--device mps: takes one process; start it without torchrun, or use --device cpu")
    return torch.device("mps")


def _own_gpu() -> torch.device:
    wanted, found = processes.local_count(), torch.cuda.device_count()
    if wanted > found:
        raise ConfigError(
            f"--nproc-per-node {wanted}: torch finds {found} GPUs here; start one process a GPU, or use "
            "--device cpu"
        )
    torch.cuda.set_device(processes.local_rank())
    return torch.device("cuda", processes.local_rank())


class CopyStream:
    """Copies tensors to a device while the device computes; on a GPU in a stream of its own.

    From pinned memory nothing waits for a copy but what is computed with it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def send(self, tensor: Tensor) -> Tensor:
        """The tensor on the device, ready for what is computed next; itself, if it is there."""
        if self._stream is None or tensor.device.type == self._device.type:
            return tensor.to(self._device)
        with torch.cuda.stream(self._stream):
            sent = tensor.to(self._device, non_blocking=True)
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._stream)
        # Or the next copy could get its memory while it is still computed with.
        sent.record_stream(computing)
        return sent


def synchronize(device: torch.device) -> None:
    """Wait for what the device still works on, so that the clock tells when it is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def sums_dtype(device: torch.device) -> torch.dtype:
    """In what sums over many steps are kept on a device: Apple's GPUs have no floating point of 64 bits."""
    return torch.float32 if device.type == "mps" else torch.float64


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """`auto` takes bf16 where the processor computes in it, else fp32."""
    if name == "auto":
        name = "bf16" if _has_bf16(device) else "fp32"
    return torch.bfloat16 if name == "bf16" else torch.float32


def _has_bf16(device: torch.device) -> bool:
    if device.type == "mps":
        return False
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Emulated bf16 is slower than fp32, so only instructions for it count.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))

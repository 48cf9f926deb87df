"""The device that a client tunes on: finding a GPU, what is known of it, and what it sends back."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput


def torch_device(device: str) -> torch.device:
    """The device that a setting names, with "auto" resolved.

    Raises:
        BadInput: "cuda" where there is none.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        without = f"{torch.__version__} is built without CUDA: install one that has it"
        hidden = (
            f"CUDA_VISIBLE_DEVICES is {os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')}: see what nvidia-smi lists"
        )
        why = hidden if torch.version.cuda else without
        raise BadInput(
            f"device = cuda: no CUDA device is seen by torch ({why}); or give cpu, or auto: docs/how-to/gpu.md"
        )
    return torch.device("cuda" if device != "cpu" and available else "cpu")


@cache
def gpu_facts() -> dict[str, str]:
    """What decides the bits that come from this process's GPU, beside the versions of libraries."""
    return {
        "device": torch.cuda.get_device_name(),
        "cuda": str(torch.version.cuda),
        "driver": _driver_version(),
        "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG", ""),
    }


def _driver_version() -> str:
    """As its own tool tells it, which comes with it; empty where there is no such tool."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
    return next(iter(told.splitlines()), "").strip()


@contextmanager
def enough_memory() -> Iterator[None]:
    """For what takes memory of a GPU; also a decorator.

    Raises:
        BadInput: there is not enough.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).split(". ")[0]
        raise BadInput(
            f"{reason}: give a lower clients-per-gpu or micro-batch, dtype bfloat16, or checkpointing"
        ) from error


def to_host(tensor: Tensor) -> Tensor:
    """A tensor on the CPU. From a GPU it comes through memory that the system does not page, which is twice as fast.

    Torch keeps such memory for the next tensor and never gives it back: give it slices of a long vector.
    """
    if tensor.device.type == "cpu":
        return tensor
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor)


def choose_attention(model: nn.Module, device: torch.device) -> None:
    """Let torch attend in a way that runs: without its flash attention where that is half precision on a capped CPU.

    With ATEN_CPU_CAPABILITY, as most profiles of reproducibility have it, torch's flash attention packs bfloat16 for
    AMX all the same where the processor has that, and raises from 64 tokens on. In float32 it stays, as do its bits.
    """
    half = any(each.dtype in (torch.bfloat16, torch.float16) for each in model.parameters())
    capped = device.type == "cpu" and "ATEN_CPU_CAPABILITY" in os.environ
    torch.backends.cuda.enable_flash_sdp(not (half and capped))  # Of CPUs too, whatever its name says.

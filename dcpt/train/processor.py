"""Where the arithmetic happens: device, threads, precision, and how the host keeps its memory."""

from __future__ import annotations

import contextlib
import ctypes
import platform
from dataclasses import dataclass
from typing import Any, Literal

import torch

from dcpt.core.errors import ConfigError

Precision = Literal["fp32", "bf16"]

# glibc's mallopt numbers (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 29
"""Freed memory up to this size stays with the process. By default glibc hands every large activation
back and faults it in again each step: a fifth of a step of 0.05M to 0.1M parameters, 3 % at 0.6M (measured
in CPU time, vocabulary 1024)."""


@dataclass(frozen=True)
class Processor:
    """The device and the number format a process trains with.

    Parameters
    ----------
    device : torch.device
        cpu or cuda.
    precision : {"fp32", "bf16"}
        bf16 runs the forward pass under autocast; weights and optimizer stay in fp32.
    """

    device: torch.device
    precision: Precision = "fp32"

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Context of a forward pass."""
        context: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
        if self.precision == "bf16":
            context = torch.autocast(self.device.type, dtype=torch.bfloat16)
        return context

    def describe(self) -> dict[str, str]:
        """What the record says about the machine."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else _cpu_name()
        return {
            "platform": platform.platform(),
            "processor": name,
            "device": self.device.type,
            "precision": self.precision,
            "threads": str(torch.get_num_threads()),
            "python": platform.python_version(),
        }


def prepare_processor(device: str = "auto", precision: str = "fp32", threads: int | None = None) -> Processor:
    """Choose the device and set this process's threads and memory policy.

    Parameters
    ----------
    device : str
        auto (cuda if there is one), cpu, cuda or cuda:<index>.
    precision : str
        fp32 or bf16.
    threads : int, optional
        Threads of CPU arithmetic; by default 1 on the CPU, because several processes with more than
        one thread each stall one another.

    Raises
    ------
    ConfigError
        When the device or the precision is unknown or not there.
    """
    if precision not in ("fp32", "bf16"):
        raise ConfigError(f"train: precision is {precision!r}; wanted fp32 or bf16.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ConfigError(f"train: device is {device!r}; wanted auto, cpu or cuda.") from None
    if chosen.type not in ("cpu", "cuda"):
        raise ConfigError(f"train: device is {device!r}; wanted auto, cpu or cuda.")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "train: device is cuda; this machine shows no CUDA device.", hint="use --device cpu"
        )
    if threads is not None and threads < 1:
        raise ConfigError(f"train: threads is {threads}; wanted at least 1.")
    torch.set_num_threads(threads or 1)
    if chosen.type == "cpu":
        _keep_freed_memory()
    return Processor(chosen, precision)  # type: ignore[arg-type]


def _keep_freed_memory() -> None:
    if platform.libc_ver()[0] != "glibc":
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

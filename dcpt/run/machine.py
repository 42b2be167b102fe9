"""What this machine offers: slots for runs, and the accelerator behind them."""

from __future__ import annotations

import os
import shutil
import subprocess


def visible_gpus() -> tuple[str, ...]:
    """Names of the CUDA devices this process may use, as ``CUDA_VISIBLE_DEVICES`` takes them.

    They are found without loading torch. A name may be a number of this machine or a device's UUID.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names: list[str] = []
        for part in visible.split(","):
            if part.strip() in ("", "-1"):
                break  # CUDA ignores what stands behind an invalid name
            names.append(part.strip())
        return tuple(names)
    if shutil.which("nvidia-smi") is None:
        return ()
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(str(index) for index in range(sum(line.startswith("GPU ") for line in listing.splitlines())))


def count_gpus() -> int:
    """CUDA devices this process may use, without loading torch."""
    return len(visible_gpus())


def count_cores() -> int:
    """CPU cores this process may run on (its affinity, not the machine's total)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

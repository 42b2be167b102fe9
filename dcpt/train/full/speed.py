"""How fast a run is: tokens per second, and the share of the hardware's peak that they amount to."""

from __future__ import annotations

import torch

from dcpt.cost.hardware import HARDWARE, Hardware, get_hardware
from dcpt.train.processor import Processor


def find_hardware(processor: Processor, name: str | None = None) -> Hardware | None:
    """The hardware by its name in `dcpt.cost.hardware`, else the one that the device says it is.

    Parameters
    ----------
    processor : Processor
        A CPU counts as one core per process.
    name : str, optional
        Name to look up.

    Returns
    -------
    Hardware or None
        None for a GPU that `dcpt.cost.hardware` does not list.

    Raises
    ------
    ConfigError
        When the name is unknown.
    """
    if name is not None:
        return get_hardware(name)
    if processor.device.type == "cpu":
        return HARDWARE["cpu-core"]
    device = torch.cuda.get_device_name(processor.device).lower()
    return next((item for key, item in HARDWARE.items() if key in device), None)


def utilisation(
    tokens_per_second: float, flops_per_token: float, hardware: Hardware | None, processes: int
) -> float | None:
    """Model FLOPs utilisation: FLOPs of the model per second over the peak of all processes' devices.

    What is computed again in the backward pass does not count (Chowdhery et al. 2022, arXiv:2204.02311,
    appendix B).

    Parameters
    ----------
    tokens_per_second : float
        Of the whole run.
    flops_per_token : float
        As `dcpt.cost.flops.training_flops_per_token` gives it.
    hardware : Hardware, optional
        One device.
    processes : int
        Devices.

    Returns
    -------
    float or None
        A share; None for unknown hardware.
    """
    if hardware is None:
        return None
    return tokens_per_second * flops_per_token / (hardware.peak_flops * processes)

"""From FLOPs to device hours and money, and the FLOPs per token of a family of models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.cost.flops import training_flops_per_token
from dcpt.cost.hardware import get_hardware
from dcpt.cost.parameters import count_parameters, non_embedding


def device_hours(flops: float, hardware: str, utilisation: float | None = None) -> tuple[float, float, float]:
    """Device hours of a run: shortest, likely, longest.

    Parameters
    ----------
    flops : float
        Training FLOPs.
    hardware : str
        A name known to `dcpt.cost.hardware`.
    utilisation : float, optional
        Share of the peak that is reached; by default the hardware's low, likely and high one.

    Raises
    ------
    ConfigError
        When the hardware is unknown or the share is outside (0, 1].
    """
    device = get_hardware(hardware)
    if utilisation is None:
        return device.hours(flops)
    if not 0 < utilisation <= 1:
        raise ConfigError(f"utilisation: got {utilisation:g}; wanted a share of the peak in (0, 1].")
    hours = flops / (device.peak_flops * utilisation) / 3600
    return hours, hours, hours


def family_flops_per_token(
    family: str, configs: Sequence[Mapping[str, Any]], context: int
) -> Callable[[float], float]:
    """FLOPs per training token by size, as the models of a family cost them.

    Other than 6 N this counts the output head and the attention's products, which weigh most in small models.

    Parameters
    ----------
    family : str
        ``model_type`` of the configurations, one whose parameters have a closed form.
    configs : sequence of mapping
        Configurations of the family's sizes.
    context : int
        Tokens per sequence.

    Returns
    -------
    callable
        Non-embedding parameters to FLOPs per token: 6 N times a factor, known at the family's sizes, its
        logarithm linear in log N between them and constant beyond.

    Raises
    ------
    ConfigError
        When there is no configuration, one lacks a field, or the family has no closed form.
    """
    if not configs:
        raise ConfigError("flops per token: there is no configuration; wanted those of the family's sizes.")
    known: dict[float, float] = {}
    for config in configs:
        parts = count_parameters(family, config)
        layers, hidden = int(config["num_hidden_layers"]), int(config["hidden_size"])
        known[float(non_embedding(parts))] = training_flops_per_token(parts, layers, hidden, context)
    sizes = np.array(sorted(known))
    ratio = np.log([known[size] / (6 * size) for size in sizes])

    def per_token(N: float) -> float:
        return float(6 * N * np.exp(np.interp(np.log(N), np.log(sizes), ratio)))

    return per_token

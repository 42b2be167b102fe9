"""How a budget is best split between size and tokens, in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dcpt.core.errors import ConfigError


@dataclass(frozen=True)
class Allocation:
    """The split of a budget that gives the least loss.

    Parameters
    ----------
    N, D : float
        Parameters and tokens; 6 N D is the budget.
    G, a, b : float
        N = G c**a and D = c**b / G with c the budget over 6, in the units of the law.
    """

    N: float
    D: float
    G: float
    a: float
    b: float


def compute_optimal(
    values: Mapping[str, float], flops: float, *, unit_N: float = 1.0, unit_D: float = 1.0
) -> Allocation:
    """Minimise E + A/N**alpha + B/(D**beta N**gamma) at 6 N D = flops.

    Parameters
    ----------
    values : mapping
        A, B, alpha, beta, and gamma where the law has one (`cross-lingual`); `chinchilla` has none, and
        `d-cpt` at one share is such a law (`dcpt.laws.dcpt_law.at_share`).
    flops : float
        Training budget in FLOPs.
    unit_N, unit_D : float
        What the law's N and D are counted in (1e9: billions).

    Raises
    ------
    ConfigError
        When a parameter is missing or not positive, or beta <= gamma: larger models are then always better
        and there is no best size.

    Examples
    --------
    >>> best = compute_optimal({"A": 420.0, "B": 719.5, "alpha": 0.4, "beta": 0.3}, 1e21)
    >>> f"{best.N:.3g} parameters, {best.D:.3g} tokens"
    '3.24e+08 parameters, 5.14e+11 tokens'

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, usage 3 (gamma = 0); arXiv:2407.02118 (gamma > 0).
    """
    missing = [name for name in ("A", "B", "alpha", "beta") if name not in values]
    if missing:
        raise ConfigError(f"compute-optimal split: {missing[0]!r} is missing; got {', '.join(values)}.")
    A, B, alpha, beta = (float(values[name]) for name in ("A", "B", "alpha", "beta"))
    gamma = float(values.get("gamma", 0.0))
    given = {"A": A, "B": B, "alpha": alpha, "beta": beta, "flops": flops, "unit_N": unit_N, "unit_D": unit_D}
    for name, value in given.items():
        if not (value > 0 and np.isfinite(value)):
            raise ConfigError(f"compute-optimal split: {name} = {value:g}; wanted a positive number.")
    if beta <= gamma:
        raise ConfigError(
            f"compute-optimal split: beta = {beta:g} is not above gamma = {gamma:g}; at a fixed budget the "
            "loss then falls with size without end.",
            hint="tokens matter less than size in this fit: refit with more budgets per size",
        )
    total = alpha + beta - gamma
    G = (alpha * A / ((beta - gamma) * B)) ** (1 / total)
    a, b = beta / total, (alpha - gamma) / total
    budget = flops / 6 / (unit_N * unit_D)
    return Allocation(N=G * budget**a * unit_N, D=budget**b / G * unit_D, G=G, a=a, b=b)

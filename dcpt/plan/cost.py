"""What the planned run costs: FLOPs, tokens of each side, and, where asked, hours, money and epochs."""

from __future__ import annotations

from dcpt.core.symbols import ROLES
from dcpt.cost.price import device_hours
from dcpt.plan.supply.repetition import Supply

FLOPS_PER_TOKEN_AND_PARAMETER = 6.0
"""Forward and backward pass: two and four FLOPs per parameter and token (Kaplan et al. 2020,
arXiv:2001.08361, Sec. 2.1). N is non-embedding, so the output head is not counted."""


def run_cost(
    N: float,
    D: float,
    r: float,
    *,
    flops_per_token: float | None = None,
    hardware: str | None = None,
    utilisation: float | None = None,
    price: float | None = None,
    supply: Supply | None = None,
) -> dict[str, float]:
    """Cost of training N parameters on D tokens with domain share r.

    Parameters
    ----------
    N : float
        Non-embedding parameters.
    D : float
        Training tokens.
    r : float
        Domain share of the tokens.
    flops_per_token : float, optional
        FLOPs per training token; 6 N by default.
    hardware : str, optional
        A name known to `dcpt.cost.hardware`: adds device hours.
    utilisation : float, optional
        Share of its peak that is reached; by default its range.
    price : float, optional
        Money per device hour: adds money.
    supply : Supply, optional
        Pools: adds the epochs over each.

    Returns
    -------
    dict of str to float
        ``flops``, ``tokens``, ``domain_tokens`` and ``general_tokens``; ``replay_factor``, 1/(1 - replay), by
        which replay multiplies the cost of a domain token, and ``flops_per_domain_token``, both left out
        without domain tokens; ``hours_low``, ``hours``, ``hours_high`` and ``money_low``, ``money``,
        ``money_high``; ``domain_epochs`` and ``general_epochs``.

    Raises
    ------
    ConfigError
        When the hardware is unknown or the utilisation no share.
    """
    per_token = FLOPS_PER_TOKEN_AND_PARAMETER * N if flops_per_token is None else flops_per_token
    cost = {
        "flops": per_token * D,
        "tokens": D,
        "domain_tokens": r * D,
        "general_tokens": (1 - r) * D,
    }
    if r > 0:
        cost |= {"replay_factor": 1 / r, "flops_per_domain_token": per_token / r}
    if hardware is not None:
        names = ("hours_low", "hours", "hours_high")
        cost |= zip(names, device_hours(per_token * D, hardware, utilisation), strict=True)
        if price is not None:
            cost |= {name.replace("hours", "money"): cost[name] * price for name in names}
    if supply is not None:
        for side in ROLES:
            passes = supply.epochs(side, D, r)
            if passes is not None:
                cost[f"{side}_epochs"] = passes
    return cost

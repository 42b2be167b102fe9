"""Replay against model size: what the same FLOPs per new token buy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.laws.flops_per_token import flops_per_token
from dcpt.plan.allocation.spending import QuestionAt
from dcpt.plan.supply.repetition import Supply

Array = NDArray[np.float64]

REPLAYS = (0.05, 0.1, 0.25, 0.5)
"""Shares compared by default: 5 to 50 %, the range of published recommendations."""


def replay_or_size(
    question_at: QuestionAt,
    flops: float,
    new_tokens: float,
    replays: Sequence[float] = REPLAYS,
    supply: Supply | None = None,
    level: float = 0.9,
) -> pd.DataFrame:
    """Compare shares of replay at equal FLOPs per new token: the more replay, the smaller the model.

    Every run sees the same domain tokens. With a share of replay each costs 6 N / (1 - replay), so that the
    size that the FLOPs pay for is N = flops (1 - replay) / 6.

    Parameters
    ----------
    question_at : callable
        Size to the `Question`.
    flops : float
        FLOPs per new (domain) token.
    new_tokens : float
        Domain tokens of every run.
    replays : sequence of float
        Shares of general tokens, from 0 to below 1; the first is what the others are compared with.
    supply : Supply, optional
        Pools; repeats count as in `solve_supply`.
    level : float
        Probability of the intervals.

    Returns
    -------
    DataFrame
        One row per share: replay, N, D, r, value (the weighted loss that is minimised), every loss; each of
        them with ``_lo`` and ``_hi``, and ``_change``, ``_change_lo`` and ``_change_hi`` for its difference
        from the first row, paired in the draws; feasible, whether the limits are kept, and extrapolates,
        whether N, D or r lies outside the fitted ranges. Without draws the ends are nan.

    Raises
    ------
    ConfigError
        When a number is not positive, a share is outside [0, 1), or there is none.

    References
    ----------
    arXiv:2508.01908: at equal FLOPs per token a quarter of replay beats a larger model, a half does not.
    """
    if not (flops > 0 and new_tokens > 0 and len(replays)):
        raise ConfigError(
            f"replay against size: {flops:g} FLOPs per new token, {new_tokens:g} new tokens and "
            f"{len(replays)} shares; wanted positive numbers and at least one share."
        )
    pools = supply or Supply()
    rows: list[dict[str, float]] = []
    first: dict[str, Array] = {}
    for replay in replays:
        N = flops / float(flops_per_token(1.0, replay))
        D, r = new_tokens / (1.0 - replay), 1.0 - replay
        question = question_at(N)
        everyone = slice(0, 1 + question.draws)
        at = np.array([D]), np.array([r])
        losses = {law.name: law.losses(everyone, *at, pools) for law in question.laws}
        losses["value"] = question.value(everyone, *at, pools)
        excess = question.excess(slice(0, 1), *at, pools)
        first = first or losses
        row = {"replay": float(replay), "N": N, "D": D, "r": r}
        for name in ("value", *(name for name in losses if name != "value")):
            row |= _ends(name, losses[name], level)
            row |= _ends(f"{name}_change", losses[name] - first[name], level)
        row["feasible"] = excess is None or bool(excess[0] <= 0)
        row["extrapolates"] = any(bool(law.fit.extrapolates(N, D, r)[0]) for law in question.laws)
        rows.append(row)
    return pd.DataFrame(rows)


def _ends(name: str, values: Array, level: float) -> dict[str, float]:
    """The point's value and the quantiles of the draws."""
    tail = (1 - level) / 2
    low, high = np.quantile(values[1:], [tail, 1 - tail]) if len(values) > 2 else (np.nan, np.nan)
    point = float(values[0])
    return {name: point, f"{name}_lo": min(float(low), point), f"{name}_hi": max(float(high), point)}

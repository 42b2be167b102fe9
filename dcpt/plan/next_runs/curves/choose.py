"""The cheapest runs that tell nearly as much as all on offer, and the order to buy them in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.next_runs.curves.outlook import Outlook

Mask = NDArray[np.bool_]


def cheapest(outlook: Outlook, slack: float, money: float = np.inf) -> Mask:
    """Take runs away from all of them, always the one that tells least for its price.

    Parameters
    ----------
    outlook : Outlook
        The runs.
    slack : float
        Share by which the answer's deviation may stay above what all would leave.
    money : float
        Most FLOPs; runs are taken away until they cost no more.

    Returns
    -------
    ndarray of bool, shape (runs,)
        The runs that stay.
    """
    have = outlook.everything()
    goal = (1 + slack) ** 2 * float(outlook.variance(have))
    if float(outlook.variance(outlook.none())) <= goal:
        return outlook.none()
    while have.any():
        _, sets = outlook.without_each(have)
        now, cost = float(outlook.variance(have)), float(outlook.flops(have))
        left, saved = outlook.variance(sets), cost - outlook.flops(sets)
        # A trunk alone saves nothing while its branches stay; it tells nothing then, either.
        allowed = (left <= goal) | (cost > money)
        if not allowed.any():
            break
        rate = np.where(saved > 0, (left - now) / np.where(saved > 0, saved, 1.0), -np.inf)
        have = sets[int(np.argmin(np.where(allowed, rate, np.inf)))]
    return have


def in_order(outlook: Outlook, chosen: Mask, most: int) -> list[Mask]:
    """What is bought after each purchase: those first that tell most for their price after those before."""
    have, found = outlook.none(), [outlook.none()]
    while len(found) <= most and (chosen & ~have).any():
        numbers, sets = outlook.with_each(have)
        wanted = np.isin(numbers, np.flatnonzero(chosen))
        sets = sets[wanted]
        cost = outlook.flops(sets) - float(outlook.flops(have))
        gain = float(outlook.variance(have)) - outlook.variance(sets)
        rate = np.where(cost > 0, gain / np.where(cost > 0, cost, 1.0), np.inf)
        have = sets[int(np.argmax(rate))]
        found.append(have)
    return found[1:]

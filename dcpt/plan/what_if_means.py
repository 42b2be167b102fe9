"""Means that a table of what if varies: the budget, its price, the pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import parse_quantity
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.plan.objective import Objective

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Amounts beside the one asked about, as factors of it."""

_CURRENCIES = ("flops", "gpu_hours", "money")


def vary_means(
    objective: Objective, axis: str, values: Sequence[str] | None
) -> tuple[str, list[float], list[Objective]]:
    """The question with other means.

    Parameters
    ----------
    objective : Objective
        The question.
    axis : {"budget", "price", "pool"}
        What varies: the budget in its own currency, the price of a device hour, the unique tokens of one side
        (the domain's, where both or neither have a pool).
    values : sequence of str, optional
        Amounts, ``1e21`` or with their name, ``gpu_hours=500``, ``general=10B``; by default around the
        question's own.

    Returns
    -------
    name, amounts, objectives
        What the amounts are of: ``flops``, ``gpu_hours``, ``money``, ``price``, ``domain_pool`` or
        ``general_pool``; the amounts, and the question with each.

    Raises
    ------
    ConfigError
        When the question has no such means, or a value is none.
    """
    field, key, own = _own(objective, axis, values)
    if values is None:
        if own is None:
            raise ConfigError(f"what if: there is no {axis} to vary, and no values of it are given.")
        amounts = [own * factor for factor in FACTORS]
    else:
        amounts = [_amount(value, axis, key) for value in values]
    asked = objective.model_dump(mode="json", exclude_none=True)
    varied: list[dict[str, Any]] = [{**asked, field: {**asked.get(field, {}), key: x}} for x in amounts]
    name = f"{key}_pool" if axis == "pool" else key
    return (
        name,
        amounts,
        [Objective.of(fields, f"what if {name} = {fields[field][key]:g}") for fields in varied],
    )


def _own(objective: Objective, axis: str, values: Sequence[str] | None) -> tuple[str, str, float | None]:
    """Field, key and present amount of what varies."""
    if axis == "pool":
        pools = objective.pools
        named = {value.partition("=")[0].strip() for value in values or () if "=" in value}
        side = named.pop() if named else DOMAIN
        if not named and side == DOMAIN and pools is not None and pools.domain is None and values is None:
            side = GENERAL
        if side not in (DOMAIN, GENERAL):
            raise ConfigError(f"what if: {side!r} is no side; wanted {DOMAIN} or {GENERAL}.")
        return "pools", side, None if pools is None else getattr(pools, side)
    budget = objective.budget
    if budget is None:
        raise ConfigError(f"what if: there is no budget, so no {axis} varies.", hint="--budget flops=1e21")
    currency = next(name for name in _CURRENCIES if getattr(budget, name) is not None)
    if axis == "price":
        if budget.price is None:
            raise ConfigError(
                f"what if: the budget is in {currency}, which has no price to vary; wanted one in money.",
                hint="--budget money=1000,price=2.5,hardware=h100",
            )
        return "budget", "price", budget.price
    return "budget", currency, getattr(budget, currency)


def _amount(text: str, axis: str, key: str) -> float:
    name, equals, amount = text.rpartition("=")
    if equals and name.strip() != key:
        raise ConfigError(f"what if: {axis} varies in {key}; got {text!r}, wanted amounts of {key} alone.")
    number = parse_quantity(amount, "--values")
    if number <= 0:
        raise ConfigError(f"what if: {key} = {number:g}; wanted positive numbers.")
    return number

"""What there is to spend: pools of unique tokens, passes over them, and a budget of compute."""

from __future__ import annotations

import math
from typing import Any

from pydantic import field_validator, model_validator

from dcpt.core.quantity import format_quantity, parse_quantity
from dcpt.cost.hardware import get_hardware
from dcpt.plan.asked import Asked


def read_amount(value: Any) -> Any:
    """A number that may carry a magnitude letter; None stays None."""
    return parse_quantity(value) if isinstance(value, (str, int, float)) else value


def _positive(value: float | None, what: str) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise ValueError(f"{what} is {value:g}; wanted a positive number")


class Pools(Asked):
    """Unique training tokens of each side; a side that is not given is taken to be unlimited.

    Attributes
    ----------
    domain, general : float, optional
        Tokens; ``"5B"`` is read.
    """

    domain: float | None = None
    general: float | None = None

    _amount = field_validator("domain", "general", mode="before")(read_amount)

    @model_validator(mode="after")
    def _possible(self) -> Pools:
        for name in ("domain", "general"):
            value = getattr(self, name)
            if value == 0:
                raise ValueError(f"the {name} pool holds no tokens; there is nothing to mix")
            _positive(value, f"the {name} pool")
        return self

    @property
    def proportional(self) -> float | None:
        """Domain share of both pools poured together; None unless both are known."""
        if self.domain is None or self.general is None:
            return None
        return self.domain / (self.domain + self.general)

    def __str__(self) -> str:
        known = [(name, getattr(self, name)) for name in ("domain", "general")]
        return " and ".join(
            f"{format_quantity(value)} unique {name} tokens" for name, value in known if value is not None
        )


class Epochs(Asked):
    """Most passes over each side's pool.

    Attributes
    ----------
    domain, general : float, optional
        Passes; a side that is not given has no cap.
    """

    domain: float | None = None
    general: float | None = None

    @model_validator(mode="after")
    def _possible(self) -> Epochs:
        for name in ("domain", "general"):
            _positive(getattr(self, name), f"the cap on {name} epochs")
        return self


class Budget(Asked):
    """Compute that may be spent on the run, in one of three currencies.

    Attributes
    ----------
    flops : float, optional
        Training FLOPs.
    gpu_hours : float, optional
        Device hours of `hardware`.
    money, price : float, optional
        Money, and the price of one device hour of `hardware`, in one currency.
    hardware : str, optional
        A name known to `dcpt.cost.hardware`.
    utilisation : float, optional
        Share of the hardware's peak that the run reaches; by default what the hardware is known for,
        with its range.
    """

    flops: float | None = None
    gpu_hours: float | None = None
    money: float | None = None
    price: float | None = None
    hardware: str | None = None
    utilisation: float | None = None

    _amount = field_validator("flops", "gpu_hours", "money", "price", mode="before")(read_amount)

    @model_validator(mode="after")
    def _possible(self) -> Budget:
        currencies = [name for name in ("flops", "gpu_hours", "money") if getattr(self, name) is not None]
        if len(currencies) != 1:
            got = " and ".join(currencies) or "none of them"
            raise ValueError(f"the budget gives {got}; wanted one of flops, gpu_hours and money")
        for name in ("flops", "gpu_hours", "money", "price"):
            _positive(getattr(self, name), f"the budget's {name}")
        if currencies[0] == "flops":
            odd = [name for name in ("price", "hardware", "utilisation") if getattr(self, name) is not None]
            if odd:
                raise ValueError(f"{odd[0]} means nothing for a budget in FLOPs; drop it")
            return self
        if self.hardware is None:
            raise ValueError(f"a budget in {currencies[0]} needs its hardware, such as h100")
        get_hardware(self.hardware)
        if (self.money is None) != (self.price is None):
            raise ValueError("money and price (of one device hour) belong together; one of them is missing")
        if self.utilisation is not None and not 0 < self.utilisation <= 1:
            raise ValueError(f"utilisation is {self.utilisation:g}; wanted a share of the peak in (0, 1]")
        return self

    def flops_range(self) -> tuple[float, float, float]:
        """FLOPs that the budget buys at the low, likely and high utilisation of its hardware."""
        if self.flops is not None:
            return self.flops, self.flops, self.flops
        hours = self.gpu_hours
        if self.money is not None and self.price is not None:
            hours = self.money / self.price
        assert hours is not None
        assert self.hardware is not None
        device = get_hardware(self.hardware)
        shares = device.utilisation if self.utilisation is None else (self.utilisation,) * 3
        low, likely, high = (hours * 3600 * device.peak_flops * share for share in shares)
        return low, likely, high

    @property
    def likely(self) -> float:
        """FLOPs that the budget buys at the likely utilisation."""
        return self.flops_range()[1]

    def __str__(self) -> str:
        if self.flops is not None:
            return f"{self.flops:.3g} FLOPs"
        if self.gpu_hours is not None:
            return f"{format_quantity(self.gpu_hours)} {self.hardware} hours"
        return f"{self.money:g} at {self.price:g} an hour of {self.hardware}"

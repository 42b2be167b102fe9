"""A parameter of a law, as its class declares it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dcpt.laws.latex import symbol_latex


@dataclass(frozen=True)
class Parameter:
    """A parameter of a law: its kind, bounds and meaning.

    Parameters
    ----------
    kind : {"linear", "nonlinear"}
        Whether the loss is linear in the parameter.
    lo, hi : float
        Bounds, with N and D in the units of the fit.
    meaning, unit : str
        For tables and reports.
    name : str
        Filled in by the law.
    """

    kind: Literal["linear", "nonlinear"]
    lo: float
    hi: float
    meaning: str
    unit: str
    name: str = ""

    @property
    def latex(self) -> str:
        """The parameter's symbol in LaTeX."""
        return symbol_latex(self.name)


def linear(lo: float, hi: float, meaning: str, unit: str = "nats/token") -> Parameter:
    """Declare a parameter the loss is linear in."""
    return Parameter("linear", float(lo), float(hi), meaning, unit)


def nonlinear(lo: float, hi: float, meaning: str, unit: str = "1") -> Parameter:
    """Declare an exponent, an offset or any other parameter the loss is not linear in."""
    return Parameter("nonlinear", float(lo), float(hi), meaning, unit)

"""A small target corpus inside a large mixture: repeating it helps less each time, and costs."""

from __future__ import annotations

from dcpt.core.symbols import DOMAIN, Symbol
from dcpt.laws.law import Law, linear, nonlinear

_TARGET = "(min(s*D, Ud) + Ud*R*(1 - exp(-max(s*D/Ud - 1, 0)/R)))"


class RepeatedTarget(Law):
    """Target loss at one size: effective tokens in which repeats of the target fade, and a cost of its share.

    Effective tokens are the general ones, (1 - s)*D, plus tau times the target's, of which repeats beyond
    the first pass fade with R epochs. While the target is not exhausted its tokens count in full. Unlike
    laws in effective tokens alone it has a best share, through the term gamma*s.
    """

    name = "repeated-target"
    formula = f"E + A*((1 - s)*D + tau*{_TARGET})**-alpha + gamma*s"
    reference = "Sedova et al. 2026, arXiv:2605.12715"
    sides = (DOMAIN,)
    columns = (Symbol("Ud", "unique tokens of the domain corpus", "tokens", "U_d"),)
    domain = {"Ud": (1.0, 1e16)}  # noqa: RUF012
    monotone = {"D": -1}  # noqa: RUF012

    # A target token may be worth 1000 general ones or a thousandth of one; R from a tenth of an epoch, where
    # a second pass is worthless, to 1000, where repeating costs nothing.
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss after one unit of effective tokens")
    gamma = linear(0.0, 1e3, "cost of the target's share")
    alpha = nonlinear(1e-3, 3.0, "token exponent")
    tau = nonlinear(1e-3, 1e3, "general tokens a target token is worth", "tokens/token")
    R = nonlinear(0.1, 1e3, "decay of repeated target tokens (the paper's r1)", "epochs")
